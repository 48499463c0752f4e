"""Chat servers that do not answer as they should: a turn tells what was wrong, and the stream of the llm lives on."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any

import grpc
import pytest

from deploy.addresses import free_port
from services.common.settings import SharedSettings
from services.llm.engine import Message, Prompt
from services.llm.engines.openai import OpenaiEngine
from services.llm.settings import OpenaiOptions
from tests.harness.chat_server import DONE, ChatServer, Reply, chatting, event, json_reply, refusing, saying, words
from tests.harness.data import PERSONAS
from tests.harness.grpc_server import reason as reason_of
from tests.harness.llm_parts import fake_engine
from tests.harness.llm_service import Call, serving
from tests.harness.waiting import until
from vivant.errors import Full, Unavailable, Unusable
from vivant.llm.v1 import llm_pb2 as pb

BORN = "Where were you born?"
TOLD = "The rain came in all day long."
GOOD = "Rainy days are fine by me."
PLAIN = "Rainy days are fine by me. Sit down for a while."


@dataclass
class Room:
    """The service, and the chat server from which its words come."""

    stub: Any
    server: ChatServer

    @asynccontextmanager
    async def talk(self, chat: Callable[[dict[str, Any]], Reply] | Reply) -> AsyncIterator[Call]:
        self.server.chat = chat if callable(chat) else lambda _: chat
        async with Call(self.stub) as call:
            yield call


@asynccontextmanager
async def opened(**options: Any) -> AsyncIterator[Room]:
    async with chatting(saying(GOOD)) as server:
        engine = OpenaiEngine(OpenaiOptions(base_url=server.address, prefill=False, **options), SharedSettings())
        engine.load()
        try:
            async with serving(engine) as stub:
                yield Room(stub, server)
        finally:
            await engine.close()


@pytest.fixture(scope="module")
async def room() -> AsyncIterator[Room]:
    async with opened() as made:
        yield made


def chunk(content: Any) -> bytes:
    return event({"choices": [{"index": 0, "delta": {"content": content}}]})


@pytest.mark.parametrize(
    "reply",
    [
        Reply([event({"choices": None}), *words(PLAIN), event({"choices": None, "usage": {"prompt_tokens": 3}}), DONE]),
        Reply([b"data: [1, 2]\n\n", b"data: null\n\n", b"data:\n\n", *words(PLAIN), DONE]),
        Reply([event({"choices": [{"index": 0}]}), *words(PLAIN), DONE]),
        Reply([chunk([{"type": "text", "text": PLAIN}]), DONE]),
        Reply([piece.replace(b"\n", b"\r") for piece in words(PLAIN)] + [b"data: [DONE]\r\r"]),
        Reply([piece.replace(b"\n", b"\r\n") for piece in words(PLAIN)] + [b"data: [DONE]\r\n\r\n"]),
        Reply([b": ping\n\n", *words(PLAIN), b"id: 3\nretry: 9\n", DONE]),
        Reply([chunk("\ud83d"), *words(PLAIN), DONE]),
        Reply([b'data: {"choices":[{"delta":{"content":"\xff\xfe"}}]}\n\n', *words(PLAIN), DONE]),
        Reply(words(PLAIN)),
        Reply([*words("Rainy days are fine by me."), chunk(" Sit down for a while")]),
        json_reply({"choices": [{"message": {"role": "assistant", "content": PLAIN}, "finish_reason": "stop"}]}),
        Reply([b'{"choices": [{"message": {"content": "' + PLAIN.encode() + b'"}}]}'], headers={"Content-Type": "text/html"}),
        saying(f"<think>\nThe user says so.\n</think>\n\n{PLAIN}"),
        saying(f"The user says that it rains. I should be kind.</think>{PLAIN}"),
        saying("**Rainy** days are *fine* by me. Sit down for a while.<|im_end|>"),
        saying(f"Pip: {PLAIN}"),
    ],
)
async def test_words_are_read_in_every_shape(reply: Reply, room: Room) -> None:
    async with room.talk(reply) as call:
        await call.commit(1, TOLD)
        text, kinds, done = await call.reply(1)
        assert text.strip().rstrip(".") == PLAIN.rstrip("."), kinds
        assert kinds[-1] == "done" and not done.corrected


@pytest.mark.parametrize(
    ("reply", "reason", "told"),
    [
        (event({"error": {"message": "the card is full"}}), "model_failed", "the card is full"),
        (event({"error": "boom"}), "model_failed", "boom"),
        (b'event: error\ndata: {"message": "slow down", "code": 429}\n\n', "model_full", "slow down"),
        (b"<html><body>Please log in</body></html>", "not_a_model_server", "a web page"),
        (b"data: {broken\n\n", "not_a_model_server", "{broken"),
        (b"no such thing", "not_a_model_server", "no such thing"),
        (b"data: " + b"x" * 1_100_000, "not_a_model_server", "more than"),
        (b"", "model_broke_off", "before it began"),
        (Reply(drop=True), "model_broke_off", "broke off"),
        (
            Reply([b"junk"], headers={"Content-Type": "text/event-stream", "Content-Encoding": "gzip"}),
            "not_a_model_server",
            "unpacked",
        ),
        (Reply(status=302, headers={"Location": "/elsewhere"}), "wrong_address", "elsewhere"),
        (Reply(status=307, headers={"Location": "http://elsewhere.example/v1"}), "wrong_address", "elsewhere.example"),
        (refusing(401, {"message": "bad key"}), "wrong_key", "LLM_OPENAI_API_KEY"),
        (refusing(400, "maximum context length is 512 tokens"), "context_full", "LLM_HISTORY_WORDS"),
        (refusing(429, "slow down"), "model_full", "takes no more requests: slow down"),
        (refusing(503, {"message": "Loading model"}), "model_loading", "still loading"),
        (Reply([b"<html><body>Bad Gateway</body></html>"], 502, {"Content-Type": "text/html"}), "model_failed", "(502)"),
        (refusing(504, "upstream timed out"), "model_failed", "upstream timed out"),
        (refusing(500, {"message": "half a \ud83d character"}), "model_failed", "half a"),
        (Reply([b"\xff\xfe"], 500), "model_failed", "(500)"),
        (json_reply({"detail": "Not Found"}, 404), "unknown_model", "Not Found"),
    ],
)
async def test_a_turn_tells_what_was_wrong_and_the_next_is_answered(
    reply: Reply | bytes, reason: str, told: str, room: Room
) -> None:
    bad = reply if isinstance(reply, Reply) else Reply([reply])
    async with room.talk(bad) as call:
        await call.commit(1, TOLD)
        _, _, failed = await call.reply(1)
        assert failed.reason == reason and told in failed.message
        assert "out of reach" not in failed.message and "\n" not in failed.message
        room.server.chat = lambda _: saying(GOOD)
        await call.commit(2, TOLD)
        text, _, _ = await call.reply(2)
        assert text.strip() == GOOD
        await call.finish()


BEGUN = words("Rainy days are fine by me. Sit down for")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(BEGUN, drop=True), "model_broke_off"),
        (Reply(BEGUN, held=True), "model_timeout"),
        (Reply([*BEGUN, event({"error": {"message": "worker died", "code": 500}})]), "model_failed"),
        (Reply([*BEGUN, b"data: {broken\n\n"]), "not_a_model_server"),
    ],
)
async def test_whole_sentences_before_a_break_are_said(reply: Reply, reason: str) -> None:
    async with opened(token_timeout_s=2.0 if reply.held else 10.0) as room, room.talk(reply) as call:
        await call.commit(1, TOLD)
        text, _, failed = await call.reply(1)
        assert text.strip() == GOOD and (failed.reason, failed.retryable) == (reason, True)


async def test_a_turn_that_is_over_closes_its_request_and_so_does_a_draft() -> None:
    """By that a server learns that nobody listens any more."""
    async with opened() as room:
        async with room.talk(Reply(BEGUN, held=True)) as call:
            await call.commit(1, TOLD)
            await until(lambda: room.server.held == 1)
            await call.send(cancel=pb.Cancel(turn_id=1))
            await until(lambda: room.server.held == 0)
            await call.send(words=pb.HeardWords(turn_id=2, text=TOLD, participant_id="ana", draft=True))
            await until(lambda: room.server.held == 1)
            await call.send(words=pb.HeardWords(turn_id=3, text="So I", participant_id="ana"))
            await until(lambda: room.server.held == 0)
            await call.commit(4, TOLD)
            await until(lambda: room.server.held == 1)
        await until(lambda: room.server.held == 0)
        assert len(room.server.asked) == 3


@pytest.mark.parametrize("status", [429, 503])
async def test_a_server_that_wants_to_be_asked_later_is_asked_later(status: int) -> None:
    busy = [refusing(status, "busy", Retry_After="0"), refusing(status, "busy", Retry_After=formatdate(0))]
    async with opened() as room, room.talk(lambda _: busy.pop() if busy else saying(GOOD)) as call:
        await call.commit(1, TOLD)
        text, _, done = await call.reply(1)
        assert text.strip() == GOOD and not done.HasField("reason")
        assert len(room.server.asked) == 3


async def test_a_server_that_asks_for_more_patience_than_there_is_is_left_alone() -> None:
    """What would be read ahead is not even sent, and a second try tells the same without a request."""
    async with chatting(refusing(429, "busy", Retry_After="30")) as server:
        engine = OpenaiEngine(OpenaiOptions(base_url=server.address), SharedSettings())
        prompt = Prompt((Message("user", TOLD),))
        for _ in range(2):
            with pytest.raises(Full, match=r"takes no more requests for the next (30|29) s"):
                _ = [item async for item in engine.generate(prompt, 20, 0)]
        await engine.prefill(prompt, 0)
        with pytest.raises(Full):
            await engine.weigh(prompt, ("yes", "no"))
        await engine.close()
        assert len(server.asked) == 1


async def test_what_a_server_has_in_its_cache_is_told_and_counted() -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 6, "prompt_tokens_details": {"cached_tokens": 90}}
    reply = Reply([*words(GOOD), event({"choices": [], "usage": usage}), DONE])
    async with opened() as room, room.talk(reply) as call:
        await call.commit(1, TOLD)
        _, _, done = await call.reply(1)
        assert (done.prompt_tokens, done.cached_tokens, done.reply_tokens) == (10, 90, 6)
        labels = {"service": "llm", "engine": "test"}
        for stage, tokens in (("read", 10), ("cached", 90)):
            counted = room.stub.metrics.registry.get_sample_value("vivant_prompt_tokens_total", labels | {"stage": stage})
            assert counted == tokens


@pytest.fixture
def tuned(tmp_path: Path) -> Path:
    """Personas, one of whom is to be answered with an adapter."""
    folder = tmp_path / "personas"
    shutil.copytree(PERSONAS / "pip", folder / "pip", ignore=shutil.ignore_patterns("derived"))
    told = folder / "pip" / "persona.toml"
    told.write_text('adapter = "pip-lora"\n' + told.read_text("utf-8"), "utf-8")
    return folder


async def test_a_persona_is_answered_with_its_adapter_and_with_nothing_else(tuned: Path) -> None:
    async with chatting(saying(GOOD)) as server:
        server.models = json_reply({"data": [{"id": "base", "owned_by": "vllm"}]})
        engine = OpenaiEngine(OpenaiOptions(base_url=server.address), SharedSettings())
        async with serving(engine, tuned) as stub:
            async with Call(stub) as call:
                error = await call.refused()
                assert (error.code(), reason_of(error)) == (grpc.StatusCode.FAILED_PRECONDITION, "unknown_adapter")
                assert "persona 'pip'" in error.details() and "'pip-lora'" in error.details()
                assert "there is: base" in error.details()
            assert not server.asked
            # It may be loaded while the server runs.
            server.models = json_reply({"data": [{"id": "base", "owned_by": "vllm"}, {"id": "pip-lora", "parent": "base"}]})
            async with Call(stub) as call:
                # What is read ahead is read by the model that will answer.
                await until(lambda: server.asked)
                await call.commit(1, TOLD)
                assert (await call.reply(1))[0].strip() == GOOD
                await call.finish()
            assert {body["model"] for body in server.asked} == {"pip-lora"} and len(server.asked) > 1
            listings = server.listings
            async with Call(stub) as call:
                server.chat = lambda _: refusing(404, "The model `pip-lora` does not exist.")
                await call.commit(1, TOLD)
                assert (await call.reply(1))[2].reason == "unknown_model"
            assert server.listings == listings
            server.models = json_reply({"data": [{"id": "base"}]})
            async with Call(stub) as call:
                assert reason_of(await call.refused()) == "unknown_adapter"
        await engine.close()


async def test_an_engine_without_adapters_answers_nobody_who_needs_one(tuned: Path) -> None:
    async with serving(fake_engine(GOOD), tuned) as stub, Call(stub) as call:
        error = await call.refused()
        assert reason_of(error) == "unknown_adapter" and "LLM_ENGINE=openai" in error.details()


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (saying("<think>\nOn and on I think", "length"), "reasoning_used_up"),
        (
            Reply([event({"choices": [{"delta": {"reasoning_content": "Hm"}, "finish_reason": "length"}]}), DONE]),
            "reasoning_used_up",
        ),
        (saying("<think>Hm.</think>"), "reasoning_only"),
        (saying(""), "empty_reply"),
        (saying("\n\n  \n"), "empty_reply"),
        (saying("!!! ... ?"), "only_signs"),
        (saying("😀 👍🏽"), "only_pictures"),
        (saying("```python\nprint(1)\n```"), "only_code"),
        (Reply([event({"choices": [{"delta": {"tool_calls": [{}]}, "finish_reason": "tool_calls"}]}), DONE]), "tool_called"),
        (saying('<tool_call>{"name": "search"}</tool_call>'), "tool_called"),
        (saying("", "content_filter"), "reply_withheld"),
    ],
)
async def test_where_the_model_says_nothing_memory_answers_and_it_is_told_why(reply: Reply, reason: str, room: Room) -> None:
    async with room.talk(reply) as call:
        await call.commit(1, BORN)
        text, kinds, done = await call.reply(1)
        assert "Gull Rock" in text and kinds[-1] == "done"
        assert done.reason == reason and len(done.message) > 20
        assert (reason != "reasoning_used_up") or "LLM_MAX_REPLY_TOKENS" in done.message


async def test_a_fault_in_a_turn_costs_the_turn() -> None:
    engine = fake_engine(GOOD)
    async with serving(engine) as stub, Call(stub) as call:
        engine.fail_with = ValueError("a fault of ours")
        await call.commit(1, TOLD)
        _, _, failed = await call.reply(1)
        assert (failed.reason, failed.retryable) == ("turn_fault", False)
        engine.fail_with = None
        await call.commit(2, TOLD)
        assert (await call.reply(2))[0].strip() == GOOD


async def test_a_server_that_refuses_a_field_is_asked_without_it_from_then_on() -> None:
    def chat(body: dict[str, Any]) -> Reply:
        for field, instead in (("max_tokens", "; use max_completion_tokens"), ("stream_options", ""), ("temperature", "")):
            if field in body:
                return refusing(400, {"message": f"Unsupported parameter: {field} is not supported{instead}", "param": field})
        return saying(GOOD)

    async with opened() as room, room.talk(chat) as call:
        for turn in (1, 2):
            await call.commit(turn, TOLD)
            assert (await call.reply(turn))[0].strip() == GOOD
        assert len(room.server.asked) == 5, "three refusals, once each"
        assert room.server.asked[-1].keys() >= {"max_completion_tokens", "messages", "stream"}


async def test_a_server_that_refuses_whatever_is_asked_is_not_asked_for_ever() -> None:
    refused = refusing(400, {"message": "max_tokens, stream_options, temperature, stream: unsupported parameter"})
    async with opened() as room, room.talk(refused) as call:
        await call.commit(1, TOLD)
        assert (await call.reply(1))[2].reason == "request_refused"
        assert len(room.server.asked) <= 8


@pytest.mark.parametrize("owner", ["vllm", "somebody"])
async def test_a_begun_reply_is_not_begun_again(owner: str) -> None:
    """vLLM is told to go on; whoever begins again all the same is not heard twice."""
    async with chatting(saying("My knees complain about it. They are good knees.")) as server:
        server.models = json_reply({"data": [{"id": "m", "owned_by": owner}]})
        engine = OpenaiEngine(OpenaiOptions(base_url=server.address), SharedSettings())
        prompt = Prompt((Message("user", "How are your knees?"),), "My knees complain about it. ")
        items = [item async for item in engine.generate(prompt, 20, 0)]
        await engine.close()
        assert items
        assert (server.asked[-1].get("continue_final_message") is True) == (owner == "vllm")
        assert server.asked[-1]["messages"][-1]["content"] == "My knees complain about it."


@pytest.mark.parametrize(
    "models",
    [
        json_reply([{"id": "any"}]),
        json_reply({"data": None}),
        json_reply({"models": [{"name": "any"}]}),
        Reply([b"<html>hello</html>"], headers={"Content-Type": "text/html"}),
        Reply([b"not found"], 404),
        Reply([b""]),
        json_reply({"data": [None]}),
    ],
)
async def test_an_odd_list_of_models_is_no_hindrance(models: Reply) -> None:
    async with chatting(saying(GOOD)) as server:
        server.models = models
        engine = OpenaiEngine(OpenaiOptions(base_url=server.address), SharedSettings())
        await engine.connect()
        items = [item async for item in engine.generate(Prompt((Message("user", TOLD),)), 20, 0)]
        await engine.close()
        assert "".join(item for item in items if isinstance(item, str)) == GOOD


@pytest.fixture
def port() -> Iterator[int]:
    """One at which nothing answers, unless a test serves there."""
    with free_port() as kept:
        yield kept


async def test_a_server_that_is_not_there_yet_is_waited_for(port: int) -> None:
    engine = OpenaiEngine(OpenaiOptions(base_url=f"http://127.0.0.1:{port}/v1"), SharedSettings())
    connecting = asyncio.create_task(engine.connect())
    while "out of reach" not in "".join(engine.problems()):  # noqa: ASYNC110 - nothing tells when the first attempt has failed
        await asyncio.sleep(0.01)
    assert f"waiting for the model server at http://127.0.0.1:{port}/v1" in engine.problems()[0]
    loading = Reply([b'{"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}'], 503)
    async with chatting(loading, port) as server:
        while "loading its model" not in "".join(engine.problems()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        server.chat = lambda _: saying(GOOD)
        await connecting
    assert not engine.problems()
    await engine.close()


async def test_a_slow_first_answer_is_waited_for() -> None:
    async with chatting(Reply(saying("Hello.").pieces, delay_s=0.5)) as server:
        engine = OpenaiEngine(OpenaiOptions(base_url=server.address, token_timeout_s=0.1), SharedSettings())
        await engine.connect()
        await engine.close()
        assert len(server.asked) == 1


async def test_waiting_has_an_end_that_says_what_it_waited_for(port: int) -> None:
    options = OpenaiOptions(base_url=f"http://127.0.0.1:{port}/v1", load_timeout_s=0.1)
    engine = OpenaiEngine(options, SharedSettings())
    with pytest.raises(Unavailable, match=r"not ready within 0 s, which LLM_OPENAI_LOAD_TIMEOUT_S sets.*out of reach"):
        await engine.connect()
    await engine.close()


@pytest.mark.parametrize(
    ("reply", "reason"),
    [(refusing(401, "bad key"), "wrong_key"), (refusing(404, "model any does not exist"), "unknown_model")],
)
async def test_what_will_not_pass_ends_the_wait_at_once(reply: Reply, reason: str) -> None:
    async with chatting(reply) as server:
        engine = OpenaiEngine(OpenaiOptions(base_url=server.address), SharedSettings())
        with pytest.raises(Unusable) as caught:
            await engine.connect()
        assert caught.value.reason == reason and len(server.asked) == 1
        await engine.close()


def test_a_key_that_cannot_be_one_is_refused_at_start() -> None:
    with pytest.raises(Unusable, match="LLM_OPENAI_API_KEY"):
        OpenaiEngine(OpenaiOptions(api_key="sk-\u2026"), SharedSettings()).load()  # type: ignore[arg-type]
