"""The base clip in the persona's folder: a video of the loop, and where the face is in each of its pictures."""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from services.face.engine import FRAMES_PER_SECOND
from services.face.enrolment.checks import SKIN
from vivant.errors import Unusable

Picture = NDArray[np.uint8]

VERSION: Final = 1
VIDEO: Final = "derived/clip.mp4"
TRACK: Final = "derived/clip.npz"
#: Edge of the largest output.
LARGEST_SIDE_PX: Final = 720
#: Constant quality of x264 at which nothing is seen to be missing; 20 KB a picture at 720 px.
_QUALITY: Final = "16"


@dataclass(frozen=True)
class BaseClip:
    """A loop of pictures, at 25 a second."""

    side: int
    """Edge of its square pictures in pixels."""
    points: NDArray[np.float32]
    """[N, 478, 2]: the landmarks of each picture, averaged over 5."""
    boxes: NDArray[np.float32]
    """[N, 4]: left, top, right, bottom of each face, averaged over 5."""
    there_and_back: bool
    """It turns at its last picture and at its first one. Otherwise the first comes after the last."""
    rest: int
    """The picture with which a conversation begins."""

    @property
    def count(self) -> int:
        return len(self.points)

    def place(self, index: int) -> int:
        """The picture that is shown in the unit `index` of a stream."""
        if not self.there_and_back:
            return (self.rest + index) % self.count
        at = (self.rest + index) % (2 * (self.count - 1))
        return min(at, 2 * (self.count - 1) - at)


def is_there(folder: Path) -> bool:
    """Whether this persona has a base clip, or what is left of one."""
    return (folder / VIDEO).exists() or (folder / TRACK).exists()


def changed_at(folder: Path) -> tuple[int, ...]:
    """Numbers that change when the persona gets another clip."""
    return tuple(file.stat().st_mtime_ns if file.exists() else 0 for file in (folder / VIDEO, folder / TRACK))


def files(clip: BaseClip, pictures: Iterable[Picture]) -> dict[str, bytes]:
    """What is to be written. The track names the video that it belongs to."""
    video, track = _video(pictures, clip.side), io.BytesIO()
    np.savez_compressed(
        track,
        version=VERSION,
        video_sha256=hashlib.sha256(video).hexdigest(),
        side=clip.side,
        points=clip.points.astype(np.float32),
        boxes=clip.boxes.astype(np.float32),
        there_and_back=clip.there_and_back,
        rest=clip.rest,
    )
    return {VIDEO: video, TRACK: track.getvalue()}


def read(folder: Path) -> tuple[BaseClip, bytes]:
    """The clip and its video; raises Unusable (`clip_damaged`) when the two do not belong together, or cannot be read."""
    damaged = f"the base clip of {folder.name!r} cannot be read; enrol the video again, or remove {TRACK} and {VIDEO}"
    try:
        video = (folder / VIDEO).read_bytes()
        with np.load(folder / TRACK, allow_pickle=False) as stored:
            version, digest = int(stored["version"]), str(stored["video_sha256"])
            clip = BaseClip(
                int(stored["side"]), stored["points"], stored["boxes"], bool(stored["there_and_back"]), int(stored["rest"])
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as exc:
        raise Unusable(damaged, reason="clip_damaged") from exc
    fits = clip.points.shape[1:] == (SKIN + 10, 2) and clip.boxes.shape == (clip.count, 4) and 0 <= clip.rest < clip.count > 1
    if version != VERSION or digest != hashlib.sha256(video).hexdigest() or not fits:
        raise Unusable(damaged, reason="clip_damaged")
    return clip, video


def pictures(video: bytes) -> Iterator[Picture]:
    """RGB [S, S, 3], one after another."""
    with av.open(io.BytesIO(video), "r", format="mp4") as container:
        for frame in container.decode(video=0):
            yield np.ascontiguousarray(frame.to_ndarray(format="rgb24"))


def _video(pictures: Iterable[Picture], side: int) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(FRAMES_PER_SECOND), options={"crf": _QUALITY})
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()
