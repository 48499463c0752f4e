"""Counts the messages of a client: a token bucket that says when there are too many.

By hand, because aiolimiter's holds up whoever asks until there is room. A flood must not be held up here, where it would fill
memory and nobody would learn of it; it ends the connection.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class Meter:
    """Lets a client send `per_s` messages a second in the long run, and `burst` at once now and then."""

    def __init__(self, per_s: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._burst = per_s, burst
        self._clock = clock
        self._left = burst
        self._at = clock()

    def take(self) -> bool:
        """Counts one message; False when it is one too many."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_s) - 1
        self._at = now
        return self._left >= 0
