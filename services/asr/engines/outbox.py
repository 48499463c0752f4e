"""Results on their way to the reader of a session: in order, bounded, the newest partial wins."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

from services.asr.engine import Event, Partial

#: Answers that a reader may leave lying before flushes have to wait.
_MAX_ANSWERS: Final = 64


class Outbox:
    """One writer, one reader."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._ended = False

    def put(self, event: Event) -> None:
        """Adds a result; a partial that nobody has read yet is replaced by the newer one."""
        if self._events and isinstance(self._events[-1], Partial):
            self._events.pop()
        self._events.append(event)
        if len(self._events) >= _MAX_ANSWERS:
            self._room.clear()
        self._wake.set()

    async def room(self) -> None:
        """Waits until the reader has caught up."""
        await self._room.wait()

    def end(self) -> None:
        """Ends `events` after what is in it."""
        self._ended = True
        self._room.set()
        self._wake.set()

    async def events(self) -> AsyncIterator[Event]:
        """The results until `end`."""
        while True:
            while self._events:
                event = self._events.popleft()
                self._room.set()
                yield event
            if self._ended:
                return
            self._wake.clear()
            await self._wake.wait()
