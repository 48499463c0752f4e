"""Sessions whose replies a speech model on a server gives: the engines for such servers under the dialog manager."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import numpy as np
import pytest
import pytest_asyncio

from services.orchestrator.settings import OrchestratorSettings
from services.speech.engine import SpeechEngine
from tests.harness import moshi_server as moshi
from tests.harness import realtime_server as realtime
from tests.harness.grpc_server import Served
from tests.harness.scripted_engines import addresses, scripted_engines
from tests.harness.session_talk import CHUNK, Talk, opened, serving
from tests.harness.speech_model import SpeechModel
from tests.harness.waiting import until
from vivant.session.v1 import session_pb2 as pb

pytestmark = pytest.mark.asyncio(loop_scope="session")

LLM: Final = "Ask me something else."
REPLY: Final = "It is nice here by the old harbour."
TONE: Final = (np.sin(np.arange(CHUNK) * 0.2) * 8000).astype("<i2").tobytes()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def peers_address() -> AsyncIterator[str]:
    """All other services with scripted engines on one port."""
    async with scripted_engines(LLM_OPENING="model", LLM_FAKE_REPLIES=f'["{LLM}"]') as engines:
        engines.ready()
        yield engines.address


@asynccontextmanager
async def beside(peers_address: str, engine: SpeechEngine) -> AsyncIterator[tuple[Served, SpeechModel]]:
    """An orchestrator with this engine as its speech model."""
    model = SpeechModel(engine)
    await model.start()
    try:
        async with serving(OrchestratorSettings(speech_address=model.address, **addresses(peers_address))) as door:
            yield door, model
    finally:
        await model.stop()


@asynccontextmanager
async def a_second_of_speech(talk: Talk) -> AsyncIterator[None]:
    """Into a microphone that stays open."""

    async def speak() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for index in range(3000):
            await asyncio.sleep(began + index * 0.02 - loop.time())
            pcm = TONE if index < 50 else bytes(len(TONE))
            await talk.send(audio=pb.AudioChunk(pcm=pcm, start_sample=index * CHUNK))

    talking = asyncio.create_task(speak())
    try:
        yield
    finally:
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)


async def test_a_realtime_server_answers_what_is_typed_and_what_is_said_and_stops(peers_address: str) -> None:
    script = realtime.Script(reply_s=3.0)
    async with (
        realtime.realtime_server(script) as server,
        realtime.connected(server) as engine,
        beside(peers_address, engine) as (door, _),
    ):
        talk = await opened(door)
        connection = server.connections[-1]
        assert "June Merrow" in connection.of("session.update")[0]["session"]["instructions"]
        await talk.send(text=pb.TextInput(text="What did your dad do?"))
        typed = await talk.until("turn")
        assert typed.heard_text == typed.full_text == REPLY
        told = [each["item"]["role"] for each in connection.of("conversation.item.create")]
        assert told == ["system", "user"], "what it brings to mind, and the question"
        async with a_second_of_speech(talk):
            assert (await talk.until("turn")).heard_text == REPLY
        await talk.send(text=pb.TextInput(text="And your mum?"))
        while (await talk.until("unit")).turn_sample < 36_000:
            pass
        await talk.send(interrupt=pb.Interrupt())
        cut = await talk.until("turn")
        assert cut.interrupted
        # Half of its sound, and so about "It is nice here"; nobody has said when its words sound.
        assert abs(len(cut.heard_text.split()) - 4) <= 1
        assert REPLY.startswith(cut.heard_text)
        await until(lambda: connection.of("conversation.item.truncate"))
        assert 1_400 <= connection.of("conversation.item.truncate")[-1]["audio_end_ms"] <= 1_800
        assert not talk.of("notice")
        talk.call.cancel()


async def test_moshi_answers_what_is_said_and_what_is_typed_is_answered_by_the_llm(peers_address: str) -> None:
    async with (
        moshi.moshi_server() as server,
        moshi.talking_to(server) as engine,
        beside(peers_address, engine) as (door, _),
    ):
        talk = await opened(door)
        async with a_second_of_speech(talk):
            turn = await talk.until("turn")
        assert turn.heard_text == turn.full_text == REPLY
        assert not talk.of("notice")
        await talk.send(text=pb.TextInput(text="What did your dad do?"))
        assert (await talk.until("turn")).full_text == LLM
        assert [notice.reason for notice in talk.of("notice")] == ["speech_silent"]
        talk.call.cancel()
