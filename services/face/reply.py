"""One reply as far as it has been pushed: samples not yet said, phonemes and expressions with their places in it."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.face.engine import WINDOW_S, Cue, Phoneme

Samples = NDArray[np.float32]


class Reply:
    """The speech of one turn. All positions are samples from its start."""

    def __init__(self, turn_id: int) -> None:
        self.turn_id = turn_id
        self.position = 0
        """Samples said."""
        self.length = 0
        """Samples pushed."""
        self.started = False
        self.starved = False
        self.ended = False
        self._chunks: deque[Samples] = deque()
        self._phonemes: list[Phoneme] = []
        self._cues: deque[tuple[int, Cue]] = deque()

    @property
    def held(self) -> int:
        """Samples pushed and not yet said."""
        return self.length - self.position

    def add(self, pcm: Samples, phonemes: Sequence[Phoneme], cue: Cue | None) -> None:
        """Appends speech. A cue begins with its first sample."""
        if cue is not None:
            self._cues.append((self.length, cue))
        self._chunks.append(pcm)
        self.length += len(pcm)
        for phoneme in phonemes:
            insort(self._phonemes, phoneme, key=lambda item: item.start_sample)

    def peek(self, count: int) -> Samples:
        """Up to `count` of the next samples, which stay."""
        parts: list[Samples] = []
        for chunk in self._chunks:
            parts.append(chunk[:count])
            count -= len(parts[-1])
            if count <= 0:
                break
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def take(self, count: int) -> Samples:
        """Up to `count` of the next samples, which are now said."""
        taken = self.peek(count)
        self.position += len(taken)
        left = len(taken)
        while left:
            chunk = self._chunks.popleft()
            if len(chunk) > left:
                self._chunks.appendleft(chunk[left:])
                break
            left -= len(chunk)
        return taken

    def window(self, sample_rate_hz: int) -> tuple[Phoneme, ...]:
        """The phonemes that overlap the position +- 0.4 s; older ones are forgotten."""
        reach = int(WINDOW_S * sample_rate_hz)
        self._phonemes = [item for item in self._phonemes if item.end_sample > self.position - reach]
        return tuple(item for item in self._phonemes if item.start_sample < self.position + reach)

    def cue_at(self, position: int) -> Cue | None:
        """The newest cue that begins at or before `position` and was not given out yet."""
        cue = None
        while self._cues and self._cues[0][0] <= position:
            cue = self._cues.popleft()[1]
        return cue
