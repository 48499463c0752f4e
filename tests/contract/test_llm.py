"""vivant.llm.v1 over real gRPC: every engine keeps the same contract, the real models among them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import xllamacpp
from aiohttp import web
from aiohttp.test_utils import TestServer

from services.common.metrics import SERVED, SERVED_BY_ALL
from services.common.settings import SharedSettings
from services.llm.engine import Engine, Message, Prompt
from services.llm.engines.llamacpp import LlamacppEngine
from services.llm.engines.openai import OpenaiEngine
from services.llm.messages import MAX_TEXT
from services.llm.settings import LlamacppOptions, OpenaiOptions
from tests.harness.data import PERSONAS
from tests.harness.grpc_server import reason
from tests.harness.llm_parts import fake_engine
from tests.harness.llm_service import MODELS, Call, serving, utterance
from tests.harness.waiting import PATIENCE_S, until
from vivant.common.v1 import common_pb2
from vivant.errors import Unavailable, Unusable
from vivant.llm.v1 import llm_pb2 as pb

TOLD = "I had a long day at the bakery."


@pytest.fixture(scope="session")
def llamacpp() -> Iterator[LlamacppEngine]:
    """The default model, loaded once."""
    engine = LlamacppEngine(LlamacppOptions(), SharedSettings())
    engine.load()
    yield engine
    asyncio.run(engine.close())


@pytest.fixture(scope="session")
def chat_server() -> Iterator[str]:
    """A real llama.cpp server that speaks the OpenAI API, with a tiny model."""
    params = xllamacpp.CommonParams()
    params.model.path = str(MODELS / "smollm2-135m" / "model.gguf")
    params.n_ctx, params.n_parallel, params.verbosity = 4096, 2, 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 2
    server = xllamacpp.Server(params)
    yield f"{server.listening_address}/v1"
    del server


@pytest.fixture(params=["fake", "llamacpp", "openai", pytest.param("vllm", marks=pytest.mark.vllm)])
def loaded(request: pytest.FixtureRequest) -> Engine:
    """Each of the engines; `openai` with a small server and, in tests of their own, with a vLLM."""
    if request.param == "llamacpp":
        return request.getfixturevalue("llamacpp")
    if request.param == "fake":
        return fake_engine()
    address = request.getfixturevalue("chat_server") if request.param == "openai" else request.getfixturevalue("vllm").base_url
    made = OpenaiEngine(OpenaiOptions(base_url=address, token_timeout_s=PATIENCE_S), SharedSettings())
    made.load()
    return made


@pytest.fixture
async def engine(loaded: Engine) -> AsyncIterator[Engine]:
    yield loaded
    if isinstance(loaded, OpenaiEngine):
        await loaded.close()


async def test_the_dialogue_of_the_contract(engine: Engine) -> None:
    async with serving(engine, opening="passage") as stub, Call(stub) as call:
        await call.send(words=pb.HeardWords(turn_id=7, text="where were you", participant_id="ana"))
        await call.commit(7, "Where were you born?")
        text, kinds, done = await call.reply(7)
        assert "Gull Rock" in text
        assert text.endswith(" ")
        assert kinds[0] == "source"
        assert done.first_token_us < 60_000_000
        await call.heard(7, "I was born on", interrupted=True)
        await call.commit(8, TOLD)
        text, kinds, _ = await call.reply(8)
        assert text.strip()
        assert kinds[-1] == "done"
        await call.finish()
    rendered = {metric.name for metric in stub.metrics.registry.collect()}
    expected = {name.removesuffix("_total") for name in SERVED["llm"] | SERVED_BY_ALL}
    assert expected <= rendered


async def test_who_was_interrupted_listens_and_goes_on_where_it_was_cut(engine: Engine) -> None:
    async with serving(engine, opening="passage") as stub, Call(stub) as call:
        await call.commit(1, "What do you do for a living?")
        text, _, _ = await call.reply(1)
        assert text.startswith("I keep the lighthouse on Gull Rock. There are one hundred")
        await call.heard(1, "I keep the lighthouse on Gull Rock. There are", interrupted=True)
        await call.commit(2, "No, wait.")
        text, kinds, _ = await call.reply(2)
        assert "lighthouse" not in text and kinds == ["text", "done"]
        await call.heard(2, text.strip())
        await call.commit(3, "Sorry, go on.")
        text, _, _ = await call.reply(3)
        assert text.startswith("There are one hundred and twelve steps")
        await call.finish()


async def test_what_tells_whether_words_are_for_the_persona_is_told_where_others_are_there(engine: Engine) -> None:
    async with serving(engine, opening="passage") as stub, Call(stub) as call:
        asked = pb.HeardWords(
            turn_id=1, text="Where were you born?", participant_id="ann", draft=True, candidate_ids=["bob", "cy"]
        )
        await call.send(words=asked)
        while True:
            kind, message = await call.read()
            if kind == "addressed":
                break
            assert kind == "draft", "nothing else is said of a turn that was not committed"
        assert (message.turn_id, message.text) == (1, asked.text)
        assert 0.9 < message.nearest <= 1.001 and not message.HasField("likeness"), "nobody else has spoken"
        assert not message.addressees, "no model was asked"


async def test_a_model_weighs_answers_and_keeps_the_conversations_as_they_are(engine: Engine) -> None:
    prompt = Prompt((Message("system", "You answer with yes or no."), Message("user", "Is snow cold? Answer yes or no.")))
    weights = await engine.weigh(prompt, ("yes", "no"))
    assert len(weights) == 2 and 0 < sum(weights) <= 1.001
    assert (await engine.weigh(prompt, ("xylophone", "zebra")))[0] in (0, 0.5)


async def test_a_newer_turn_silences_the_older_at_once(engine: Engine) -> None:
    async with serving(engine) as stub, Call(stub) as call:
        await call.commit(1, TOLD)
        await call.commit(2, "Where were you born?")
        while True:
            kind, message = await call.read()
            if message.turn_id == 2:
                break
            assert kind != "done" or message.turn_id == 1
        while kind != "done":
            kind, message = await call.read()
            assert message.turn_id == 2
        await call.finish()


async def test_finish_waits_for_the_turn_in_hand(engine: Engine) -> None:
    async with serving(engine) as stub, Call(stub) as call:
        await call.commit(1, TOLD)
        await call.finish()
        text, _, _ = await call.reply(1)
        assert text.strip()


async def test_who_it_is(engine: Engine) -> None:
    async with serving(engine) as stub:
        info = (await stub.GetInfo(pb.GetInfoRequest())).info
        assert (info.service, info.engine, info.capacity, info.ready) == ("llm", engine.info.name, 2, True)
        assert ("all-MiniLM-L6-v2", "Apache-2.0") in [(model.name, model.licence) for model in info.models]
        persona = (await stub.GetPersona(pb.GetPersonaRequest(persona_id="pip"))).persona
        assert (persona.card.id, persona.card.name, persona.passages) == ("pip", "Pip Marlow", 5)
        assert list(persona.manner.apologies) == ["I've lost my thread."]
        assert not persona.manner.HasField("patience"), "its folder says nothing of it"
        listed = (await stub.ListPersonas(pb.ListPersonasRequest())).personas
        assert [each.card.id for each in listed] == ["pip"]


async def test_the_default_model_reads_only_what_is_new(llamacpp: LlamacppEngine) -> None:
    async with serving(llamacpp) as stub, Call(stub) as call:
        await call.commit(1, TOLD)
        await call.reply(1)
        await call.send(words=pb.HeardWords(turn_id=2, text="My feet hurt a lot", participant_id="ana", draft=False))
        await call.commit(2, "My feet hurt a lot today.")
        _, _, done = await call.reply(2)
        # The prefix alone is longer.
        assert done.prompt_tokens < 60 and done.cached_tokens > done.prompt_tokens
        await call.finish()


async def test_a_chat_server_that_goes_away_fails_the_turn_only(chat_server: str) -> None:
    engine = OpenaiEngine(OpenaiOptions(base_url="http://127.0.0.1:9/v1"), SharedSettings())
    try:
        async with serving(engine) as stub, Call(stub) as call:
            await call.commit(1, TOLD)
            _, _, failed = await call.reply(1)
            assert (failed.reason, failed.retryable) == ("model_unavailable", True)
            assert "LLM_OPENAI_BASE_URL" in failed.message
            assert engine.problems()
            engine._connection.base = chat_server
            await call.commit(2, TOLD)
            text, _, _ = await call.reply(2)
            assert text.strip()
            assert not engine.problems()
            await call.finish()
    finally:
        await engine.close()


async def test_a_chat_server_that_tells_no_probabilities_is_named() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"choices": [{"message": {"role": "assistant", "content": "Yes"}, "logprobs": None}]})

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    async with TestServer(app) as server:
        options = OpenaiOptions(base_url=str(server.make_url("/v1")), model="any")
        engine = OpenaiEngine(options, SharedSettings())
        try:
            with pytest.raises(Unusable, match="LLM_WHO_IS_MEANT"):
                await engine.weigh(Prompt((Message("user", "Is snow cold?"),)), ("yes", "no"))
        finally:
            await engine.close()


async def test_an_unknown_model_is_named(chat_server: str) -> None:
    engine = OpenaiEngine(OpenaiOptions(base_url=chat_server.replace("/v1", "/nowhere")), SharedSettings())
    async with serving(engine) as stub, Call(stub) as call:
        await call.commit(1, TOLD)
        _, _, failed = await call.reply(1)
        assert (failed.reason, failed.retryable) == ("unknown_model", False)
    await engine.close()


async def test_a_missing_model_file_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="run: make models"):
        LlamacppEngine(LlamacppOptions(), SharedSettings(models_dir=tmp_path)).load()


async def test_a_damaged_model_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF" + bytes(1000))
    with pytest.raises(Unusable, match="damaged"):
        LlamacppEngine(LlamacppOptions(model=path), SharedSettings()).load()


@pytest.mark.parametrize(
    ("requests", "expected"),
    [
        ([{"words": pb.HeardWords(turn_id=0, text="a b", participant_id="ana")}], "no_turn"),
        ([{"words": pb.HeardWords(turn_id=2**63, text="a b", participant_id="ana")}], "no_turn"),
        ([{"commit": pb.Commit(turn_id=1)}], "no_utterance"),
        ([{"commit": pb.Commit(turn_id=1, utterance=utterance("x" * 100_000))}], "text_too_long"),
        ([{"words": pb.HeardWords(turn_id=1, text="x" * (MAX_TEXT + 1), participant_id="ana")}], "text_too_long"),
        ([{"words": pb.HeardWords(turn_id=1, text="a b")}], "no_participant"),
        ([{"commit": pb.Commit(turn_id=1, utterance=utterance("a", ""))}], "no_participant"),
        ([{"utterance": utterance("a", "")}], "no_participant"),
        ([{"participant": common_pb2.Participant(name="Ana")}], "no_participant"),
        ([{"relabel": common_pb2.Relabel(from_id="ana")}], "no_participant"),
        ([{"commit": pb.Commit(turn_id=1, utterance=common_pb2.Utterance(participant_id="ana"))}], "no_utterance_id"),
        ([{"utterance": common_pb2.Utterance(participant_id="ana", text="a")}], "no_utterance_id"),
        ([{"heard": pb.Heard(turn_id=1, text="a")}], "no_utterance_id"),
        ([{"utterance": utterance("a", "x" * 65)}], "id_too_long"),
        ([{"utterance": utterance("a", "ana", "x" * 65)}], "id_too_long"),
        ([{"utterance": utterance("a", utterance_id="x" * 65)}], "id_too_long"),
        ([{"words": pb.HeardWords(turn_id=1, text="a b", participant_id="ana", candidate_ids=["x" * 65])}], "id_too_long"),
        ([{"utterance": utterance("a", "ana", *map(str, range(33)))}], "too_many_addressees"),
        ([{"participant": common_pb2.Participant(id="ana", name="x" * 65)}], "name_too_long"),
        ([{"relabel": common_pb2.Relabel(from_id="ana", to_id="pip")}], "persona_relabelled"),
        ([{"config": pb.GenerateConfig(persona_id="pip")}], "second_config"),
        ([{}], "empty_message"),
    ],
)
async def test_what_breaks_a_rule_is_refused_by_its_name(requests: list[dict[str, Any]], expected: str) -> None:
    async with serving(fake_engine()) as stub, Call(stub) as call:
        for request in requests:
            await call.send(**request)
        error = await call.refused()
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert reason(error) == expected


async def test_words_before_config_are_refused() -> None:
    async with serving(fake_engine()) as stub:
        call = stub.Generate()
        await call.write(pb.GenerateRequest(words=pb.HeardWords(turn_id=1, text="hello")))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert reason(caught.value) == "no_config"


async def test_a_long_text_up_to_the_bound_is_answered() -> None:
    async with serving(fake_engine("That is a lot to take in.")) as stub, Call(stub) as call:
        await call.commit(1, ("I went to the market and then on home again. " * 100)[:MAX_TEXT])
        text, _, _ = await call.reply(1)
        assert text.strip()


async def test_an_unknown_persona_is_not_found() -> None:
    async with serving(fake_engine()) as stub:
        call = stub.Generate()
        await call.write(pb.GenerateRequest(config=pb.GenerateConfig(persona_id="nobody")))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND
        assert "there are: pip" in (caught.value.details() or "")


async def test_a_broken_persona_folder_is_refused_with_its_rule(tmp_path: Path) -> None:
    for name in ("pip", "torn"):
        (tmp_path / name).mkdir()
        for file in (PERSONAS / "pip").glob("*.*"):
            (tmp_path / name / file.name).write_bytes(file.read_bytes())
    (tmp_path / "torn" / "story.md").write_text("# nothing")
    async with serving(fake_engine(), tmp_path) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetPersona(pb.GetPersonaRequest(persona_id="torn"))
        assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
        assert [each.card.id for each in (await stub.ListPersonas(pb.ListPersonasRequest())).personas] == ["pip"]


async def test_a_full_or_loading_service_refuses() -> None:
    async with serving(fake_engine(), capacity=1) as stub, Call(stub) as first:
        await first.commit(1, "How are you today?")
        await first.reply(1)
        async with Call(stub) as second:
            error = await second.refused()
            assert (error.code(), reason(error)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
        stub.admission.ready = False
        async with Call(stub) as third:
            error = await third.refused()
            assert (error.code(), reason(error)) == (grpc.StatusCode.UNAVAILABLE, "loading")


async def test_a_stream_that_is_abandoned_stops_the_model() -> None:
    engine = fake_engine("Sit down and rest a while. " * 200, token_delay_s=0.01)
    async with serving(engine) as stub:
        async with Call(stub) as call:
            await call.commit(1, TOLD)
            while (await call.read())[0] != "text":
                pass
        await until(lambda: engine.stopped and not stub.admission.active)


async def test_failures_can_be_retried_and_history_comes_along() -> None:
    engine = fake_engine()
    async with serving(engine) as stub, Call(stub) as call:
        await call.send(utterance=utterance("My name is Ana."))
        await call.heard(1, "Hello Ana.")
        engine.fail_with = Unavailable("gone", reason="model_unavailable")
        await call.commit(2, "It rains on me, and I like it.")
        _, _, failed = await call.reply(2)
        assert failed.retryable
        engine.fail_with = None
        await call.commit(3, "It rains on me, and I like it.")
        await call.reply(3)
        seen = [message.content for message in engine.generated[-1][1].messages]
        assert "My name is Ana." in seen
        assert "Hello Ana." in seen


async def test_a_reply_says_what_it_answers_and_on_what_it_is_founded() -> None:
    async with serving(fake_engine(), opening="passage") as stub, Call(stub) as call:
        await call.commit(1, "Where were you born?", utterance_id="u-7")
        kind, source = await call.read()
        assert (kind, source.passage_id) == ("source", "story#1")
        assert source.HasField("question") and 0 < source.similarity <= 1.0001
        _, _, done = await call.reply(1)
        assert done.answers_utterance_id == "u-7"
        assert not done.HasField("reason") and not done.HasField("message"), "all is well"


async def test_what_is_not_built_yet_is_refused() -> None:
    async with serving(fake_engine()) as stub:
        async with Call(stub, tools=[common_pb2.Tool(name="lamp")]) as call:
            error = await call.refused()
            assert (error.code(), reason(error)) == (grpc.StatusCode.UNIMPLEMENTED, "tools_unimplemented")
        async with Call(stub) as call:
            await call.send(tool_result=common_pb2.ToolResult(call_id="1", content_json="{}"))
            error = await call.refused()
            assert (error.code(), reason(error)) == (grpc.StatusCode.UNIMPLEMENTED, "tools_unimplemented")


@pytest.mark.parametrize(("who_is_meant", "addressees"), [("memory", True), ("off", False)])
async def test_what_the_service_can_do_is_told(who_is_meant: str, *, addressees: bool) -> None:
    async with serving(fake_engine(), who_is_meant=who_is_meant) as stub:
        info = (await stub.GetInfo(pb.GetInfoRequest())).info
        assert info.WhichOneof("capabilities") == "llm"
        assert info.llm == common_pb2.LlmCapabilities(prefill=True, drafts=True, cues=True, sources=True, addressees=addressees)
