"""A scripted face without any model: each picture shows the state of its slot in plain areas, so that a test can read it back.

Upper half: the look, as one of three greys. Lower half: red is the loudness, green is 255 where a sound made with closed lips
is being said, blue is 255 while an expression is shown. One bright column moves on by a pixel each unit.
"""

from __future__ import annotations

import time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.settings import SharedSettings
from services.face.engine import FaceInfo, Look, Slot
from services.face.settings import FakeOptions
from vivant.errors import NotFound

GREY: Final = {Look.IDLE: 64, Look.LISTENING: 128, Look.THINKING: 192}
UNKNOWN_PERSONA: Final = "nobody"
_CLOSED = frozenset("pbm")


class FakeSession:
    """Draws into one picture that it keeps."""

    def __init__(self, size_px: int, render_s: float) -> None:
        self._picture = np.zeros((size_px, size_px, 3), np.uint8)
        self._render_s = render_s

    def render(self, slot: Slot) -> NDArray[np.uint8]:
        """Paints the state of `slot`."""
        if self._render_s:
            time.sleep(self._render_s)
        size = len(self._picture)
        self._picture[: size // 2] = GREY[slot.look]
        loudness = min(1.0, 4 * float(np.sqrt(np.mean(slot.pcm**2))))
        centre = slot.turn_sample + len(slot.pcm) // 2
        closed = any(item.symbol in _CLOSED and item.start_sample <= centre < item.end_sample for item in slot.phonemes)
        self._picture[size // 2 :] = (round(255 * loudness), 255 * closed, 255 * (slot.cue is not None))
        self._picture[:, slot.index % size] = 255
        return self._picture

    def close(self) -> None:
        """Holds nothing."""


class FakeEngine:
    """Knows every persona but one called "nobody"."""

    def __init__(self, options: FakeOptions, shared: SharedSettings) -> None:
        self._options = options
        self.info = FaceInfo(
            name="fake",
            version="1",
            sizes_px=(64, 256, 512),
            cues=("neutral", "warm_smile", "nod"),
        )

    def load(self) -> None:
        """Nothing to read."""

    def check(self, persona: str) -> None:
        """Raises NotFound for "nobody"."""
        if persona == UNKNOWN_PERSONA:
            raise NotFound(f"there is no persona {persona!r}", reason="unknown_persona")

    def open(self, persona: str, size_px: int, fps: int, seed: int) -> FakeSession:
        """A session for any persona but "nobody"."""
        self.check(persona)
        return FakeSession(size_px, self._options.render_ms / 1000)
