"""Where the pictures come from into which mouths are painted: the portrait engine, or the person's base clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.face.engine import Slot
from services.face.engines.portrait.actor import Actor, Still
from services.face.engines.portrait.expression import Expression
from services.face.engines.portrait.renderer import Renderer
from services.face.engines.portrait.rig import Rig
from services.face.engines.wav2lip.base import Base
from services.face.engines.wav2lip.network import Features
from services.face.engines.wav2lip.paste import Box, box_of, seen

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Face:
    """The face in a picture."""

    points: NDArray[np.float32]
    """[478 or more, 2 or 3] in pixels."""
    box: Box
    given: NDArray[np.float32] | Features
    """What the network is given of it."""


class Shown(Protocol):
    """The pictures of one session."""

    def draw(self, slot: Slot) -> Picture:
        """RGB [S, S, 3], to be painted into, valid until the next call."""
        ...

    def face(self) -> Face:
        """The face in the picture that was drawn last, before anything was painted."""
        ...


class PortraitShown:
    """The portrait with a mouth at rest."""

    def __init__(self, rig: Rig, fps: int, seed: int) -> None:
        self._rig, self._actor, self._renderer = rig, Actor(seed, fps, Still()), Renderer(rig)
        self._expression = Expression()
        self._picture: Picture | None = None

    def draw(self, slot: Slot) -> Picture:
        self._expression = self._actor.step(slot)
        self._picture = self._renderer.draw(self._expression)
        return self._picture

    def face(self) -> Face:
        assert self._picture is not None
        points, _ = self._rig.mesh.move(self._expression)
        box = box_of(points, self._rig.side)
        return Face(points, box, seen(self._picture, box))


class ClipShown:
    """The base clip in its loop, at the pace of the units: pictures that were left out have passed all the same."""

    def __init__(self, base: Base) -> None:
        self._base = base
        self._place = base.clip.rest

    def draw(self, slot: Slot) -> Picture:
        self._place = self._base.clip.place(slot.index)
        return self._base.picture(self._place)

    def face(self) -> Face:
        return Face(self._base.points[self._place], self._base.boxes[self._place], self._base.faces[self._place])
