"""A background task that fails is seen."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from services.common.tasks import say_why


async def fail() -> None:
    raise ZeroDivisionError


async def test_what_made_a_task_fail_is_logged_and_handed_on() -> None:
    seen: list[BaseException] = []
    task = asyncio.create_task(fail())
    task.add_done_callback(say_why("work", seen.append))
    with capture_logs() as logs:
        await asyncio.wait({task})
        await asyncio.sleep(0)
    assert [type(error) for error in seen] == [ZeroDivisionError]
    assert [(each["event"], each["task"], each["log_level"]) for each in logs] == [("task_failed", "work", "error")]


async def test_what_ends_well_or_is_cancelled_is_no_failure() -> None:
    seen: list[BaseException] = []
    done, cancelled = asyncio.create_task(asyncio.sleep(0)), asyncio.create_task(asyncio.sleep(60))
    for task in (done, cancelled):
        task.add_done_callback(say_why("work", seen.append))
    cancelled.cancel()
    with capture_logs() as logs:
        await asyncio.wait({done, cancelled})
        await asyncio.sleep(0)
    assert (seen, logs) == ([], [])
