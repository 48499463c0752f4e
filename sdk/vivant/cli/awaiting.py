"""Waits for the answer to one question, on the clock of the running loop."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from vivant.cli.asking import Asking
from vivant.events import Event


class Awaiting:
    """Tells an `Asking` when things happen, and wakes whoever waits for it to settle."""

    def __init__(self) -> None:
        self.asking = Asking()
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()

    def asked(self) -> None:
        """The question has been sent to its end."""
        self.asking.asked(self._loop.time())
        self._news.set()

    def on(self, event: Event) -> None:
        """Takes in what happened."""
        self.asking.on(event, self._loop.time())
        self._news.set()

    async def settled(self) -> None:
        """Waits until nothing more is to be expected. Every event moves that moment, so it is looked at again then."""
        while (at := self.asking.settles_at()) is None or at > self._loop.time():
            with suppress(TimeoutError):
                async with asyncio.timeout_at(at):
                    await self._news.wait()
            self._news.clear()
