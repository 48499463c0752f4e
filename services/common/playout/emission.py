"""What leaves with one unit: 40 ms of sound, and what became of a reply with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

import numpy as np

from services.common.metronome import UNIT_MS
from services.common.playout.held import Samples

#: A voice is cut off, taken up, lowered and raised within this time: long enough not to click, too short to be heard as a fade.
FADE_MS: Final = 5


def _nothing() -> Samples:
    return np.zeros(0, np.float32)


def ramp(before: float, after: float, samples: int) -> Samples:
    """The loudness of a voice over so many samples, from one factor to the other."""
    return np.linspace(before, after, samples, dtype=np.float32)


class State(Enum):
    """What happened to a reply; the names are those of the contract."""

    STARTED = "started"
    PAUSED = "paused"
    RESUMED = "resumed"
    CLEARED = "cleared"
    FINISHED = "finished"
    STARVED = "starved"


@dataclass(frozen=True)
class Playback:
    """A change in the playback of one reply."""

    turn_id: int
    state: State
    position: int
    """Samples of the reply that have been emitted."""
    unit_index: int
    """The last unit emitted before the change."""


@dataclass(frozen=True, kw_only=True)
class Emission:
    """The sound of one unit, and what to report before and after it. Sound is float32 in -1..1, 40 ms."""

    index: int
    voice: Samples
    """What is heard of the replies: one of them, the end of one that fades out, or silence."""
    aside: Samples | None = None
    """A little word beside all replies."""
    turn_id: int = 0
    turn_sample: int = 0
    ducked: bool = False
    """The voice is lowered."""
    ending: Samples = field(default_factory=_nothing)
    """With this the silence begins that follows, if nothing of the reply is heard after this unit."""
    fading: int = 0
    """The reply that was cut off before this unit and ends in it; 0: none."""
    before: Sequence[Playback] = ()
    after: Sequence[Playback] = ()

    @property
    def pcm(self) -> Samples:
        """All that is heard."""
        return self.voice if self.aside is None else np.clip(self.voice + self.aside, -1, 1)

    def taken_back(self, *, fade: bool) -> Emission:
        """Without its reply, which was cleared while the unit waited to be sent: the voice fades out or is not heard at all."""
        voice = np.zeros_like(self.voice)
        if fade:
            samples = len(voice) * FADE_MS // UNIT_MS
            voice[:samples] = self.voice[:samples] * ramp(1, 0, samples)
        fading = self.turn_id if fade else 0
        return replace(self, voice=voice, turn_id=0, turn_sample=0, ducked=False, ending=_nothing(), fading=fading)
