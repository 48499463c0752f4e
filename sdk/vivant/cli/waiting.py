"""Waits for the system before a command begins, and shows for what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from rich.console import Console
from rich.status import Status
from rich.text import Text

from vivant.cli import screen
from vivant.client import CONNECT_TIMEOUT_S, READY_TIMEOUT_S, Client, connect
from vivant.errors import Unavailable

#: An address where nothing listens is tried again this often when it was asked to wait for it.
_TRY_AGAIN_S: Final = 1.0

Progress = Callable[[str, float], None]


@asynccontextmanager
async def connected(address: str, wait_s: float | None = None) -> AsyncIterator[Client]:
    """A client of a system that is ready.

    Services that load are waited for, `wait_s` or a minute. Without `wait_s` an address where nothing listens is an error
    at once: there it is more likely that nothing was started. Raises Unavailable or Timeout with what was waited for.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with AsyncExitStack() as stack:
        with Waiting(screen.errors()) as waiting:
            client = await _reach(stack, address, wait_s, waiting.show)
            left = READY_TIMEOUT_S if wait_s is None else wait_s - (loop.time() - began)
            await client.wait_ready(max(left, 0.0), on_progress=waiting.show)
        yield client


async def _reach(stack: AsyncExitStack, address: str, wait_s: float | None, show: Progress) -> Client:
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        left = CONNECT_TIMEOUT_S if wait_s is None else began + wait_s - loop.time()
        try:
            timeout_s = left if wait_s is None else max(min(left, _TRY_AGAIN_S), 0.1)
            return await stack.enter_async_context(connect(address, timeout_s=timeout_s))
        except Unavailable:
            if wait_s is None or left <= 0:
                raise
            show(f"nothing answers at {address}", loop.time() - began)


class Waiting:
    """Says what is waited for: one line that counts the seconds in a terminal, else a line for each new reason."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._last = ""

    def show(self, reason: str, seconds: float) -> None:
        """Still waiting, for `reason`."""
        if not self._console.is_terminal:
            if reason != self._last:
                self._console.print(f"waiting for Vivant: {reason} ...", markup=False)
        elif self._status is None:
            self._status = self._console.status("")
            self._status.start()
        if self._status is not None:
            self._status.update(Text(f"waiting for Vivant: {reason} ... {seconds:.0f} s"))
        self._last = reason

    def __enter__(self) -> Waiting:
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()
