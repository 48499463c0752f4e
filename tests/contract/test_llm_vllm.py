"""The engine `openai` in front of a real vLLM: `make test-vllm`. The contract suite in test_llm.py runs with it too."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from bench.llm.vllm import Vllm
from services.common.settings import SharedSettings
from services.llm.engine import Message, Prompt
from services.llm.engines.openai import OpenaiEngine
from services.llm.settings import OpenaiOptions
from tests.harness.data import PERSONAS
from tests.harness.grpc_server import reason
from tests.harness.llm_service import Call, serving
from tests.harness.vllm import ADAPTER
from tests.harness.waiting import PATIENCE_S
from vivant.errors import Unusable
from vivant.llm.v1 import llm_pb2 as pb

pytestmark = pytest.mark.vllm

SEA = Prompt((Message("system", "You keep a lighthouse. " * 60), Message("user", "Tell me a very long story of the sea.")))
TOLD = "I had a long day at the bakery."
"""Nothing that Pip remembers."""


def made(server: Vllm, **options: Any) -> OpenaiEngine:
    given = {"base_url": server.base_url, "temperature": 0.0, "token_timeout_s": PATIENCE_S} | options
    return OpenaiEngine(OpenaiOptions(**given), SharedSettings())


@pytest.fixture
async def engine(vllm: Vllm) -> AsyncIterator[OpenaiEngine]:
    one = made(vllm)
    await one.connect()
    yield one
    await one.close()


async def said(engine: OpenaiEngine, prompt: Prompt, tokens: int = 16) -> str:
    items = [item async for item in engine.generate(prompt, tokens, 0)]
    return "".join(item for item in items if isinstance(item, str))


async def idle(server: Vllm) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (await server.counters()).running:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.05)


async def test_what_was_read_while_somebody_spoke_is_not_read_again(engine: OpenaiEngine) -> None:
    async with serving(engine) as stub, Call(stub) as call:
        await call.commit(1, TOLD)
        await call.reply(1)
        await call.heard(1, "Sit down and rest.")
        for words in ("My feet hurt", "My feet hurt a lot", "My feet hurt a lot today"):
            await call.send(words=pb.HeardWords(turn_id=2, text=words, participant_id="ana"))
        await call.commit(2, "My feet hurt a lot today.")
        _, _, done = await call.reply(2)
        assert done.cached_tokens > done.prompt_tokens > 0
        await call.finish()


@pytest.mark.parametrize("drafted", [True, False])
async def test_a_reply_that_is_not_wanted_stops_the_server(vllm: Vllm, *, drafted: bool) -> None:
    engine = made(vllm, extra={"ignore_eos": True, "min_tokens": 200})
    async with serving(engine, max_reply_tokens=400) as stub, Call(stub) as call:
        await idle(vllm)
        if drafted:
            await call.send(words=pb.HeardWords(turn_id=1, text=TOLD, participant_id="ana", draft=True))
        else:
            await call.commit(1, TOLD)
        before = (await vllm.counters()).written
        async with asyncio.timeout(PATIENCE_S):
            while (await vllm.counters()).written < before + 3:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await call.send(cancel=pb.Cancel(turn_id=1))
        await idle(vllm)
        written = (await vllm.counters()).written
        assert written < before + 200, "it was to write on"
        await asyncio.sleep(1.0)
        assert (await vllm.counters()).written == written
    await engine.close()


async def test_what_memory_has_begun_is_gone_on_with(engine: OpenaiEngine) -> None:
    opening = "My knees complain about the"
    messages = (Message("system", "You are old. Answer in one sentence."), Message("user", "How are your knees?"))
    reply = await said(engine, Prompt(messages, opening))
    assert reply.strip() and not reply.strip().lower().startswith("my knees")


@pytest.mark.parametrize(
    ("options", "prompt", "expected"),
    [
        ({"model": "nobody"}, SEA, "unknown_model"),
        ({}, Prompt((Message("user", "sea " * 9000),)), "context_full"),
    ],
)
async def test_what_the_server_refuses_is_named(vllm: Vllm, options: dict[str, Any], prompt: Prompt, expected: str) -> None:
    engine = made(vllm, **options)
    with pytest.raises(Unusable) as caught:
        await said(engine, prompt)
    assert caught.value.reason == expected
    await engine.close()


async def test_a_persona_is_answered_with_its_adapter(vllm: Vllm, engine: OpenaiEngine, tmp_path: Path) -> None:
    adapted = Prompt(SEA.messages, adapter=ADAPTER)
    await engine.require(ADAPTER)
    assert await said(engine, SEA) != await said(engine, adapted)
    with pytest.raises(Unusable, match=rf"no adapter 'nobody'.*{ADAPTER}"):
        await engine.require("nobody")
    for name, adapter in (("pip", ADAPTER), ("torn", "nobody")):
        shutil.copytree(PERSONAS / "pip", tmp_path / name, ignore=shutil.ignore_patterns("derived"))
        file = tmp_path / name / "persona.toml"
        file.write_text(f'adapter = "{adapter}"\n' + file.read_text("utf-8").replace('"pip"', f'"{name}"'), "utf-8")
    async with serving(engine, tmp_path) as stub:
        async with Call(stub) as call:
            await call.commit(1, TOLD)
            assert (await call.reply(1))[0].strip()
            await call.finish()
        async with Call(stub, persona_id="torn") as call:
            error = await call.refused()
            assert (error.code(), reason(error)) == (grpc.StatusCode.FAILED_PRECONDITION, "unknown_adapter")
