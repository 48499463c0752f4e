"""The persona's folder: consent first, and either the whole result of an enrolment or nothing of it."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common import consent
from services.face.enrolment.picture import png
from vivant.errors import Unusable

LANDMARKS_VERSION: Final = 1
PORTRAIT: Final = "portrait.png"
LANDMARKS: Final = "derived/landmarks.json"
PERSON: Final = "derived/person.png"


def require_consent(folder: Path) -> None:
    """Raises NotFound without such a persona, Unusable without consent to use the portrait, or when it was withdrawn."""
    consent.require(folder, "portrait", "nobody's picture is animated without consent")


def present(folder: Path) -> bytes:
    """The portrait that is in the folder."""
    try:
        return (folder / PORTRAIT).read_bytes()
    except FileNotFoundError:
        raise Unusable(f"{folder.name!r} has no {PORTRAIT}; put one there or send a picture", reason="no_portrait") from None


def results(portrait: bytes, points: NDArray[np.float64], person: NDArray[np.uint8]) -> dict[str, bytes]:
    """The files of one enrolment. The landmarks name the portrait that they belong to."""
    height, width = person.shape
    landmarks = {
        "version": LANDMARKS_VERSION,
        "image_sha256": hashlib.sha256(portrait).hexdigest(),
        "width": width,
        "height": height,
        "points": points.round(3).tolist(),
    }
    return {PERSON: png(person), LANDMARKS: json.dumps(landmarks).encode(), PORTRAIT: portrait}


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """What is there now, to be put back if need be."""
    return {name: _read(folder / name) for name in (PERSON, LANDMARKS, PORTRAIT)}


def replace(folder: Path, files: Mapping[str, bytes | None]) -> None:
    """Writes all of `files` beside their places and then moves them there; None removes.

    What is not complete when the machine stops is never taken for an enrolment: the landmarks carry the portrait's checksum.
    """
    staged: list[tuple[Path, Path]] = []
    try:
        for name, data in files.items():
            if data is None:
                continue
            place = folder / name
            place.parent.mkdir(exist_ok=True)
            beside = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
            staged.append((beside, place))
            _write(beside, data)
        for beside, place in staged:
            beside.replace(place)
        for name, data in files.items():
            if data is None:
                (folder / name).unlink(missing_ok=True)
    except OSError as exc:
        raise Unusable(f"{exc.filename} cannot be written: {exc.strerror}", reason="cannot_write") from exc
    finally:
        for beside, _ in staged:
            beside.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
