"""The speech of one reply that has been pushed and not been said yet."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


class HeldSpeech:
    """A queue of samples. All positions are samples from the start of the reply; `position` is where it is taken up."""

    def __init__(self, turn_id: int, position: int = 0) -> None:
        self.turn_id = turn_id
        self.position = position
        """Samples said."""
        self.length = position
        """Samples pushed."""
        self.started = position > 0
        self.starved = False
        self.ended = False
        """No more will be pushed."""
        self._chunks: deque[Samples] = deque()

    @property
    def held(self) -> int:
        """Samples pushed and not yet said."""
        return self.length - self.position

    def add(self, pcm: Samples) -> None:
        """Appends speech."""
        self._chunks.append(pcm)
        self.length += len(pcm)

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
