"""Tasks in the background whose failure is seen: a bug in one is in the log at once, not when its garbage is collected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from services.common.logs import get_logger

_log = get_logger(__name__)


def say_why(what: str, then: Callable[[BaseException], None] | None = None) -> Callable[[asyncio.Task[Any]], None]:
    """A done callback: logs what made a task fail, and calls `then` with it."""

    def done(task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            _log.error("task_failed", task=what, exc_info=error)
            if then:
                then(error)

    return done
