"""Conversations as files: units in, a video or sound file out.

The unit index is the clock of a file: picture and sound of a unit get the same time, so they stay together whatever happens.
Frames in a codec that fits the file are stored as they came, without a second encoding.

| file | stored as it came | encoded again | sound |
|---|---|---|---|
| .mp4 | h264 | all others, to H.264 | AAC |
| .webm | vp8 | all others, to VP8 | Opus |
| .wav | | | PCM, no picture |

A file gets its name when it is complete; until then it is `.vivant-*.part.*` beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import av

from vivant import _part
from vivant._containers import ENCODINGS, File, VideoFile, WavFile
from vivant.errors import InvalidRequest, Unusable
from vivant.events import Frame, Ready, Unit
from vivant.formats import UNIT_MS, Codec, Video

#: A longer gap between two units is a fault of the sender, not a loss on the way.
MAX_GAP_S: Final = 60


def check_path(path: str | Path, *, video: bool = True) -> Path:
    """The path, if a recording may have that name; raises InvalidRequest with what is wrong otherwise."""
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".wav", *ENCODINGS):
        what = f"not {suffix}" if suffix else "and this name has no ending"
        raise InvalidRequest(f"{path}: a recording is .mp4, .webm or .wav, {what}", reason="unknown_format")
    if suffix == ".wav" and video:
        raise InvalidRequest(f"{path}: a .wav file holds no picture; name it .mp4 or .webm", reason="unknown_format")
    try:
        there = path.parent.is_dir()
    except OSError as exc:
        raise InvalidRequest(f"{path}: the folder cannot be used: {exc.strerror}", reason="no_such_folder") from exc
    if not there:
        raise InvalidRequest(f"{path}: the folder {path.parent} does not exist", reason="no_such_folder")
    return path


def require_writable(path: str | Path) -> None:
    """Tries whether a recording can be written there, before a conversation is begun for it; raises Unusable."""
    _part.require_writable(Path(path))


def best_codec(path: str | Path) -> Codec | None:
    """The codec to ask for, so that frames need no second encoding; None for a file without a picture."""
    encoding = ENCODINGS.get(Path(path).suffix.lower())
    return encoding.codec if encoding else None


class Recorder:
    """Writes units to a file; use it as a context manager, or call `close`.

    The first unit written is time 0. Units that are missing become silence, and the last picture is held over them; after such
    a gap the picture goes on with the next keyframe (`needs_keyframe` says to ask for one). Writing takes well under a
    millisecond when frames are stored as they came, and an encoder's time otherwise.

    The file gets its name when it is closed. Raises InvalidRequest for a name that does not fit, Unusable (`cannot_write`) when
    the file cannot be written, at any time: a disk that is full. Then the recording is lost, and `close` does nothing.
    """

    def __init__(self, path: str | Path, *, voice_rate_hz: int, video: Video | None = None) -> None:
        self.path = check_path(path, video=video is not None)
        self._rate = voice_rate_hz
        self._unit_samples = voice_rate_hz * UNIT_MS // 1000
        self._first: int | None = None
        self._next = 0
        self._silence = bytes(self._unit_samples * 2)
        self._lost: Unusable | None = None
        self._closed = False
        try:
            self._part = _part.Part(self.path)
            try:
                self._file = self._make(self._part.path, video)
            except BaseException:
                self._part.drop()
                raise
        except (OSError, av.FFmpegError) as exc:
            raise _part.cannot_write(self.path, exc) from exc

    def _make(self, path: Path, video: Video | None) -> File:
        return WavFile(path, self._rate) if path.suffix.lower() == ".wav" else VideoFile(path, self._rate, video)

    @classmethod
    def of(cls, path: str | Path, ready: Ready) -> Self:
        """A recorder for what a session really sends."""
        return cls(path, voice_rate_hz=ready.voice_rate_hz, video=ready.video)

    @property
    def units(self) -> int:
        """Length of the file so far, in units of 40 ms."""
        return self._next - self._first if self._first is not None else 0

    @property
    def needs_keyframe(self) -> bool:
        """The picture stands still until a keyframe comes: ask the session for one."""
        return self._file.needs_keyframe

    def write(self, unit: Unit) -> None:
        """Adds one unit. A unit that was written already, or comes after a later one, is left out; raises Unusable."""
        if self._first is None:
            self._first = self._next = unit.index
        gap = unit.index - self._next
        if gap < 0:
            return
        if gap * UNIT_MS > MAX_GAP_S * 1000:
            raise InvalidRequest(
                f"{gap} units are missing before unit {unit.index}: this is not one conversation", reason="unit_gap"
            )
        for _ in range(gap):
            self._add(None, self._silence)
        # A unit always holds 40 ms in the output format; anything else would shift all later sound.
        self._add(unit.frame, unit.pcm[: len(self._silence)].ljust(len(self._silence), b"\0"))

    def _add(self, frame: Frame | None, pcm: bytes) -> None:
        with self._writing():
            self._file.add_picture(self.units, frame)
            self._file.add_sound(self.units * self._unit_samples, pcm)
        self._next += 1

    def close(self) -> None:
        """Completes the file and gives it its name; raises Unusable. Closing again does nothing."""
        if self._closed:
            return
        with self._writing():
            self._file.close()
            self._part.keep()
        self._closed = True

    def discard(self) -> None:
        """Gives the recording up: nothing is left of it."""
        if not self._closed:
            self._closed = True
            self._file.abort()
            self._part.drop()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """What fails here costs the recording, now and from here on."""
        if self._lost is not None:
            raise self._lost
        try:
            yield
        except (OSError, av.FFmpegError) as exc:
            self._lost = _part.cannot_write(self.path, exc)
            self.discard()
            raise self._lost from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
