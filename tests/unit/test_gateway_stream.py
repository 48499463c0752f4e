"""The WebSocket stream with a page that sleeps."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from services.gateway import stream
from services.gateway.stream import StreamConnection
from tests.harness.waiting import PATIENCE_S
from vivant import Unit


class Sleeper:
    """A socket to a page that reads nothing, and says nothing."""

    closed = False
    close_code = None

    async def __aiter__(self) -> AsyncIterator[Any]:
        await asyncio.Event().wait()
        yield

    async def send_bytes(self, _: bytes) -> None:
        await asyncio.Event().wait()

    async def send_str(self, _: str) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        await asyncio.Event().wait()


async def test_for_a_page_that_sleeps_only_a_little_is_kept_and_it_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_FAREWELL_S", 0.05)
    lost: Counter[str] = Counter()
    gateway: Any = SimpleNamespace(metrics=SimpleNamespace(count=lambda _, stage: lost.update([stage])))
    ready = SimpleNamespace(voice_rate_hz=24_000, video=None)
    left = asyncio.Event()
    conversation: Any = SimpleNamespace(
        session=SimpleNamespace(ready=ready), met=lambda: None, detach=lambda _, gone: left.set()
    )
    socket: Any = Sleeper()
    connection = StreamConnection(gateway, socket, conversation)
    running = asyncio.create_task(connection.run())
    for index in range(1000):
        connection.unit(Unit(index, index * 960, bytes(1920), None, 0, 0))
        await asyncio.sleep(0)
    kept = 1000 - lost["unit"]
    assert 50 < kept < 150
    connection.send({"type": "bye"})
    await connection.close()
    await asyncio.wait_for(running, PATIENCE_S)
    assert left.is_set()
