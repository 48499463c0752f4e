"""An orchestrator whose services load: better a conversation in a moment than one that begins with an apology."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import grpc
import pytest
import pytest_asyncio

import vivant
from services.common.metrics import Metrics
from services.common.serving import Service
from services.common.streams import Admission
from services.orchestrator.links import clients
from services.orchestrator.links.clients import Peers
from services.orchestrator.server import SessionServicer
from services.orchestrator.settings import OrchestratorSettings
from tests.grpc_server import served
from vivant.channel import SERVER_OPTIONS
from vivant.errors import Unavailable
from vivant.session.v1 import session_pb2_grpc

pytestmark = pytest.mark.asyncio(loop_scope="session")

Services = tuple[str, dict[str, Service]]
NAMES: Final = ("asr", "turn", "llm", "tts", "face")


@dataclass
class System:
    """An orchestrator with services that load until they are told that they have."""

    client: vivant.Client
    services: dict[str, Service]

    def load(self, *names: str) -> None:
        for name in names:
            self.services[name].admission.ready = True

    async def loading(self) -> tuple[str, ...]:
        return (await self.client.info()).loading

    async def open(self, **options: Any) -> vivant.Ready:
        async with self.client.converse(**options) as session:
            return session.ready


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def services() -> AsyncIterator[Services]:
    """All five with scripted engines on one port; they say of themselves what a test has them say."""
    server = grpc.aio.server(options=SERVER_OPTIONS)
    made: dict[str, Service] = {}
    with pytest.MonkeyPatch.context() as environment:
        for name in NAMES:
            environment.setenv(f"{name.upper()}_ENGINE", "fake")
            made[name] = importlib.import_module(f"services.{name}.__main__").service()
            made[name].add_to(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        for service in made.values():
            await service.warm()
        yield f"127.0.0.1:{port}", made
    finally:
        await server.stop(None)
        for service in made.values():
            if service.close:
                await service.close()


@asynccontextmanager
async def orchestrator(services: Services, **elsewhere: str) -> AsyncIterator[System]:
    """One that has just been started, and so have its services; those that are `elsewhere` cannot be reached."""
    address, made = services
    for service in made.values():
        service.admission.ready = False
    addresses: dict[str, Any] = {f"{name}_address": elsewhere.get(name, address) for name in NAMES}
    settings = OrchestratorSettings(capacity=2, **addresses)
    metrics = Metrics("session", "orchestrator")
    admission, peers = Admission("session", settings.capacity, metrics), Peers(settings)
    servicer = SessionServicer(settings, peers, admission, metrics)
    async with served(lambda server: session_pb2_grpc.add_SessionServiceServicer_to_server(servicer, server)) as channel:
        await peers.watch()
        admission.ready = True
        try:
            yield System(vivant.Client(channel, "orchestrator"), made)
        finally:
            await peers.close()


async def test_a_conversation_waits_for_what_it_needs(services: Services) -> None:
    async with orchestrator(services) as system:
        assert await system.loading() == NAMES
        with pytest.raises(Unavailable, match="llm, tts are still loading") as caught:
            await system.open()
        assert caught.value.reason == "loading" and caught.value.retryable
        system.load("llm", "tts")
        # Who only types needs no ears, and who asks for no picture no face.
        assert (await system.open()).persona.name
        with pytest.raises(Unavailable, match="asr, turn are still loading"):
            await system.open(microphone=16_000)
        system.load("asr", "turn")
        assert (await system.open(microphone=16_000)).missing == ("face",)
        with pytest.raises(Unavailable, match="face is still loading"):
            await system.open(video=vivant.Video("vp8", 256))
        system.load("face")
        assert (await system.open(video=vivant.Video("vp8", 256), microphone=16_000)).missing == ()
        assert await system.loading() == ()


async def test_the_client_package_waits_and_then_talks(services: Services) -> None:
    async with orchestrator(services) as system:
        told = asyncio.Event()
        waiting = asyncio.create_task(system.client.wait_ready(on_progress=lambda reason, seconds: told.set()))
        await told.wait()
        assert not waiting.done()
        system.load(*NAMES)
        await waiting
        async with system.client.converse() as session:
            await session.send_text("Where did you grow up?")
            async for event in session:
                if isinstance(event, vivant.Turn):
                    assert event.heard_text
                    break


async def test_who_comes_back_costs_its_ability_meanwhile_but_without_the_llm_there_is_no_conversation(
    services: Services,
) -> None:
    async with orchestrator(services) as system:
        system.load(*NAMES)
        assert await system.loading() == ()
        system.services["tts"].admission.ready = False
        assert await system.loading() == ()
        assert (await system.open()).missing == ("tts",)
        system.services["llm"].admission.ready = False
        assert await system.loading() == ("llm",)
        with pytest.raises(Unavailable, match="llm is still loading"):
            await system.open()


async def test_who_does_not_answer_is_starting_for_a_while_and_then_missing(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with orchestrator(services, tts="localhost:1") as system:
        system.load("llm", "face")
        assert "tts" in await system.loading()
        with pytest.raises(Unavailable, match="tts is still loading"):
            await system.open()
        monkeypatch.setattr(clients, "STARTING_S", 0.0)
        assert "tts" not in await system.loading()
        assert (await system.open()).missing == ("tts",)
