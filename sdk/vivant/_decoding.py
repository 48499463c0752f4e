"""Sound out of files, as much as can be had of it: what is damaged is left out and counted."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

from vivant.errors import InvalidRequest

_FLOATS: Final = {"flt": np.float32, "fltp": np.float32, "dbl": np.float64, "dblp": np.float64}
_DURATION: Final = re.compile(r"(\d+):(\d+):(\d+\.?\d*)")
#: Without an index: how long they are is guessed from their size.
_GUESSED: Final = ("mp3", "aac")
#: A guess that is this far from what was found (both ways) was a wrong one.
_GUESS_TOLERANCE: Final = 0.2
#: After so many in a row there is nothing more to come.
_MOST_FAILURES: Final = 20
#: What encoders add at both ends is at most this long, and is missing nowhere.
_PADDING_S: Final = 0.06
#: The header of a stream that was never completed says that it lasts for ever.
_LONGEST_S: Final = 24 * 3600.0


class Decoder:
    """The first sound track of a file, as mono int16 at one rate.

    Iterate over it for pieces of shape [n]; afterwards `heard_s` and `lost_s` say how much there was and how much could not be
    read. Opening raises av.FFmpegError or ValueError for what is no recording, InvalidRequest for one without sound.
    """

    def __init__(self, path: Path, rate_hz: int) -> None:
        # As a URL, so that no name is taken for another protocol, an option or a pattern.
        self._container = av.open(f"file:{path}", options={"ignore_length": "1"} if _has_wrong_length(path) else {})
        if not self._container.streams.audio:
            self._container.close()
            raise InvalidRequest(f"{path} holds no sound", reason="not_audio")
        self._stream = self._container.streams.audio[0]
        if getattr(self._stream, "codec_context", None) is None:
            self._container.close()
            raise InvalidRequest(f"{path} has sound of a kind that cannot be decoded here", reason="not_audio")
        self._rate = rate_hz
        self._resampler: av.AudioResampler | None = None
        self._format: tuple[str, str, int] | None = None
        self._damaged_s = 0.0
        self._end_s = 0.0
        self.heard_s = 0.0
        self.error: Exception | None = None
        """What was noticed last of what could not be read."""

    def __enter__(self) -> Decoder:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def __iter__(self) -> Iterator[NDArray[np.int16]]:
        for frame in self._frames():
            self.heard_s += frame.samples / frame.sample_rate
            self._mend(frame)
            # Times of a recording may begin anywhere or jump; its samples simply follow one another.
            frame.pts = None
            yield from self._resampled(frame)
        yield from self._rest()

    @property
    def lost_s(self) -> float:
        """How much of the track could not be read, in seconds, as far as that can be told."""
        found = self.heard_s + self._damaged_s
        declared = self._declared_s()
        if self._container.format.name in _GUESSED:
            wrong = self.error is None or abs(declared - found) > _GUESS_TOLERANCE * declared
            return self._damaged_s if wrong else max(declared - self.heard_s, self._damaged_s)
        if self.error is not None:
            return max(declared - self.heard_s, self._damaged_s)
        # Sound beside a picture may have gaps that are meant.
        missing = declared - (self._end_s if self._container.streams.video else self.heard_s)
        return missing if missing > _PADDING_S else 0.0

    @property
    def broken_off_s(self) -> float:
        """How much of that is the end: the file breaks off, and what there is of it is whole."""
        start = float((self._stream.start_time or 0) * (self._stream.time_base or 0))
        guessed = self._container.format.name in _GUESSED
        return 0.0 if guessed else min(max(self._declared_s() - (self._end_s - start), 0.0), self.lost_s)

    def _declared_s(self) -> float:
        stream, container = self._stream, self._container
        if stream.duration and stream.time_base:
            declared = float(stream.duration * stream.time_base)
        elif tag := _DURATION.fullmatch(stream.metadata.get("DURATION", "")):
            # Matroska has it for each track in its tags.
            declared = int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3])
        elif container.duration and not container.streams.video:
            declared = container.duration / av.time_base
        else:
            return 0.0
        return declared if declared <= _LONGEST_S else 0.0

    def _frames(self) -> Iterator[av.AudioFrame]:
        for packet in self._packets():
            if packet.pts is not None and packet.time_base:
                self._end_s = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            try:
                # The last packet is empty: it asks for what the decoder still holds.
                yield from self._stream.codec_context.decode(packet if packet.size else None)
            except (av.FFmpegError, ValueError) as exc:
                if packet.size:
                    self.error = exc
                    self._damaged_s += float((packet.duration or 0) * (packet.time_base or 0))

    def _packets(self) -> Iterator[Any]:
        failures = 0
        while failures < _MOST_FAILURES:
            try:
                for packet in self._container.demux(self._stream):
                    failures = 0
                    yield packet
            except (av.FFmpegError, OSError, ValueError) as exc:
                # Something that nobody understands; behind it the file may go on.
                self.error = exc
                failures += 1
            else:
                return
        yield av.Packet()

    def _mend(self, frame: av.AudioFrame) -> None:
        """Floats that are no numbers would spread in the resampler: they become what lies between their neighbours."""
        kind = _FLOATS.get(frame.format.name)
        if kind is None:
            return
        channels = 1 if frame.format.is_planar else len(frame.layout.channels)
        for plane in frame.planes:
            samples = np.frombuffer(memoryview(plane), kind)[: frame.samples * channels].reshape(-1, channels)
            for channel in samples.T:
                bad = ~np.isfinite(channel)
                if bad.any():
                    self._fill(channel, bad, frame.sample_rate)

    def _fill(self, channel: NDArray[Any], bad: NDArray[np.bool_], rate_hz: int) -> None:
        self.error = ValueError("samples are no numbers")
        self._damaged_s += float(bad.sum()) / rate_hz
        self.heard_s -= float(bad.sum()) / rate_hz
        good = np.flatnonzero(~bad)
        channel[bad] = np.interp(np.flatnonzero(bad), good, channel[good]) if good.size else 0.0

    def _resampled(self, frame: av.AudioFrame) -> Iterator[NDArray[np.int16]]:
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form != self._format:
            # Some recordings change in the middle, such as two that were put one after the other.
            yield from self._rest()
            self._resampler = av.AudioResampler(format="s16", layout="mono", rate=self._rate)
            self._format = form
        assert self._resampler is not None
        yield from map(_samples, self._resampler.resample(frame))

    def _rest(self) -> Iterator[NDArray[np.int16]]:
        if self._resampler is not None:
            yield from map(_samples, self._resampler.resample(None))
            self._resampler = None


def _samples(frame: av.AudioFrame) -> NDArray[np.int16]:
    return frame.to_ndarray().reshape(-1).astype(np.int16, copy=False)


def _has_wrong_length(path: Path) -> bool:
    """A .wav whose header ends the sound before the file ends, and what follows is no chunk: its program was killed."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return False
        while len(chunk := file.read(8)) == 8:
            length = int.from_bytes(chunk[4:], "little")
            end = file.tell() + length + length % 2
            if chunk[:4] == b"data":
                file.seek(end)
                follows = file.read(4)
                return end < size and not (len(follows) == 4 and follows.isascii() and follows.decode().isprintable())
            file.seek(end)
    return False
