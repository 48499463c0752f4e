"""The orchestrator's long streams over real gRPC: one that breaks again and again is opened ever more seldom, told of once."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from services.orchestrator.links import link
from services.orchestrator.links.link import BACKOFF_S, Link
from services.orchestrator.session.abilities import Abilities
from services.orchestrator.session.connections import Connections
from tests.harness.grpc_server import served
from tests.harness.waiting import PATIENCE_S
from vivant.common.v1 import common_pb2
from vivant.llm.v1 import llm_pb2, llm_pb2_grpc
from vivant.session.v1 import session_pb2

BREAKS = 4


class Flapping(llm_pb2_grpc.LlmServiceServicer):
    """Takes each stream and breaks it at its first word, the first so many times; then it goes on."""

    def __init__(self) -> None:
        self.streams = 0

    async def Generate(self, request_iterator: Any, context: Any) -> None:  # noqa: N802 - the contract's name
        await context.read()
        self.streams += 1
        await context.send_initial_metadata(())
        # A word is sent by whoever has seen that the stream is open.
        await context.read()
        if self.streams <= BREAKS:
            await context.abort(grpc.StatusCode.INTERNAL, "a fault")
        await asyncio.Event().wait()


class Waits(tuple[float, ...]):
    """No time at all, and which of the waits were taken."""

    taken: list[int]

    def __getitem__(self, index: Any) -> Any:
        self.taken.append(index)
        return 0.0


async def test_a_service_that_comes_and_goes_is_lost_once_and_restored_once(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = Waits(BACKOFF_S)
    waits.taken = []
    monkeypatch.setattr(link, "BACKOFF_S", waits)
    notices: list[session_pb2.Notice] = []
    restored = asyncio.Event()
    changes: list[bool] = []

    def notify(notice: session_pb2.Notice) -> None:
        notices.append(notice)
        if notice.reason == "llm_restored":
            restored.set()

    told: list[list[str]] = []

    def opened(_: str) -> None:
        # However long it takes until it breaks: only the last one is steady, after a moment.
        monkeypatch.setattr(link, "STEADY_S", 0.2 if service.streams > BREAKS else 3600.0)
        asyncio.get_running_loop().call_soon(lambda: told.append([notice.reason for notice in notices]))
        stream.send(participant=common_pb2.Participant(id="a"))

    service = Flapping()
    async with served(lambda server: llm_pb2_grpc.add_LlmServiceServicer_to_server(service, server)) as channel:
        generate = llm_pb2_grpc.LlmServiceStub(channel).Generate
        stream = Link("llm", generate, llm_pb2.GenerateRequest, lambda: llm_pb2.GenerateConfig(persona_id="june"))
        connections = Connections(Abilities((), notify, lambda _, available: changes.append(available)))
        async with asyncio.TaskGroup() as tasks, asyncio.timeout(PATIENCE_S):
            connections.begin(tasks)
            connections.keep(stream, lambda kind, message: None, opened)
            await restored.wait()
            connections.close()
    assert [notice.reason for notice in notices] == ["llm_unavailable", "llm_restored"]
    assert told == [[], *[["llm_unavailable"]] * BREAKS], "not back before it is sure"
    assert changes == [False, True] * BREAKS, "what it can do is known at once"
    assert waits.taken == sorted(waits.taken) and waits.taken[-1] > waits.taken[0], "the waits grow"
