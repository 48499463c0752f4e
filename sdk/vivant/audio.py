"""Sound for a session: recordings of any format as PCM, and the pace of a live microphone."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vivant.errors import InvalidRequest, NotFound
from vivant.formats import MAX_CHUNK_MS

Pcm = bytes | NDArray[np.int16] | NDArray[np.floating]
"""Mono sound: 16-bit little-endian bytes, int16 samples, or float samples in [-1, 1]."""

#: Longer recordings are refused: a conversation is not a dictation, and they are read into memory as a whole.
MAX_RECORDING_S: Final = 600.0
#: What is wrong with nearly every .mp4 and .m4a that cannot be opened.
_UNFINISHED: Final = "it breaks off before its index, without which this format cannot be read; copy or export it again"


def to_bytes(pcm: Pcm) -> bytes:
    """Any `Pcm` as 16-bit little-endian bytes; floats are clipped to [-1, 1]. Raises InvalidRequest if it is not mono sound."""
    if isinstance(pcm, bytes | bytearray | memoryview):
        data = bytes(pcm)
        if len(data) % 2:
            raise InvalidRequest(f"16-bit PCM needs an even number of bytes, got {len(data)}", reason="odd_bytes")
        return data
    samples = np.asarray(pcm)
    if samples.ndim != 1:
        raise InvalidRequest(
            f"sound must be mono, one number a sample; got an array of shape {samples.shape}", reason="wrong_shape"
        )
    if np.issubdtype(samples.dtype, np.floating):
        samples = (np.clip(np.nan_to_num(samples), -1.0, 1.0) * 32767.0).round()
    elif samples.dtype != np.int16:
        raise InvalidRequest(f"samples must be int16 or float, not {samples.dtype}", reason="wrong_dtype")
    encoded: bytes = samples.astype("<i2").tobytes()
    return encoded


def chunks(data: bytes, rate_hz: int, chunk_ms: int = MAX_CHUNK_MS) -> Iterator[bytes]:
    """16-bit PCM in pieces of at most `chunk_ms`."""
    size = max(1, rate_hz * chunk_ms // 1000) * 2
    for start in range(0, len(data), size):
        yield data[start : start + size]


@dataclass(frozen=True, slots=True)
class Recording:
    """The sound of a file."""

    samples: NDArray[np.int16]
    """Mono, shape [n], n > 0."""
    total_s: float
    """How long the sound would be if all of it could be read."""
    lost_s: float
    """How much of it could not be read."""


def read(path: str | Path, rate_hz: int, *, max_s: float = MAX_RECORDING_S) -> NDArray[np.int16]:
    """The sound of a recording, as `decode` has it: int16 samples, shape [n], n > 0."""
    return decode(path, rate_hz, max_s=max_s).samples


def decode(path: str | Path, rate_hz: int, *, max_s: float = MAX_RECORDING_S) -> Recording:
    """The sound of a recording: any container and codec that FFmpeg reads, mixed to mono and resampled.

    Damaged stretches are left out, and of a file that breaks off there is what came before. Raises NotFound if there is no such
    file, InvalidRequest if it holds no sound, is empty, damaged by more than half, or longer than `max_s` seconds.
    """
    import av  # heavy, and who only sends live sound does not need it

    from vivant._decoding import Decoder

    path = Path(path)
    _require_file(path)
    pieces: list[NDArray[np.int16]] = []
    try:
        with Decoder(path, rate_hz) as decoder:
            for piece in decoder:
                pieces.append(piece)
                if decoder.heard_s > max_s:
                    raise InvalidRequest(f"{path} is longer than {max_s:g} s; cut it to the question", reason="too_long")
            heard_s, lost_s, error = decoder.heard_s, decoder.lost_s, decoder.error
            spoilt_s = lost_s - decoder.broken_off_s
    except (av.FFmpegError, OSError, ValueError) as exc:
        why = _UNFINISHED if isinstance(exc, av.InvalidDataError) and _is_mp4(path) else _cause(exc)
        raise InvalidRequest(f"{path} is not a recording that can be read ({why})", reason="not_audio") from exc
    samples = np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
    if (not samples.size or heard_s <= 0) and error is None:
        raise InvalidRequest(f"{path} holds no sound: its audio track is empty", reason="empty_audio")
    if not samples.size or heard_s < spoilt_s:
        raise InvalidRequest(
            f"{path} is damaged: only {max(heard_s, 0.0):.2f} s of {heard_s + lost_s:.2f} s can be read"
            + (f" ({_cause(error)})" if error else ""),
            reason="not_audio",
        )
    return Recording(samples, heard_s + lost_s, lost_s)


def _require_file(path: Path) -> None:
    try:
        mode, size = path.stat().st_mode, path.stat().st_size
    except FileNotFoundError as exc:
        raise NotFound(f"{path} does not exist", reason="no_such_file") from exc
    except (OSError, ValueError) as exc:
        raise NotFound(f"{path} cannot be read: {_cause(exc)}", reason="no_such_file") from exc
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a device or a pipe"
        raise NotFound(f"{path} is {what}, not a recording", reason="no_such_file")
    if size == 0:
        raise InvalidRequest(f"{path} is empty", reason="empty_audio")


def _is_mp4(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8)[4:] == b"ftyp"


def _cause(exc: Exception) -> str:
    return (getattr(exc, "strerror", "") or str(exc)).lower()


async def paced(pcm: Pcm, rate_hz: int, *, chunk_ms: int = 20, silence_after_s: float = 0.0) -> AsyncIterator[bytes]:
    """Sound at the pace at which a microphone gives it: each chunk when its last sample has been "recorded".

    The schedule is absolute, so that delays do not add up; a late chunk comes at once. `silence_after_s` goes on with silence,
    as a live microphone does; `math.inf` never ends.
    """
    data = to_bytes(pcm)
    size = max(1, rate_hz * chunk_ms // 1000) * 2
    loop = asyncio.get_running_loop()
    start = loop.time()
    sent = 0
    total = len(data) + silence_after_s * rate_hz * 2
    while sent < total:
        # The last chunk of the recording is filled up with silence if silence follows.
        chunk = data[sent : sent + size]
        if silence_after_s:
            chunk = chunk.ljust(size, b"\0")
        sent += len(chunk)
        delay = start + sent / 2 / rate_hz - loop.time()
        if delay > 0:
            await asyncio.sleep(delay)
        yield chunk
