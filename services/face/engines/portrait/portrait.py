"""A persona's picture as the engine needs it: a square, with landmarks and person mask in the same pixels."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from services.face.engines.portrait.topology import OVAL, POINTS
from services.face.enrolment.transparency import decode
from vivant.errors import NotFound, Unusable

Scalar = TypeVar("Scalar", np.uint8, np.float32)

LANDMARKS_VERSION = 1
#: Pictures above this are scaled down: no output is larger than 720 px.
LARGEST_SIDE_PX = 1080


@dataclass(frozen=True)
class Portrait:
    """One enrolled picture."""

    image: NDArray[np.uint8]
    """RGB [N, N, 3]."""
    points: NDArray[np.float64]
    """[478, 3] in pixels of `image`; x and y of a pixel's centre are whole numbers."""
    mask: NDArray[np.float32]
    """[N, N] in 0..1, 1 where the person is."""

    @property
    def side(self) -> int:
        return int(self.image.shape[0])


def read_portrait(folder: Path) -> Portrait:
    """Reads `portrait.png` and what enrolment derived from it.

    Raises NotFound when there is no such persona, Unusable when its picture is missing (`no_portrait`), not enrolled
    (`not_enrolled`), changed since (`portrait_changed`), or damaged (`portrait_damaged`).
    """
    if not folder.is_dir():
        raise NotFound(f"there is no persona {folder.name!r}: no folder {folder}", reason="unknown_persona")
    again = f"enrol the portrait of {folder.name!r} again"
    missing = f"persona {folder.name!r} has no portrait.png; put a portrait there and {again}"
    data = _bytes(folder / "portrait.png", Unusable(missing, reason="no_portrait"))
    derived = folder / "derived"
    unknown = Unusable(f"the portrait of {folder.name!r} is not enrolled; {again}", reason="not_enrolled")
    raw = _bytes(derived / "landmarks.json", unknown)
    try:
        landmarks = json.loads(raw)
        version, digest = landmarks["version"], landmarks["image_sha256"]
        points = np.array(landmarks["points"], np.float64)
    except (ValueError, TypeError, KeyError) as exc:
        raise Unusable(f"the landmarks of {folder.name!r} cannot be read; {again}", reason="portrait_damaged") from exc
    if version != LANDMARKS_VERSION or digest != hashlib.sha256(data).hexdigest():
        raise Unusable(f"the portrait of {folder.name!r} has changed since its enrolment; {again}", reason="portrait_changed")
    image = decode(data)
    person = _bytes(derived / "person.png", Unusable(f"{folder.name!r} has no person mask; {again}", reason="not_enrolled"))
    mask = cv2.imdecode(np.frombuffer(person, np.uint8), cv2.IMREAD_GRAYSCALE) if person else None
    if image is None or mask is None or points.shape != (POINTS, 3) or mask.shape != image.shape[:2]:
        raise Unusable(f"what enrolment left for {folder.name!r} cannot be read; {again}", reason="portrait_damaged")
    return square(image, points, mask.astype(np.float32) / 255.0)


def square(image: NDArray[np.uint8], points: NDArray[np.float64], mask: NDArray[np.float32]) -> Portrait:
    """Cuts the largest square that keeps the face in the middle of the longer side, and limits its size.

    `points` count from the corner of the picture, as FaceMesh gives them.
    """
    height, width = image.shape[:2]
    side = min(height, width)
    centre = points[list(OVAL), :2].mean(0)
    left = int(np.clip(centre[0] - side / 2, 0, width - side))
    top = int(np.clip(centre[1] - side / 2, 0, height - side))
    image = image[top : top + side, left : left + side]
    mask = mask[top : top + side, left : left + side]
    points = points - [left, top, 0.0]
    if side > LARGEST_SIDE_PX:
        points = points * (LARGEST_SIDE_PX / side)
        image, mask = resize(image, LARGEST_SIDE_PX), resize(mask, LARGEST_SIDE_PX)
    return Portrait(np.ascontiguousarray(image), points - [0.5, 0.5, 0.0], np.ascontiguousarray(mask))


def scaled(portrait: Portrait, side: int) -> Portrait:
    """The same portrait at another size."""
    if side == portrait.side:
        return portrait
    ratio = side / portrait.side
    to_corner = np.array([0.5, 0.5, 0.0])
    points = (portrait.points + to_corner) * ratio - to_corner
    return Portrait(resize(portrait.image, side), points, resize(portrait.mask, side))


def resize(picture: NDArray[Scalar], side: int) -> NDArray[Scalar]:
    """A square picture at `side` pixels."""
    method = cv2.INTER_AREA if side < picture.shape[0] else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(picture, (side, side), interpolation=method)).astype(picture.dtype)


def _bytes(path: Path, missing: Unusable) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as exc:
        raise missing from exc
    except OSError as exc:
        raise Unusable(
            f"{path.name} of {path.parent.name!r} cannot be read: {exc.strerror}", reason="portrait_damaged"
        ) from exc
