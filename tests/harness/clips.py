"""Clips of a person who does not exist: June's portrait, moving its head, blinking, at times speaking, as an mp4."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from environment import ROOT
from services.common.settings import SharedSettings
from services.face.engine import Look, Slot, resting
from services.face.engines.portrait.actor import Actor, Still
from services.face.engines.portrait.engine import PortraitEngine
from services.face.engines.portrait.renderer import Renderer
from services.face.enrolment import folder as persona_folder
from services.face.enrolment.clip import stored, track
from services.face.enrolment.clip.stored import BaseClip
from services.face.settings import PortraitOptions

Picture = NDArray[np.uint8]
PERSONAS = ROOT / "personas"
RATE_HZ = 24_000
UNIT = RATE_HZ // 25


def person(count: int, *, size_px: int = 384, seed: int = 7, speaks: Callable[[int], bool] = lambda _: False) -> list[Picture]:
    """So many pictures of June at 25 a second; she makes sounds in those in which she `speaks`."""
    engine = PortraitEngine(PortraitOptions(default_persona="june"), SharedSettings(personas_dir=PERSONAS))
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


def keep_base_clip(folder: Path, count: int = 20, size_px: int = 256) -> list[Picture]:
    """Gives a persona a base clip of June, going there and back, as an enrolment would leave it; returns its pictures."""
    rig = PortraitEngine(PortraitOptions(default_persona="june"), SharedSettings(personas_dir=PERSONAS)).rig("june", size_px)
    actor, renderer = Actor(5, 25, Still()), Renderer(rig)
    pictures, points = [], []
    for index in range(count):
        # In steps that can be told apart when they were coded.
        expression = actor.step(replace(resting(), index=4 * index))
        pictures.append(renderer.draw(expression).copy())
        points.append(rig.mesh.move(expression)[0][:478, :2])
    places = np.array(points, np.float64)
    clip = BaseClip(
        size_px, places.astype(np.float32), track.outlines(places).astype(np.float32), there_and_back=True, rest=count // 2
    )
    persona_folder.replace(folder, stored.files(clip, pictures))
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
