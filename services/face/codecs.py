"""Pictures into bytes: VP8 and H.264 for calls, JPEG and RGB24 where every picture must stand alone.

An encoder belongs to one stream and is used from one thread at a time. Its output is what the decoder needs next: nothing that
it returned may be left out, except up to the next keyframe.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Final, Protocol

import av
import cv2
import numpy as np
from av.video.frame import PictureType
from numpy.typing import NDArray

from services.face.engine import FRAMES_PER_SECOND

Picture = NDArray[np.uint8]

JPEG_QUALITY: Final = 85
#: Bits for each pixel of a frame; 1.5 Mbit/s at 512 px, where a talking head shows no blocks.
BITS_PER_PIXEL: Final = 0.23
#: A keyframe comes at least this often, so that a recording can be searched.
KEYFRAME_INTERVAL: Final = 10 * FRAMES_PER_SECOND


class Codec(Enum):
    """The names are those of the contract."""

    VP8 = "VP8"
    H264 = "H264"
    JPEG = "JPEG"
    RGB24 = "RGB24"


@dataclass(frozen=True)
class Encoded:
    """One encoded picture. `keyframe`: it can be decoded without those before it."""

    data: bytes
    keyframe: bool


class Encoder(Protocol):
    """Encodes the pictures of one stream."""

    def encode(self, picture: Picture, *, keyframe: bool) -> Encoded:
        """Encodes RGB [S, S, 3]; `keyframe` asks for one that stands alone."""
        ...

    def close(self) -> None:
        """Frees the encoder; nothing is encoded afterwards."""
        ...


class Rgb24:
    """The picture as it is: height x width x 3 bytes."""

    def encode(self, picture: Picture, *, keyframe: bool) -> Encoded:
        return Encoded(picture.tobytes(), keyframe=True)

    def close(self) -> None:
        """Holds nothing."""


class Jpeg:
    """One baseline JPEG a picture."""

    def encode(self, picture: Picture, *, keyframe: bool) -> Encoded:
        bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
        _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        return Encoded(data.tobytes(), keyframe=True)

    def close(self) -> None:
        """Holds nothing."""


class _Delta:
    """A codec whose pictures build on each other, through FFmpeg: one picture in, one packet out, one thread."""

    def __init__(self, name: str, size_px: int, options: dict[str, str]) -> None:
        context = av.CodecContext.create(name, "w")
        assert isinstance(context, av.VideoCodecContext)
        context.width = context.height = size_px
        context.pix_fmt = "yuv420p"
        context.time_base = Fraction(1, FRAMES_PER_SECOND)
        context.framerate = Fraction(FRAMES_PER_SECOND)
        context.bit_rate = int(size_px * size_px * FRAMES_PER_SECOND * BITS_PER_PIXEL)
        context.gop_size = KEYFRAME_INTERVAL
        context.thread_count = 1
        context.options = options
        context.open()
        self._context = context
        self._count = 0

    def encode(self, picture: Picture, *, keyframe: bool) -> Encoded:
        planes = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420), np.uint8)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts = self._count
        if keyframe:
            frame.pict_type = PictureType.I
        self._count += 1
        packets = self._context.encode(frame)
        return Encoded(b"".join(bytes(packet) for packet in packets), any(packet.is_keyframe for packet in packets))

    def close(self) -> None:
        """Leaves the rest to the garbage collector: FFmpeg has no call to close an encoder early."""


def _vp8(size_px: int) -> Encoder:
    """libvpx's real-time mode, as for calls. Errors in one frame do not spoil the probabilities of the next.

    A negative `cpu-used` fixes the speed; a positive one lets libvpx take the time that it believes to have, which cost half as
    much again for the same quality (2.8 ms against 1.8 ms a picture at 512 px, 41.2 dB against 41.1 dB).
    """
    options = {"deadline": "realtime", "cpu-used": "-8", "lag-in-frames": "0", "error-resilient": "1"}
    return _Delta("libvpx", size_px, options)


def _h264(size_px: int) -> Encoder:
    """libx264, Annex B; without global headers it puts the parameter sets before each keyframe, which are all IDR."""
    options = {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline", "forced-idr": "1"}
    return _Delta("libx264", size_px, options)


_MAKERS: Final[dict[Codec, Callable[[int], Encoder]]] = {
    Codec.VP8: _vp8,
    Codec.H264: _h264,
    Codec.JPEG: lambda _: Jpeg(),
    Codec.RGB24: lambda _: Rgb24(),
}


def make_encoder(codec: Codec, size_px: int) -> Encoder:
    """An encoder for square pictures of `size_px`, which must be even."""
    return _MAKERS[codec](size_px)
