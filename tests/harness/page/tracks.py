"""What the stand-in sends over WebRTC: a moving picture, and a tone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from fractions import Fraction
from typing import Final

import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame
from numpy.typing import NDArray
from PIL import Image

from tests.harness.page.people import PORTRAIT

SIZE_PX: Final = 512


class Picture(MediaStreamTrack):
    """The portrait, breathing a little, 25 times a second."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        image = Image.open(PORTRAIT).convert("RGB").resize((SIZE_PX + 16, SIZE_PX + 16))
        self._image: NDArray[np.uint8] = np.asarray(image)
        self.pts = 0
        self._start: float | None = None
        self._index = -1

    async def recv(self) -> VideoFrame:
        if self.readyState != "live":
            raise MediaStreamError
        self._index += 1
        self._start = await paced(self._start, self._index / 25)
        down = round(8 + 6 * np.sin(self._index / 12))
        frame = VideoFrame.from_ndarray(
            np.ascontiguousarray(self._image[down : down + SIZE_PX, 8 : 8 + SIZE_PX]), format="rgb24"
        )
        frame.pts = self.pts = self._index * 3600
        frame.time_base = Fraction(1, 90_000)
        return frame


class Tone(MediaStreamTrack):
    """A quiet tone while `sounding`, else silence."""

    kind = "audio"

    def __init__(self, sounding: Callable[[], bool]) -> None:
        super().__init__()
        self._sounding = sounding
        self.pts = 0
        self._start: float | None = None
        self._index = -1

    async def recv(self) -> AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        self._index += 1
        self._start = await paced(self._start, self._index / 50)
        level = 6000 if self._sounding() else 0
        samples = (level * np.sin(2 * np.pi * 220 * (np.arange(960) + self._index * 960) / 48_000)).astype(np.int16)
        frame = AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
        frame.sample_rate = 48_000
        frame.pts = self.pts = self._index * 960
        frame.time_base = Fraction(1, 48_000)
        return frame


async def paced(start: float | None, at: float) -> float:
    """Waits until `at` seconds after `start`; gives the start."""
    now = asyncio.get_running_loop().time()
    if start is None:
        return now - at
    if start + at > now:
        await asyncio.sleep(start + at - now)
    return start
