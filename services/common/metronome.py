"""The beat of the output: one tick every 40 ms on an absolute schedule.

Ticks do not drift, because each is computed from the origin and not from the tick before. A small delay is made up by the next
tick; after a larger one the schedule moves, so that two ticks are never closer together than half an interval.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

#: One unit of the output: 40 ms, 25 in a second, as many as a film has pictures.
UNIT_MS: Final = 40
UNIT_S: Final = UNIT_MS / 1000

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[object]]


class Metronome:
    """Gives out due times. The clock and the sleep are handed in, so that a test can run it in virtual time."""

    def __init__(self, interval_s: float, *, clock: Clock = time.monotonic, sleep: Sleep = asyncio.sleep) -> None:
        self._interval = interval_s
        self._clock = clock
        self._sleep = sleep
        self._origin = clock()
        self._count = 0
        self.rebased = 0
        """How often the schedule had to move."""

    def restart(self) -> None:
        """The next tick is due now."""
        self._origin = self._clock()
        self._count = 0

    @property
    def due(self) -> float:
        """When the next tick is due, on the clock."""
        return self._origin + self._count * self._interval

    async def ahead(self, lead_s: float) -> None:
        """Waits until `lead_s` before the next tick; returns at once when that is past."""
        await self._until(self.due - lead_s)

    async def tick(self) -> None:
        """Waits for the next tick and counts it. Moves the schedule when it was missed by half an interval or more."""
        await self._until(self.due)
        late = self._clock() - self.due
        if late >= self._interval / 2:
            self._origin += late
            self.rebased += 1
        self._count += 1

    async def _until(self, moment: float) -> None:
        # The event loop may wake a sleeper a little early.
        while (remaining := moment - self._clock()) > 0:
            await self._sleep(remaining)
