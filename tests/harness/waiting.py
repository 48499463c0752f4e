"""Waiting for what tells nobody that it has happened."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

#: So long a test waits for what must come. A machine with other work to do is slow; only a test that fails waits it out.
PATIENCE_S: Final = 60.0


async def until(test: Callable[[], Any], timeout_s: float = PATIENCE_S) -> None:
    """Waits until something is true; raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while not test():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.02)


async def settled(timeout_s: float = PATIENCE_S) -> tuple[int, int]:
    """Tasks and open files of this process, when what ends by itself has ended: nothing has changed for half a second."""
    counts = (-1, -1)
    async with asyncio.timeout(timeout_s):
        while True:
            gc.collect()
            now = (len(asyncio.all_tasks()), _open_files())
            if now == counts:
                return now
            counts = now
            await asyncio.sleep(0.5)


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
