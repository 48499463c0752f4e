"""Clips of a person who does not exist: June's portrait, moving its head, blinking, at times speaking, as an mp4."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from environment import ROOT
from services.common.settings import SharedSettings
from services.face.engine import Look, Slot
from services.face.engines.portrait.engine import PortraitEngine
from services.face.settings import PortraitOptions

Picture = NDArray[np.uint8]
RATE_HZ = 24_000
UNIT = RATE_HZ // 25


def person(count: int, *, size_px: int = 384, seed: int = 7, speaks: Callable[[int], bool] = lambda _: False) -> list[Picture]:
    """So many pictures of June at 25 a second; she makes sounds in those in which she `speaks`."""
    engine = PortraitEngine(PortraitOptions(default_persona="june"), SharedSettings(personas_dir=ROOT / "personas"))
    session = engine.open("june", size_px, 25, seed)
    rng = np.random.default_rng(seed)
    pictures = []
    for index in range(count):
        loud = 0.3 * rng.standard_normal(UNIT) if speaks(index) else np.zeros(UNIT)
        turn = 1 if speaks(index) else 0
        slot = Slot(index, loud.astype(np.float32), RATE_HZ, turn, index * UNIT, (), Look.IDLE, None, paused=False)
        pictures.append(session.render(slot).copy())
    session.close()
    return pictures


def mp4(pictures: Sequence[Picture], *, rate: Fraction = Fraction(25)) -> bytes:
    """As H.264 with `rate` pictures a second."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "18", "preset": "veryfast"})
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1
        stream.height, stream.width = pictures[0].shape[:2]
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


def save(path: Path, pictures: Sequence[Picture], *, rate: Fraction = Fraction(25)) -> Path:
    """As a file."""
    path.write_bytes(mp4(pictures, rate=rate))
    return path
