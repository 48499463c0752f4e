"""What pictures need to know of one reply beside its sound: phonemes and expressions, with their places in it."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Sequence

from services.face.engine import WINDOW_S, Cue, Phoneme


class Annotations:
    """Those of one turn that are still to come. All positions are samples from its start."""

    def __init__(self, turn_id: int) -> None:
        self.turn_id = turn_id
        self._phonemes: list[Phoneme] = []
        self._cues: deque[tuple[int, Cue]] = deque()

    def add(self, start_sample: int, phonemes: Sequence[Phoneme], cue: Cue | None) -> None:
        """Those of speech that begins at `start_sample`. A cue begins with its first sample."""
        if cue is not None:
            self._cues.append((start_sample, cue))
        for phoneme in phonemes:
            insort(self._phonemes, phoneme, key=lambda item: item.start_sample)

    def window(self, position: int, sample_rate_hz: int) -> tuple[Phoneme, ...]:
        """The phonemes that overlap `position` +- 0.4 s; older ones are forgotten."""
        reach = int(WINDOW_S * sample_rate_hz)
        self._phonemes = [item for item in self._phonemes if item.end_sample > position - reach]
        return tuple(item for item in self._phonemes if item.start_sample < position + reach)

    def cue_at(self, position: int) -> Cue | None:
        """The newest cue that begins at or before `position` and was not given out yet."""
        cue = None
        while self._cues and self._cues[0][0] <= position:
            cue = self._cues.popleft()[1]
        return cue
