"""The engine `moshi` against a server that speaks the true binary protocol with real Opus, and has no model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from services.common.settings import SharedSettings
from services.speech.engines.moshi import MoshiEngine
from services.speech.settings import MoshiOptions
from tests.harness.grpc_server import Served, refusal
from tests.harness.moshi_server import MoshiServer, Script, moshi_server, talking_to
from tests.harness.speech_talk import FINISH, SPEECH_HZ, Talk, config, conversed, serving, silence, talking, tone, utterance
from tests.harness.waiting import until
from vivant.common.v1 import common_pb2
from vivant.errors import Unusable
from vivant.speech.v1 import speech_pb2

REPLY = "It is nice here by the old harbour."
PROMPTS: dict[str, Any] = {"prompts": True, "voices": ("NATF2.pt", "NATM1.pt")}


@asynccontextmanager
async def house(script: Script | None = None, **options: Any) -> AsyncIterator[tuple[Served, MoshiServer]]:
    async with moshi_server(script) as server, talking_to(server, **options) as engine, serving(engine) as service:
        yield service, server


async def ask(talk: Talk) -> None:
    """The user says something and waits, at the pace of speech: the model is clocked by it."""
    await talk.say(silence(0.1), tone(0.6), silence(0.8), paced=True)


def counted(service: Served, name: str, stage: str) -> float:
    labels = {"service": "speech", "engine": "moshi", "stage": stage}
    return service.metrics.registry.get_sample_value(name, labels) or 0.0


async def test_a_reply_is_what_is_loud_and_the_model_is_kept_in_time() -> None:
    async with house() as (service, server):
        async with talking(service) as talk:
            await ask(talk)
            # The rest of the reply comes although no sound is sent any more: silence is.
            done = await talk.until("done")
            assert done.ending == speech_pb2.ENDING_COMPLETE
            assert talk.text(1) == REPLY
            # With the silence after it, by which it was found to be over.
            assert 1.2 * SPEECH_HZ <= done.samples == talk.samples(1) <= 2.2 * SPEECH_HZ
            heard = server.frames
            await until(lambda: server.frames > heard + 5)


async def test_what_comes_of_a_cleared_reply_is_muted() -> None:
    async with house() as (service, _):
        async with talking(service) as talk:
            await ask(talk)
            await talk.until("speech")
            await talk.clear(2)
            assert (await talk.until("done")).ending == speech_pb2.ENDING_CLEARED
            cleared = len(talk.heard)
            await talk.say(silence(1.6), tone(0.6), silence(1.0), paced=True)
            await talk.until("done")
            assert {getattr(each, each.WhichOneof("response")).turn_id for each in talk.heard[cleared:]} == {2}
            assert talk.text(2) == REPLY


async def test_a_model_that_falls_silent_when_somebody_speaks_has_yielded() -> None:
    async with house(Script(yields=True, reply_s=4)) as (service, _):
        async with talking(service) as talk:
            await ask(talk)
            await talk.until("speech")
            await talk.say(tone(1.4), paced=True)
            assert (await talk.until("floor")).action == speech_pb2.FLOOR_ACTION_YIELD
            done = await talk.until("done")
            assert (done.turn_id, done.ending) == (1, speech_pb2.ENDING_CLEARED)


async def test_a_persona_is_told_in_the_prompts() -> None:
    async with house(Script(needs_prompts=True), **PROMPTS) as (service, server):
        history = [common_pb2.Utterance(id="u1", participant_id="p1", text="Hello.")]
        assert await conversed(service, config(history=history), FINISH) == []
        assert server.queries[-1] == {
            "voice_prompt": "NATF2.pt",
            "text_prompt": "You are June, a piano tuner.\n\nWhat was said so far:\nThey: Hello.",
        }
        assert await conversed(service, config(voice="NATM1.pt"), FINISH) == []
        assert server.queries[-1]["voice_prompt"] == "NATM1.pt"
        code, why, _ = await refusal(conversed(service, config(voice="nobody"), FINISH))
        assert (code, why) == (grpc.StatusCode.NOT_FOUND, "unknown_voice")


async def test_another_context_is_begun_before_one_ends_with_what_was_said() -> None:
    async with house(Script(needs_prompts=True), context_s=6.0, **PROMPTS) as (service, server):
        async with talking(service) as talk:
            await talk.send(context=speech_pb2.Context(text="Walt drove a snowplow."))
            await ask(talk)
            await talk.send(utterance("Where did you grow up?"))
            await talk.until("done")
            await until(lambda: len(server.queries) == 3)
            assert server.queries[-1]["text_prompt"] == (
                "You are June, a piano tuner.\n\nWalt drove a snowplow.\n\n"
                f"What was said so far:\nThey: Where did you grow up?\nYou: {REPLY}"
            )
            await ask(talk)
            assert (await talk.until("done")).turn_id == 2
    assert counted(service, "vivant_model_events_total", "recycled") >= 1


async def test_one_conversation_at_a_time_and_the_second_is_told() -> None:
    async with house(handshake_timeout_s=0.5) as (service, _):
        async with talking(service) as talk:
            code, why, sentence = await refusal(conversed(service, config(), FINISH))
            assert (code, why) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "model_full")
            assert "SPEECH_MOSHI_HANDSHAKE_TIMEOUT_S" in sentence
            await ask(talk)
            await talk.until("done")
        await until(lambda: service.admission.active == 0)
        assert await conversed(service, config(), FINISH) == []


async def test_a_connection_that_breaks_costs_its_reply() -> None:
    async with house(Script(cuts_after=[5])) as (service, server):
        async with talking(service) as talk:
            await ask(talk)
            failed = await talk.until("done")
            assert (failed.ending, failed.reason) == (speech_pb2.ENDING_FAILED, "model_broke_off")
            await until(lambda: len(server.queries) == 3)
            await ask(talk)
            assert (await talk.until("done")).ending == speech_pb2.ENDING_COMPLETE
    assert counted(service, "vivant_model_events_total", "reopened") == 1


async def test_an_error_of_the_server_is_a_connection_that_breaks() -> None:
    async with house(Script(error="out of memory"), attempts=2) as (service, _):
        async with talking(service) as talk:
            await ask(talk)
            await until(lambda: counted(service, "vivant_model_events_total", "reopened") == 1)
            await ask(talk)
            assert (await talk.until("done")).ending == speech_pb2.ENDING_COMPLETE


async def test_a_server_that_says_nothing_is_left() -> None:
    async with house(Script(mute=True), frame_timeout_s=0.5) as (service, server):
        async with talking(service) as talk:
            await talk.say(silence(0.4))
            await until(lambda: len(server.queries) >= 3)
            server.script.mute = False
            await ask(talk)
            assert (await talk.until("done")).ending == speech_pb2.ENDING_COMPLETE


async def test_kinds_that_nobody_knows_are_passed_over() -> None:
    async with house(Script(odd=True)) as (service, _):
        async with talking(service) as talk:
            await ask(talk)
            assert (await talk.until("done")).ending == speech_pb2.ENDING_COMPLETE
    assert counted(service, "vivant_model_events_total", "unknown") == 1


@pytest.mark.parametrize(
    ("options", "named"),
    [({}, "SPEECH_MOSHI_URL"), ({"url": "ws://localhost:1/api/chat", "prompts": True}, "SPEECH_MOSHI_VOICES")],
)
def test_settings_that_cannot_work_are_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(Unusable, match=named):
        MoshiEngine(MoshiOptions(**options), SharedSettings()).load()
