"""Work beside the task that reads a session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from vivant.errors import InvalidRequest, VivantError


@asynccontextmanager
async def beside(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs `work` while the block runs: what fails in it ends the block with that error, the end of the block ends the work."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
            yield
            for task in tasks:
                task.cancel()
    except BaseExceptionGroup as failed:
        # Whoever speaks and whoever listens often fail of one cause: the first that was meant for people says it.
        known = failed.subgroup(VivantError) or failed
        raise known.exceptions[0] from None


@contextmanager
def while_it_lasts() -> Iterator[None]:
    """What is said when the conversation has just ended is not said; whoever reads its events learns how it ended."""
    try:
        yield
    except InvalidRequest as exc:
        if exc.reason != "finished":
            raise
