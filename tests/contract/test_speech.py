"""The speech contract over real gRPC, for every engine; the servers of models are scripted ones that speak their protocols."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
import pytest

from services.common.audio import pcm_format
from services.common.metrics import SERVED, SERVED_BY_ALL
from services.common.settings import SharedSettings
from services.speech.engine import SpeechEngine
from services.speech.engines import ENGINES
from services.speech.engines.fake import FakeEngine
from services.speech.settings import FakeOptions
from tests.harness import moshi_server as moshi
from tests.harness.grpc_server import Served, refusal
from tests.harness.moshi_server import moshi_server, talking_to
from tests.harness.realtime_server import Script, connected, realtime_server
from tests.harness.speech_talk import (
    FINISH,
    RATE_HZ,
    SPEECH_HZ,
    audio,
    config,
    conversed,
    serving,
    silence,
    talking,
    tone,
    utterance,
)
from tests.harness.waiting import until
from vivant.common.v1 import common_pb2
from vivant.persona.v1 import persona_pb2
from vivant.speech.v1 import speech_pb2

REPLY = "It is nice here by the old harbour."
BAD = grpc.StatusCode.INVALID_ARGUMENT
#: A server of Moshi has one model, for one conversation at a time.
CAPACITY = {"realtime": 2, "moshi": 1, "fake": 2}


@asynccontextmanager
async def made(name: str) -> AsyncIterator[SpeechEngine]:
    """An engine that is connected, with what it asks."""
    if name == "realtime":
        async with realtime_server(Script(reply=REPLY, reply_s=2.4, pace=1)) as server, connected(server) as engine:
            yield engine
    elif name == "moshi":
        async with moshi_server(moshi.Script(reply=REPLY, reply_s=2.4, yields=True)) as server, talking_to(server) as engine:
            yield engine
    else:
        yield FakeEngine(FakeOptions(replies=(REPLY,)), SharedSettings())


@pytest.fixture(params=[spec.name for spec in ENGINES])
async def service(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    async with made(request.param) as engine, serving(engine, CAPACITY[request.param]) as each:
        yield each


async def refused(service: Served, *parts: object) -> tuple[grpc.StatusCode, str]:
    """The status and reason of a refusal."""
    status, why, sentence = await refusal(conversed(service, *parts))
    assert sentence
    return status, why


async def test_info_says_what_the_engine_can_do(service: Served) -> None:
    response = await service.stub.GetInfo(speech_pb2.GetInfoRequest())
    info = response.info
    assert (info.service, info.ready, info.capacity) == ("speech", True, service.admission.capacity)
    assert info.WhichOneof("capabilities") == "speech"
    assert info.speech.turn_taking
    assert info.speech.text
    assert pcm_format(RATE_HZ) in info.input_audio
    assert list(info.output_audio) == [pcm_format(SPEECH_HZ)]
    assert all(model.licence for model in info.models)


@pytest.mark.parametrize("rate", [16_000, 48_000])
async def test_what_is_said_is_answered(service: Served, rate: int) -> None:
    async with talking(service, rate) as talk:
        await talk.say(silence(0.4, rate), tone(1.0, rate), silence(1.2, rate), paced=True)
        done = await talk.until("done")
        assert (done.turn_id, done.ending, done.HasField("reason")) == (1, speech_pb2.ENDING_COMPLETE, False)
        assert talk.samples(1) == done.samples > SPEECH_HZ // 2
        assert talk.text(1).split() == REPLY.split()
        floor = talk.of("floor")[0]
        assert talk.heard[0].WhichOneof("response") == "floor"
        assert (floor.turn_id, floor.action) == (1, speech_pb2.FLOOR_ACTION_TAKE)
        assert 0 < floor.probability <= 1
        assert 1.0 <= floor.at_sample / rate <= 2.6
        await talk.end()


async def test_what_was_cleared_is_not_heard(service: Served) -> None:
    async with talking(service) as talk:
        await talk.say(tone(0.8), silence(0.8), paced=True)
        first = await talk.until("speech")
        await talk.played(1, len(first.pcm) // 2)
        await talk.clear(2)
        done = await talk.until("done")
        cleared = len(talk.heard)
        assert (done.turn_id, done.ending) == (1, speech_pb2.ENDING_CLEARED)
        assert done.samples == talk.samples(1)
        await talk.say(silence(0.6), tone(0.8), silence(1.2), paced=True)
        await talk.until("done")
        later = talk.heard[cleared:]
        assert {getattr(each, each.WhichOneof("response")).turn_id for each in later} == {2}
        assert talk.of("done", 2)[0].ending == speech_pb2.ENDING_COMPLETE
        assert talk.samples(2) == talk.of("done", 2)[0].samples
        await talk.end()


async def test_speech_over_a_reply_is_a_proposal_and_no_more(service: Served) -> None:
    async with talking(service) as talk:
        await talk.say(tone(0.8), silence(0.8), paced=True)
        await talk.until("speech")
        await talk.say(tone(0.5), silence(0.1), paced=True)
        proposal = await talk.until("floor", lambda floor: floor.turn_id == 1)
        assert proposal.action == speech_pb2.FLOOR_ACTION_YIELD
        assert (await talk.until("done")).turn_id == 1


async def test_the_reply_in_hand_is_said_when_the_stream_is_finished(service: Served) -> None:
    async with talking(service) as talk:
        await talk.say(tone(0.8), silence(0.8), paced=True)
        await talk.until("floor")
        await talk.end()
        assert [done.ending for done in talk.of("done")] == [speech_pb2.ENDING_COMPLETE]
        assert talk.heard[-1].WhichOneof("response") == "done"
    assert await conversed(service, config(), FINISH) == []


async def test_rules_of_the_request(service: Served) -> None:
    assert await refused(service, audio(silence(0.04))) == (BAD, "no_config")
    assert await refused(service, config(), config()) == (BAD, "second_config")
    assert await refused(service, config(), speech_pb2.ConverseRequest()) == (BAD, "empty_message")
    assert await refused(service, config(11_025)) == (BAD, "wrong_sample_rate")
    assert await refused(service, config(output_audio=pcm_format(16_000))) == (BAD, "wrong_sample_rate")
    unknown = common_pb2.AudioFormat(sample_rate_hz=RATE_HZ, channels=1)
    assert await refused(service, config(input_audio=unknown)) == (BAD, "wrong_encoding")
    assert await refused(service, config(persona=persona_pb2.Persona())) == (BAD, "invalid_persona")
    assert await refused(service, config(instructions="word " * 20_000)) == (BAD, "text_too_long")
    many = [common_pb2.Utterance(id=str(n), participant_id="p1", text="word " * 800) for n in range(30)]
    assert await refused(service, config(history=many)) == (BAD, "text_too_long")
    assert await refused(service, config(), audio(silence(0.2))) == (BAD, "oversized_audio")
    assert await refused(service, config(), audio(b"abc")) == (BAD, "odd_bytes")
    assert await refused(service, config(), audio(b"")) == (BAD, "empty_audio")
    assert await refused(service, config(), audio(silence(0.04)), audio(silence(0.04))) == (BAD, "audio_out_of_order")
    context = [speech_pb2.ConverseRequest(context=speech_pb2.Context(text=text)) for text in (" ", "word " * 1000)]
    assert await refused(service, config(), context[0]) == (BAD, "empty_text")
    assert await refused(service, config(), context[1]) == (BAD, "text_too_long")
    assert await refused(service, config(), utterance("")) == (BAD, "empty_text")
    played = speech_pb2.ConverseRequest(played=speech_pb2.Played(turn_id=1, position_samples=5))
    assert await refused(service, config(), played) == (BAD, "no_turn")
    for newest in (0, 2):
        clear = speech_pb2.ConverseRequest(clear=speech_pb2.Clear(newest_turn_id=newest))
        assert await refused(service, config(), clear) == (BAD, "no_turn")
    await until(lambda: service.admission.active == 0)


async def test_a_full_service_refuses_and_a_loading_one_asks_to_wait(service: Served) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(service.admission.capacity):
            talk = await stack.enter_async_context(talking(service))
            await talk.say(tone(0.8), silence(0.8), paced=True)
            await talk.until("floor")
        assert await refused(service, config()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
        service.admission.ready = False
        assert await refused(service, config()) == (grpc.StatusCode.UNAVAILABLE, "loading")
    await until(lambda: service.admission.active == 0)


async def test_an_abandoned_stream_is_over(service: Served) -> None:
    async with talking(service) as talk:
        await talk.say(tone(0.4))
    await until(lambda: service.admission.active == 0)


async def test_the_promised_metrics_are_emitted(service: Served) -> None:
    async with talking(service) as talk:
        await talk.say(tone(0.8), silence(0.8), paced=True)
        await talk.until("speech")
    emitted = {metric.name for metric in service.metrics.registry.collect()}
    assert {name.removesuffix("_total") for name in SERVED["speech"] | SERVED_BY_ALL} <= emitted
    info = (await service.stub.GetInfo(speech_pb2.GetInfoRequest())).info
    labels = {"service": "speech", "engine": info.engine, "stage": ""}
    assert service.metrics.registry.get_sample_value("vivant_first_audio_seconds_count", labels) == 1


# What follows is about the scripted model.


async def test_a_model_that_cannot_be_stopped_is_muted() -> None:
    async with serving(FakeEngine(FakeOptions(replies=(REPLY,), stops=False), SharedSettings())) as service:
        async with talking(service) as talk:
            await talk.say(tone(0.8), silence(0.8))
            await talk.until("speech")
            await talk.clear(2)
            await talk.until("done")
            cleared = len(talk.heard)
            await talk.end()
            assert len(talk.heard) == cleared
    labels = {"service": "speech", "engine": "fake", "stage": "speech"}
    assert (service.metrics.registry.get_sample_value("vivant_stale_output_total", labels) or 0) > 10


async def test_the_words_of_a_reply_have_their_times_and_context_is_known() -> None:
    async with serving(FakeEngine(FakeOptions(replies=("Ah, {context}",), pace=0), SharedSettings())) as service:
        async with talking(service) as talk:
            await talk.send(context=speech_pb2.Context(text="a piano tuner."))
            await talk.say(tone(0.8), silence(0.8))
            await talk.until("done")
            words = [word for each in talk.of("speech") for word in each.words]
            assert [word.text for word in words] == ["Ah,", "a", "piano", "tuner."]
            assert (words[0].start_sample, words[0].end_sample) == (0, 3 * 1200)
            assert words[1].start_sample == 4 * 1200
            await talk.end()


async def test_it_answers_when_it_is_asked_and_not_twice() -> None:
    engine = FakeEngine(FakeOptions(replies=("It is nice.",), pace=4), SharedSettings())
    async with serving(engine) as service, talking(service) as talk:
        await talk.send(respond=speech_pb2.Respond(text="How is it?"))
        await talk.until("floor")
        await talk.send(respond=speech_pb2.Respond())
        await talk.until("done")
        assert talk.text(1) == "It is nice."
        await talk.send(respond=speech_pb2.Respond())
        await talk.until("speech")
        await talk.clear(3)
        await talk.send(respond=speech_pb2.Respond(text="And now?"))
        assert (await talk.until("done", lambda done: done.turn_id == 3)).ending == speech_pb2.ENDING_COMPLETE
        assert {each.turn_id for each in talk.of("floor")} == {1, 2, 3}
        await talk.send(respond=speech_pb2.Respond(text=" "))
        assert (await refusal(talk.end()))[1] == "empty_text"


async def test_a_reply_that_fails_says_why_and_the_next_one_is_whole() -> None:
    async with serving(FakeEngine(FakeOptions(replies=(REPLY,), pace=0, fails_turn=1), SharedSettings())) as service:
        async with talking(service) as talk:
            await talk.say(tone(0.8), silence(0.8))
            failed = await talk.until("done")
            assert (failed.ending, failed.reason) == (speech_pb2.ENDING_FAILED, "reply_broke_off")
            assert failed.message
            await talk.say(tone(0.8), silence(0.8))
            assert (await talk.until("done")).ending == speech_pb2.ENDING_COMPLETE


async def test_a_voice_or_language_that_is_not_there_is_refused() -> None:
    async with serving(FakeEngine(FakeOptions(), SharedSettings())) as service:
        assert await refused(service, config(voice="nobody")) == (grpc.StatusCode.NOT_FOUND, "unknown_voice")
        assert await conversed(service, config(voice="tone"), FINISH) == []
