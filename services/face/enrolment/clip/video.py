"""Videos as they are sent in: what may be opened, and its pictures upright at the rate of the output."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import av
import numpy as np
from av.container import InputContainer
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from services.face.engine import FRAMES_PER_SECOND
from services.face.enrolment.picture import MIN_SIDE_PX
from vivant.errors import Unusable

Picture = NDArray[np.uint8]

MAX_BYTES: Final = 100 * 1024 * 1024
#: 4K; a larger picture costs time, and no output shows more.
MAX_PIXELS: Final = 4096 * 2304
MIN_S: Final = 3.0
MAX_S: Final = 60.0
#: Shown at 25 a second, fewer than these would be seen to stand still and jump.
MIN_RATE: Final = 20.0
#: The longest time from one picture to the next: three of the output.
MAX_GAP_S: Final = 0.12
#: Larger pictures are made smaller: a face in them is larger than the largest output.
LARGEST_SIDE_PX: Final = 1920
#: Only these are tried on what was sent: lists of other files, which FFmpeg would open, are none of them.
_FORMATS: Final = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm"


@dataclass(frozen=True)
class Facts:
    """What a video is."""

    width: int
    height: int
    seconds: float
    rate: float
    """Pictures a second."""


def examine(data: bytes) -> Facts:
    """Looks at a video without decoding it; raises Unusable with the rule that it breaks."""
    if len(data) > MAX_BYTES:
        raise Unusable(f"the video has {len(data) / 2**20:.0f} MiB; at most 100 are accepted", reason="video_too_large")
    with _opened(data) as container:
        stream = container.streams.video[0]
        width, height = stream.width, stream.height
        times = sorted(float(packet.pts * packet.time_base) for packet in container.demux(stream) if packet.pts is not None)
    if width * height > MAX_PIXELS:
        raise Unusable(f"the video is {width} x {height}; at most 4096 x 2304 are accepted", reason="video_too_large")
    if min(width, height) < MIN_SIDE_PX:
        raise Unusable(
            f"the video is {width} x {height}; each side must be at least {MIN_SIDE_PX} px", reason="video_too_small"
        )
    if len(times) < 2 or times[-1] <= times[0]:
        raise Unusable("the video has no more than one picture", reason="video_too_short")
    rate = (len(times) - 1) / (times[-1] - times[0])
    seconds = times[-1] - times[0] + 1 / rate
    if seconds < MIN_S:
        raise Unusable(f"the video is {seconds:.1f} s long; it must be at least {MIN_S:.0f} s", reason="video_too_short")
    if seconds > MAX_S:
        raise Unusable(f"the video is {seconds:.0f} s long; at most {MAX_S:.0f} s are accepted", reason="video_too_long")
    if rate < MIN_RATE:
        raise Unusable(
            f"the video has {rate:.0f} pictures a second; at least {MIN_RATE:.0f} are needed", reason="video_too_slow"
        )
    gap, at = max((after - before, before) for before, after in pairwise(times))
    if gap > MAX_GAP_S:
        raise Unusable(
            f"the picture stands still for {gap:.2f} s after {at - times[0]:.1f} s; at most {MAX_GAP_S} s go unnoticed",
            reason="video_too_slow",
        )
    return Facts(width, height, seconds, rate)


def pictures(data: bytes) -> Iterator[Picture]:
    """RGB [H, W, 3] at 25 a second, for each moment the picture that is nearest in time. Raises Unusable."""
    with _opened(data) as container:
        aspect = float(container.streams.video[0].sample_aspect_ratio or 1)
        start, step, count = 0.0, 0.0, 0
        before: av.VideoFrame | None = None
        for frame in container.decode(video=0):
            if frame.pts is None:
                continue
            if before is None:
                start, before = frame.time, frame
            if (frame.width, frame.height) != (before.width, before.height):
                raise Unusable("the size of the picture changes within the video; export it again", reason="not_a_video")
            step = frame.time - before.time
            # Half way to the next picture, that one is nearer.
            while start + count / FRAMES_PER_SECOND < before.time + step / 2:
                yield _upright(before, aspect)
                count += 1
            before = frame
            if count > MAX_S * FRAMES_PER_SECOND:
                raise Unusable(f"the video is longer than it says, and than {MAX_S:.0f} s", reason="video_too_long")
        if before is None:
            raise Unusable("none of the video's pictures can be decoded; export it again", reason="not_a_video")
        if start + count / FRAMES_PER_SECOND < before.time + step / 2:
            yield _upright(before, aspect)


def _upright(frame: av.VideoFrame, aspect: float) -> Picture:
    """With square pixels, as the camera was held, not larger than needed. `aspect` is that of a pixel, width over height."""
    width, height = frame.width * aspect, float(frame.height)
    smaller = min(1.0, LARGEST_SIDE_PX / max(width, height))
    size = {"width": round(width * smaller), "height": round(height * smaller)}
    shown = frame.reformat(**size, format="rgb24", interpolation=Interpolation.AREA)
    return np.ascontiguousarray(np.rot90(shown.to_ndarray(), frame.rotation // 90))


@contextmanager
def _opened(data: bytes) -> Iterator[InputContainer]:
    try:
        with av.open(io.BytesIO(data), "r", options={"format_whitelist": _FORMATS}) as container:
            if not container.streams.video:
                raise Unusable("there are no pictures in the file, only sound", reason="not_a_video")
            container.streams.video[0].thread_type = "AUTO"
            yield container
    except av.error.FFmpegError as exc:
        raise Unusable(
            f"this is not a whole MP4, MOV, WebM or Matroska video ({exc.strerror}); export it again", reason="not_a_video"
        ) from exc
