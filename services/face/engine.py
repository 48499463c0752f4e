"""What a face engine is: opened once for each stream, it draws one picture for each 40 ms of the output.

The service around it keeps the time, the voice and the codecs. An engine sees one `Slot` at a time, in order, and without gaps
in `index` except where a picture had to be left out because the renderer or the client was too slow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from services.common.engine import EngineInfo
from services.common.metronome import UNIT_MS
from vivant.errors import VivantError

#: One for each unit of the output.
FRAMES_PER_SECOND = 1000 // UNIT_MS

#: Phonemes are shown to the engine this far before and after the start of a slot.
WINDOW_S = 0.4

#: So much of the voice after a slot is shown to an engine that does not ask for more, as far as it is there: what painters of
#: mouths listen ahead.
AHEAD_S = 0.14


@dataclass(frozen=True)
class Phoneme:
    """One speech sound; times in samples of the reply."""

    symbol: str
    """IPA, one sound; empty for a pause."""
    start_sample: int
    end_sample: int
    stress: int
    """0 none, 1 primary, 2 secondary."""


class Look(Enum):
    """What the face does while it says nothing."""

    IDLE = "idle"
    LISTENING = "listening"
    THINKING = "thinking"


@dataclass(frozen=True)
class Cue:
    """An expression to be shown; `intensity` in 0..1."""

    name: str
    intensity: float


@dataclass(frozen=True)
class Slot:
    """One 40 ms unit to be drawn, and all there is to know about it."""

    index: int
    """Counts every 40 ms of the stream."""
    pcm: NDArray[np.float32]
    """The voice of this unit in -1..1, zeros when silent; 40 ms at `sample_rate_hz`."""
    sample_rate_hz: int
    turn_id: int
    """The reply that is being said; 0 when nothing is, negative for a little word beside the replies ("mm-hm")."""
    turn_sample: int
    """Position of pcm[0] in the reply."""
    phonemes: Sequence[Phoneme]
    """Those known that overlap `turn_sample` +- 0.4 s, in order. Empty: the mouth follows the sound."""
    look: Look
    cue: Cue | None
    """The newest expression asked for; None is neutral. Each request is a new object, so a gesture can be asked for twice."""
    paused: bool
    """The voice is held while an interruption is being judged."""
    ahead: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    """What follows `pcm` in the reply, as far as it is known, at most `FaceInfo.ahead_s`."""
    ends: bool = False
    """Nothing follows `ahead` any more."""


def resting(sample_rate_hz: int = 24_000) -> Slot:
    """A unit in which nothing happens."""
    silence = np.zeros(sample_rate_hz // 25, np.float32)
    return Slot(0, silence, sample_rate_hz, 0, 0, (), Look.IDLE, None, paused=False)


@dataclass(frozen=True, kw_only=True)
class FaceInfo(EngineInfo):
    """All of them follow the sound where there are no phonemes."""

    sizes_px: tuple[int, ...]
    """Sizes of the square picture that it draws."""
    phonemes: bool = True
    """The mouth is shaped by phonemes."""
    cues: tuple[str, ...] = ()
    """Expressions that it knows."""
    ahead_s: float = AHEAD_S
    """So much of the voice after a slot it wants to be shown."""


class FaceSession(Protocol):
    """One face, alive for one stream. Used from one thread at a time."""

    def render(self, slot: Slot) -> NDArray[np.uint8]:
        """The picture of `slot`: RGB [S, S, 3], C-contiguous, valid until the next call."""
        ...

    def close(self) -> None:
        """Frees what the session holds; nothing is called afterwards."""
        ...


@runtime_checkable
class Troubled(Protocol):
    """What a session has besides when a part of it can fail while the rest goes on."""

    def troubles(self) -> Sequence[VivantError]:
        """What could not be done, since the last call; each once, until it works again."""


class FaceEngine(Protocol):
    """Loaded once, opened for each stream."""

    @property
    def info(self) -> FaceInfo:
        """Known before `load`."""
        ...

    def load(self) -> None:
        """Blocking: reads assets, draws one picture so that everything compiled is warm. Raises Unusable."""
        ...

    def open(self, persona: str, size_px: int, fps: int, seed: int) -> FaceSession:
        """Blocking: a session that shows `persona`. `seed` decides blinks, glances and sway.

        Raises NotFound for an unknown persona, Unusable for one whose portrait is missing, not enrolled or without consent.
        """
        ...

    def check(self, persona: str) -> None:
        """Blocking, quick: raises what `open` would raise for this persona."""
        ...
