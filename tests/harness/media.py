"""Units with real pictures and sound, made with the encoders that a face uses: a white flash and a click at the same moment."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from vivant.events import Frame, Unit

RATE_HZ = 24_000
UNIT_SAMPLES = 960
_ENCODERS = {
    "h264": ("libx264", {"preset": "ultrafast", "tune": "zerolatency"}),
    "vp8": ("libvpx", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
    "jpeg": ("mjpeg", {}),
}


def pictures(count: int, size_px: int = 64, flash_at: tuple[int, ...] = ()) -> list[NDArray[np.uint8]]:
    """Dark pictures with a moving bar, so that frames depend on each other; white where the flash is."""
    result = []
    for index in range(count):
        picture = np.full((size_px, size_px, 3), 255 if index in flash_at else 30, np.uint8)
        picture[:, index % size_px] = 90
        result.append(picture)
    return result


def encode(codec: str, images: list[NDArray[np.uint8]], keyframe_every: int = 1000) -> list[Frame]:
    """The pictures as frames of the contract."""
    if codec == "rgb24":
        return [Frame(image.tobytes(), keyframe=True, repeated=False) for image in images]
    name, options = _ENCODERS[codec]
    encoder = av.CodecContext.create(name, "w")
    encoder.width = encoder.height = images[0].shape[0]
    encoder.pix_fmt = "yuvj420p" if codec == "jpeg" else "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.framerate = 25
    encoder.gop_size = keyframe_every
    encoder.options = options
    frames = []
    for index, image in enumerate(images):
        picture = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=encoder.pix_fmt)
        picture.pts = index
        frames += [Frame(bytes(packet), packet.is_keyframe, repeated=False) for packet in encoder.encode(picture)]
    assert len(frames) == len(images)
    return frames


def voice(count: int, clicks_at: tuple[int, ...] = ()) -> NDArray[np.int16]:
    """Silence of `count` units with a 20 ms tone at the start of each unit in `clicks_at`."""
    sound = np.zeros(count * UNIT_SAMPLES, np.int16)
    tone = (20_000 * np.sin(np.arange(480) * 2 * np.pi * 1000 / RATE_HZ)).astype(np.int16)
    for index in clicks_at:
        sound[index * UNIT_SAMPLES : index * UNIT_SAMPLES + 480] = tone
    return sound


def units(count: int, codec: str | None = "h264", *, events_at: tuple[int, ...] = (), keyframe_every: int = 1000) -> list[Unit]:
    """Units with a flash and a click at each of `events_at`, all of reply 0."""
    frames = encode(codec, pictures(count, flash_at=events_at), keyframe_every) if codec else None
    sound = voice(count, events_at)
    return [
        Unit(
            index=index,
            start_sample=index * UNIT_SAMPLES,
            pcm=sound[index * UNIT_SAMPLES : (index + 1) * UNIT_SAMPLES].tobytes(),
            frame=frames[index] if frames else None,
            turn_id=0,
            turn_sample=0,
        )
        for index in range(count)
    ]
