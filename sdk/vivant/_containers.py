"""The files behind `vivant.recording`: a picture track and a sound track on one clock of 25 units a second."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final, Protocol, cast

import av
import numpy as np
from av.stream import Stream

from vivant.errors import Internal
from vivant.events import Frame
from vivant.formats import FRAMES_PER_SECOND, Codec, Video

_FRAME_TIME: Final = Fraction(1, FRAMES_PER_SECOND)
#: A picture that has not come by now (10 s) does not belong to the file any more: the sound goes on alone.
_MAX_WAIT_UNITS: Final = 250
#: Codecs whose frames need the frames before them.
_INTER_CODED: Final = ("vp8", "h264")
_DECODERS: Final = {"vp8": "vp8", "h264": "h264", "jpeg": "mjpeg"}


@dataclass(frozen=True)
class Encoding:
    """What a kind of file is made of."""

    codec: Codec
    """Frames in this codec are stored as they are."""
    encoder: str
    encoder_options: dict[str, str]
    sound: str
    sound_rate_hz: int | None
    """The only rate that the sound encoder is used with; None: that of the voice."""
    options: dict[str, str]


ENCODINGS: Final = {
    ".mp4": Encoding(
        codec="h264",
        encoder="libx264",
        encoder_options={"preset": "veryfast", "tune": "zerolatency", "crf": "20"},
        sound="aac",
        sound_rate_hz=None,
        # The index at the front: a browser can play the file while it loads.
        options={"movflags": "+faststart"},
    ),
    ".webm": Encoding(
        codec="vp8",
        encoder="libvpx",
        encoder_options={"deadline": "realtime", "cpu-used": "5", "crf": "10", "b": "2M", "lag-in-frames": "0"},
        sound="libopus",
        sound_rate_hz=48_000,
        options={},
    ),
}


class File(Protocol):
    """What `Recorder` writes to; positions count units, samples count from the start of the file."""

    @property
    def needs_keyframe(self) -> bool:
        """The picture stands still until a keyframe comes."""

    def add_picture(self, position: int, frame: Frame | None) -> None:
        """Adds the picture of one unit; None: it was lost."""

    def add_sound(self, start_sample: int, pcm: bytes) -> None:
        """Adds the sound that follows."""

    def close(self) -> None:
        """Completes the file."""

    def abort(self) -> None:
        """Lets go of the file as it is."""


class WavFile:
    """Sound alone, as PCM."""

    needs_keyframe = False

    def __init__(self, path: Path, rate_hz: int) -> None:
        self._rate = rate_hz
        self._bytes = 0
        self._file = path.open("wb")
        self._file.write(self._header())

    def add_picture(self, position: int, frame: Frame | None) -> None:
        """There is no picture in this file."""

    def add_sound(self, start_sample: int, pcm: bytes) -> None:
        """Adds the sound that follows."""
        self._file.write(pcm)
        self._bytes += len(pcm)

    def close(self) -> None:
        """Completes the header."""
        self._file.seek(0)
        self._file.write(self._header())
        self._file.close()

    def abort(self) -> None:
        """Lets go of the file as it is."""
        with suppress(OSError):
            self._file.close()

    def _header(self) -> bytes:
        # The fields have 32 bits: in a file of more than a day they stand at their end, and readers go on to that of the file.
        size = min(self._bytes, 0xFFFF_FFFF - 36)
        form = (b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, self._rate, self._rate * 2, 2, 16, b"data", size)
        return struct.pack("<4sI4s4sIHHIIHH4sI", *form)


class VideoFile:
    """An .mp4 or .webm file; without `video` it holds sound alone."""

    def __init__(self, path: Path, rate_hz: int, video: Video | None) -> None:
        self._encoding = ENCODINGS[path.suffix.lower()]
        # As a URL, so that no name is taken for another protocol or a pattern.
        self._container = av.open(f"file:{path}", "w", format=path.suffix.lower()[1:], options=self._encoding.options)
        self._rate = rate_hz
        self._video = video
        self._inter_coded = video is not None and video.codec in _INTER_CODED
        self.needs_keyframe = self._inter_coded
        # Tracks must be declared before the first packet, and a track of copied H.264 is declared by its first keyframe: what
        # comes earlier waits.
        self._waiting: list[tuple[int, bytes]] = []
        self._sound: av.AudioStream | None = None
        self._picture: _Copied | _Encoded | None = None
        if video is None:
            self._start_sound()

    def add_picture(self, position: int, frame: Frame | None) -> None:
        """Adds the picture of one unit, or holds the one before over it."""
        if self._video is None or (frame is not None and frame.repeated and not frame.data):
            return
        if frame is None or not frame.data:
            self.needs_keyframe = self._inter_coded
            return
        if self.needs_keyframe and not frame.keyframe:
            return
        if self._picture is None:
            if self._sound is not None:
                self.needs_keyframe = False
                return
            self._start_picture(self._video, frame)
        assert self._picture is not None
        try:
            self._mux(self._picture.packets(position, frame))
            self.needs_keyframe = False
        except av.InvalidDataError:
            # A damaged frame spoils those that build on it.
            self.needs_keyframe = self._inter_coded

    def add_sound(self, start_sample: int, pcm: bytes) -> None:
        """Adds the sound that follows."""
        if self._sound is not None:
            self._encode_sound(self._sound, start_sample, pcm)
            return
        self._waiting.append((start_sample, pcm))
        if len(self._waiting) >= _MAX_WAIT_UNITS:
            self._start_sound()

    def close(self) -> None:
        """Writes what the encoders still hold, and the index."""
        sound = self._sound or self._start_sound()
        if self._picture is not None:
            self._mux(self._picture.rest())
        self._mux(iter(sound.encode(None)))
        self._container.close()

    def abort(self) -> None:
        """Lets go of the file as it is."""
        with suppress(OSError, av.FFmpegError):
            self._container.close()

    def _start_picture(self, video: Video, first: Frame) -> None:
        copied = video.codec == self._encoding.codec
        self._picture = (_Copied if copied else _Encoded)(self._container, self._encoding, video, first)
        self._start_sound()

    def _start_sound(self) -> av.AudioStream:
        sound = self._container.add_stream(self._encoding.sound, rate=self._encoding.sound_rate_hz or self._rate)
        assert isinstance(sound, av.AudioStream)
        sound.layout = "mono"
        sound.bit_rate = 64_000
        self._sound = sound
        for start_sample, pcm in self._waiting:
            self._encode_sound(sound, start_sample, pcm)
        self._waiting.clear()
        return sound

    def _encode_sound(self, sound: av.AudioStream, start_sample: int, pcm: bytes) -> None:
        frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, "<i2")[None], format="s16", layout="mono")
        frame.sample_rate = self._rate
        # Without a time on its first frame, AAC's priming samples are not marked as such and delay the sound by 46 ms.
        frame.pts = start_sample
        frame.time_base = Fraction(1, self._rate)
        self._mux(iter(sound.encode(frame)))

    def _mux(self, packets: Iterator[av.Packet[Stream]]) -> None:
        for packet in packets:
            self._container.mux(packet)


class _Copied:
    """Frames stored as they came."""

    def __init__(self, container: av.container.OutputContainer, encoding: Encoding, video: Video, first: Frame) -> None:
        self._stream: Stream
        if video.codec == "h264":
            # The parameter sets of the track are in its first keyframe; FFmpeg's own reader finds them.
            with av.open(io.BytesIO(first.data), format="h264") as source:
                self._stream = container.add_stream_from_template(source.streams.video[0])
        else:
            size = video.size_px
            self._stream = container.add_mux_stream(video.codec, rate=FRAMES_PER_SECOND, width=size, height=size)
        self._stream.time_base = _FRAME_TIME

    def packets(self, position: int, frame: Frame) -> Iterator[av.Packet[Stream]]:
        packet = av.Packet(frame.data)
        packet.stream = self._stream
        packet.time_base = _FRAME_TIME
        packet.pts = packet.dts = position
        packet.duration = 1
        packet.is_keyframe = frame.keyframe
        yield packet

    def rest(self) -> Iterator[av.Packet[Stream]]:
        return iter(())


class _Encoded:
    """Frames decoded and encoded again."""

    def __init__(self, container: av.container.OutputContainer, encoding: Encoding, video: Video, first: Frame) -> None:
        self._size = video.size_px
        decoder = _DECODERS.get(video.codec)
        self._decoder = cast(av.VideoCodecContext, av.CodecContext.create(decoder, "r")) if decoder else None
        stream = container.add_stream(encoding.encoder, rate=FRAMES_PER_SECOND, options=encoding.encoder_options)
        assert isinstance(stream, av.VideoStream)
        stream.width = stream.height = self._size
        stream.pix_fmt = "yuv420p"
        self._stream = stream

    def packets(self, position: int, frame: Frame) -> Iterator[av.Packet[Stream]]:
        for picture in self._pictures(frame.data):
            picture.pts = position
            picture.time_base = _FRAME_TIME
            yield from self._stream.encode(picture)

    def rest(self) -> Iterator[av.Packet[Stream]]:
        yield from self._stream.encode(None)

    def _pictures(self, data: bytes) -> Iterator[av.VideoFrame]:
        if self._decoder is not None:
            yield from self._decoder.decode(av.Packet(data))
            return
        if len(data) != self._size * self._size * 3:
            raise Internal(
                f"an rgb24 frame of {self._size} px has {self._size**2 * 3} bytes, not {len(data)}", reason="bad_frame"
            )
        yield av.VideoFrame.from_ndarray(np.frombuffer(data, np.uint8).reshape(self._size, self._size, 3), format="rgb24")
