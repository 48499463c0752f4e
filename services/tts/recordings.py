"""The recordings of a persona's voice, from which engines that clone voices learn it: `personas/<id>/voice/*.wav`."""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile

from services.common import consent
from vivant.errors import Unusable

FOLDER: Final = "voice"
#: A voice is learnt from so much speech at least, over all files.
LEAST_S: Final = 6.0
#: A recording whose samples are all below this has nobody on it.
_SILENT: Final = 0.003
#: No recording that is needed is larger: 30 s of 32 bits, stereo, at 192 kHz are 44 MiB.
_MOST_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True)
class Recording:
    """One file."""

    samples: NDArray[np.float32]
    """Mono, [-1, 1]."""
    rate_hz: int


@dataclass(frozen=True)
class Recordings:
    """What there is of one voice."""

    files: Sequence[Recording]
    sha256: str
    """Of all files, in the order of their names."""


def recorded(personas: Path) -> list[str]:
    """The personas that have a folder for recordings, by name."""
    return sorted(folder.parent.name for folder in personas.glob(f"*/{FOLDER}") if folder.is_dir())


def read(persona: Path, most_s: float) -> Recordings:
    """The recordings in the folder of a persona, the first `most_s` seconds of each.

    Raises NotFound without such a persona, Unusable without consent to use the voice, and without enough of it.
    """
    consent.require(persona, "voice", "nobody's voice is cloned without consent")
    paths = sorted(path for path in (persona / FOLDER).glob("*") if path.suffix.lower() == ".wav")
    files: list[Recording] = []
    digest = hashlib.sha256()
    for path in paths:
        data = _bytes(path)
        digest.update(hashlib.sha256(data).digest())
        files.append(_decoded(path, data, most_s))
    seconds = sum(len(file.samples) / file.rate_hz for file in files)
    if seconds < LEAST_S:
        there = f"holds {seconds:.1f} s of speech" if files else "has no recordings"
        raise Unusable(
            f"{persona / FOLDER} {there}, and a voice is learnt from {LEAST_S:.0f} s at least: "
            f"put one or more WAV files of {persona.name!r} speaking alone there",
            reason="no_voice",
        )
    return Recordings(files, digest.hexdigest())


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise Unusable(
                f"{path} is larger than {_MOST_BYTES >> 20} MiB; half a minute of speech is enough", reason="voice_unusable"
            )
        return path.read_bytes()
    except OSError as exc:
        raise Unusable(f"{path} cannot be read: {exc.strerror}", reason="voice_unusable") from exc


def _decoded(path: Path, data: bytes, most_s: float) -> Recording:
    try:
        with warnings.catch_warnings():
            # Of chunks that it does not know, such as the name of the editor.
            warnings.simplefilter("ignore", wavfile.WavFileWarning)
            rate_hz, values = wavfile.read(io.BytesIO(data))
    except (ValueError, EOFError, OverflowError, struct.error) as exc:
        raise Unusable(f"{path} is not a WAV file that can be read: {exc}", reason="voice_unusable") from exc
    samples = _scaled(values[: round(most_s * rate_hz)])
    if samples.ndim == 2:
        samples = samples.mean(1)
    if not np.isfinite(samples).all() or not (np.abs(samples) > _SILENT).any():
        raise Unusable(f"{path} is silent", reason="voice_unusable")
    return Recording(np.clip(samples, -1, 1), int(rate_hz))


def _scaled(values: NDArray[Any]) -> NDArray[np.float32]:
    """To [-1, 1]: samples of 8 bits are unsigned, those of 24 bits stand in the upper ones of 32."""
    if values.dtype.kind == "f":
        return values.astype(np.float32)
    if values.dtype.kind == "u":
        return np.asarray((values.astype(np.float32) - 128) / 128, np.float32)
    return np.asarray(values / -float(np.iinfo(values.dtype).min), np.float32)
