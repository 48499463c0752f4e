"""The weights of one stretch of speech by time. Put by the event loop, read by the thread that draws."""

from __future__ import annotations

import threading
from bisect import bisect_left
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: Weights further away than this say nothing of a moment: three of the server's frames.
NEAR_S: Final = 0.1

Weights = NDArray[np.float32]


class Track:
    """Weights at the server's time codes, in whatever order they come."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._times: list[float] = []
        self._rows: list[Weights] = []
        self._complete = False

    @property
    def end_s(self) -> float:
        """The last moment that has weights; 0: none has."""
        with self._changed:
            return self._times[-1] if self._times else 0.0

    def put(self, time_s: float, weights: Weights) -> None:
        """Weights [channels] `time_s` seconds after the stretch's first sample."""
        with self._changed:
            place = bisect_left(self._times, time_s)
            self._times.insert(place, time_s)
            self._rows.insert(place, weights)
            self._changed.notify_all()

    def complete(self) -> None:
        """No more will come; nobody waits for any."""
        with self._changed:
            self._complete = True
            self._changed.notify_all()

    def at(self, time_s: float, patience_s: float = 0.0) -> Weights | None:
        """Blocking, for `patience_s` at most: the weights of a moment, between those around it. None: none are near."""
        with self._changed:
            self._changed.wait_for(lambda: self._complete or len(self._around(time_s)) == 2, patience_s)
            near = self._around(time_s)
            if len(near) < 2:
                return self._rows[near[0]] if near else None
            before, after = near
            share = (time_s - self._times[before]) / max(self._times[after] - self._times[before], 1e-9)
            return np.asarray(self._rows[before] * (1 - share) + self._rows[after] * share, np.float32)

    def _around(self, time_s: float) -> list[int]:
        """Where the last weights before a moment and the first ones after it are, those of them that are near."""
        after = bisect_left(self._times, time_s)
        return [n for n in (after - 1, after) if 0 <= n < len(self._times) and abs(self._times[n] - time_s) <= NEAR_S]
