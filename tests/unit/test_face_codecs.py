"""Every codec is decoded again and compared with what went in."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from services.face.codecs import Codec, make_encoder

SIZE = 128


def picture(shift: int) -> NDArray[np.uint8]:
    """A soft colour pattern that moves with `shift`."""
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    channels = [127 + 100 * np.sin((x + shift) / 17), 127 + 100 * np.cos(y / 13), 127 + 100 * np.sin((x + y) / 29)]
    return np.stack(channels, -1).astype(np.uint8)


def _decoder(codec: Codec) -> av.VideoCodecContext:
    context = av.CodecContext.create(codec.value.lower(), "r")
    assert isinstance(context, av.VideoCodecContext)
    # Frames come out at once, not when the next one begins.
    context.flags |= av.codec.context.Flags.low_delay
    return context


def difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


def test_rgb24_is_the_picture_itself() -> None:
    encoded = make_encoder(Codec.RGB24, SIZE).encode(picture(0), keyframe=False)
    assert encoded.keyframe
    assert encoded.data == picture(0).tobytes()


def test_jpeg_stands_alone() -> None:
    encoder = make_encoder(Codec.JPEG, SIZE)
    for shift in (0, 5):
        encoded = encoder.encode(picture(shift), keyframe=False)
        assert encoded.keyframe
        back = cv2.imdecode(np.frombuffer(encoded.data, np.uint8), cv2.IMREAD_COLOR_RGB)
        assert difference(np.asarray(back, np.uint8), picture(shift)) < 6
    assert encoded.data.startswith(b"\xff\xd8\xff")


@pytest.mark.parametrize("codec", [Codec.VP8, Codec.H264])
def test_deltas_decode_to_the_pictures(codec: Codec) -> None:
    encoder = make_encoder(codec, SIZE)
    context = _decoder(codec)
    keyframes = []
    for number in range(20):
        encoded = encoder.encode(picture(number), keyframe=number == 12)
        assert encoded.data, "one picture in, one packet out"
        keyframes.append(encoded.keyframe)
        frames = context.decode(av.Packet(encoded.data))
        assert len(frames) == 1
        assert difference(frames[0].to_ndarray(format="rgb24"), picture(number)) < 8
    assert [number for number, keyframe in enumerate(keyframes) if keyframe] == [0, 12]


@pytest.mark.parametrize("codec", [Codec.VP8, Codec.H264])
def test_a_client_can_join_at_a_requested_keyframe(codec: Codec) -> None:
    encoder = make_encoder(codec, SIZE)
    for number in range(10):
        encoder.encode(picture(number), keyframe=False)
    context = _decoder(codec)
    frames = context.decode(av.Packet(encoder.encode(picture(10), keyframe=True).data))
    assert len(frames) == 1
    assert difference(frames[0].to_ndarray(format="rgb24"), picture(10)) < 8


def test_h264_is_annex_b_with_parameter_sets_before_each_keyframe() -> None:
    encoder = make_encoder(Codec.H264, SIZE)
    for number in range(8):
        encoded = encoder.encode(picture(number), keyframe=number == 5)
        assert encoded.data.startswith((b"\0\0\0\1", b"\0\0\1"))
        kinds = [part[0] & 0x1F for part in encoded.data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if part]
        if number in (0, 5):
            assert encoded.keyframe
            assert kinds[:2] == [7, 8], "SPS, PPS"
            assert 5 in kinds, "IDR"
        else:
            assert kinds == [1]
