"""The threads in which personas recall: few, and for nothing else, so that no other work can keep a recall waiting."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

#: More than processors: what was begun for outdated words runs to its end, and what is wanted now waits for none of it.
_THREADS: Final = ThreadPoolExecutor((os.cpu_count() or 1) + 4, "recall")


async def think(recall: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `recall` returns. One that is cancelled before its turn is never computed."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, lambda: recall(*args, **kwargs))
