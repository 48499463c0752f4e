"""An orchestrator whose services load: better a conversation in a moment than one that begins with an apology."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import vivant
from services.orchestrator.links import clients
from services.orchestrator.settings import OrchestratorSettings
from tests.harness.scripted_engines import NAMES, Engines, Orchestrator, addresses, orchestrating, scripted_engines
from tests.harness.waiting import until
from vivant.errors import Unavailable, Unusable

pytestmark = pytest.mark.asyncio(loop_scope="session")


@dataclass
class System:
    """An orchestrator with services that load until they are told that they have."""

    client: vivant.Client
    engines: Engines
    orchestrator: Orchestrator

    async def loading(self) -> tuple[str, ...]:
        return (await self.client.info()).loading

    async def open(self, **options: Any) -> vivant.Ready:
        async with self.client.converse(**options) as session:
            return session.ready


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def engines() -> AsyncIterator[Engines]:
    """They say of themselves what a test has them say."""
    async with scripted_engines() as made:
        yield made


@asynccontextmanager
async def starting(engines: Engines, **elsewhere: str) -> AsyncIterator[System]:
    """An orchestrator and services that have just been started; those that are `elsewhere` cannot be reached."""
    for service in engines.services.values():
        service.admission.ready = False
    settings = OrchestratorSettings(capacity=2, **addresses(engines.address, **elsewhere))
    async with orchestrating(settings) as made, vivant.connect(made.address) as client:
        yield System(client, engines, made)


async def test_a_conversation_waits_for_what_it_needs(engines: Engines) -> None:
    async with starting(engines) as system:
        assert await system.loading() == NAMES
        with pytest.raises(Unavailable, match="llm, tts are still loading") as caught:
            await system.open()
        assert caught.value.reason == "loading" and caught.value.retryable
        system.engines.ready("llm", "tts")
        # Who only types needs no ears, and who asks for no picture no face.
        assert (await system.open()).persona.name
        with pytest.raises(Unavailable, match="asr, turn are still loading"):
            await system.open(microphone=16_000)
        system.engines.ready("asr", "turn")
        assert (await system.open(microphone=16_000)).missing == ("face",)
        with pytest.raises(Unavailable, match="face is still loading"):
            await system.open(video=vivant.Video("vp8", 256))
        system.engines.ready("face")
        assert (await system.open(video=vivant.Video("vp8", 256), microphone=16_000)).missing == ()
        assert await system.loading() == ()


async def test_the_client_package_waits_and_then_talks(engines: Engines) -> None:
    async with starting(engines) as system:
        told = asyncio.Event()
        waiting = asyncio.create_task(system.client.wait_ready(on_progress=lambda reason, seconds: told.set()))
        await told.wait()
        assert not waiting.done()
        system.engines.ready()
        await waiting
        async with system.client.converse() as session:
            await session.send_text("Where did you grow up?")
            async for event in session:
                if isinstance(event, vivant.Turn):
                    assert event.heard_text
                    break


async def test_who_comes_back_costs_its_ability_meanwhile_but_without_the_llm_there_is_no_conversation(
    engines: Engines,
) -> None:
    async with starting(engines) as system:
        system.engines.ready()
        assert await system.loading() == ()
        system.engines.services["tts"].admission.ready = False
        assert await system.loading() == ()
        assert (await system.open()).missing == ("tts",)
        system.engines.services["llm"].admission.ready = False
        assert await system.loading() == ("llm",)
        with pytest.raises(Unavailable, match="llm is still loading"):
            await system.open()


async def test_who_does_not_answer_is_starting_for_a_while_and_then_missing(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with starting(engines, tts="localhost:1") as system:
        system.engines.ready("llm", "face")
        assert "tts" in await system.loading()
        with pytest.raises(Unavailable, match="tts is still loading"):
            await system.open()
        monkeypatch.setattr(clients, "STARTING_S", 0.0)
        assert "tts" not in await system.loading()
        assert (await system.open()).missing == ("tts",)


async def test_a_default_persona_whose_voice_is_not_here_is_told_at_start_and_at_every_opening(tmp_path: Path) -> None:
    shutil.copytree("personas/june", tmp_path / "june")
    toml = tmp_path / "june" / "persona.toml"
    as_shipped = toml.read_text("utf-8")
    toml.write_text(as_shipped.replace('voice = ""', 'voice = "emma"'), "utf-8")
    async with scripted_engines(VIVANT_PERSONAS_DIR=str(tmp_path)) as engines, starting(engines) as system:
        engines.ready()
        peers = system.orchestrator.peers
        await until(lambda: any("the default persona" in problem for problem in peers.problems))
        [problem] = peers.problems
        says = "there is no voice 'emma' here; there is: tone"
        assert "VIVANT_PERSONA" in problem and says in problem
        with pytest.raises(Unusable, match=says):
            await system.open()
        toml.write_text(as_shipped, "utf-8")
        await until(lambda: not peers.problems)
        assert (await system.open()).persona.id == "june"
