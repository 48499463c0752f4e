"""Tasks beside the one that reads a session."""

from __future__ import annotations

import asyncio
from typing import Any


async def stop(*tasks: asyncio.Task[Any]) -> list[BaseException]:
    """Cancels tasks, waits for their end, and returns what went wrong in those that had ended by themselves."""
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    return [item for item in results if isinstance(item, BaseException) and not isinstance(item, asyncio.CancelledError)]
