"""The engine `realtime` against a scripted server: what it is told, how it stops, and what a server's misbehaviour costs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from services.common.settings import SharedSettings
from services.speech.engine import Said
from services.speech.engines.realtime import RealtimeEngine
from services.speech.engines.realtime.telling import Telling
from services.speech.settings import RealtimeOptions
from tests.harness.grpc_server import Served, refusal
from tests.harness.realtime_server import DUPLEX, RealtimeServer, Script, connected, realtime_server
from tests.harness.speech_talk import (
    FINISH,
    RATE_HZ,
    SPEECH_HZ,
    Talk,
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
from vivant.errors import Unavailable, Unusable
from vivant.speech.v1 import speech_pb2

REPLY = "It is nice here by the old harbour."
HISTORY = [
    common_pb2.Utterance(id="u1", participant_id="p1", text="Hello."),
    common_pb2.Utterance(id="u2", participant_id="june", text="Well, hello there."),
]


@asynccontextmanager
async def house(script: Script | None = None, **options: Any) -> AsyncIterator[tuple[Served, RealtimeServer]]:
    """The service in front of a scripted server; the first connection was its look at it."""
    async with realtime_server(script) as server, connected(server, **options) as engine, serving(engine) as service:
        yield service, server


async def ask(talk: Talk) -> None:
    """The user says something and waits."""
    await talk.say(silence(0.1), tone(0.6), silence(0.6))


def counted(service: Served, name: str, stage: str) -> float:
    labels = {"service": "speech", "engine": "realtime", "stage": stage}
    return service.metrics.registry.get_sample_value(name, labels) or 0.0


async def test_the_session_is_told_who_it_is_and_what_was_said() -> None:
    options = {"model": "any", "voices": ("ash", "coral"), "transcription": "whisper", "extra": {"audio": {"input": {"x": 1}}}}
    async with house(**options) as (service, server):
        async with talking(service, history=HISTORY, voice="coral", language="en-GB") as talk:
            await ask(talk)
            await talk.until("floor")
        [_, connection] = server.connections
        assert server.requests[-1].query["model"] == "any"
        first, turns = (each["session"] for each in connection.of("session.update"))
        assert first["instructions"] == "You are June, a piano tuner."
        assert first["audio"]["output"] == {"format": {"type": "audio/pcm", "rate": SPEECH_HZ}, "voice": "coral"}
        assert first["audio"]["input"]["transcription"] == {"model": "whisper", "language": "en"}
        assert first["audio"]["input"]["x"] == 1
        detection = turns["audio"]["input"]["turn_detection"]
        assert detection == {"type": "server_vad", "create_response": True, "interrupt_response": False}
        items = [each["item"] for each in connection.of("conversation.item.create")]
        assert [(item["role"], item["content"]) for item in items] == [
            ("user", [{"type": "input_text", "text": "Hello."}]),
            ("assistant", [{"type": "output_text", "text": "Well, hello there."}]),
        ]


async def test_what_comes_to_mind_is_a_word_of_the_system() -> None:
    async with house() as (service, server):
        async with talking(service) as talk:
            await talk.send(context=speech_pb2.Context(text="Walt drove a snowplow."))
            await until(lambda: server.connections[-1].of("conversation.item.create"))
        [item] = server.connections[-1].of("conversation.item.create")
        assert (item["item"]["role"], item["item"]["content"][0]["text"]) == ("system", "Walt drove a snowplow.")


async def test_what_is_typed_is_an_item_and_answered() -> None:
    async with house() as (service, server):
        async with talking(service) as talk:
            await talk.send(respond=speech_pb2.Respond(text="How old are you?"))
            await talk.until("done")
            assert talk.text(1) == REPLY
        [item] = server.connections[-1].of("conversation.item.create")
        assert (item["item"]["role"], item["item"]["content"][0]["text"]) == ("user", "How old are you?")
        assert not server.connections[-1].of("input_audio_buffer.commit")


async def test_a_server_that_has_not_found_the_end_is_asked_and_one_that_has_is_not() -> None:
    async with house() as (service, server):
        async with talking(service) as talk:
            await talk.say(silence(0.1), tone(0.6), silence(0.1))
            connection = server.connections[-1]
            await until(lambda: connection.heard_ms >= 750)
            await talk.send(respond=speech_pb2.Respond())
            await talk.until("done")
            assert [
                each["type"] for each in connection.received if each["type"] in ("input_audio_buffer.commit", "response.create")
            ] == [
                "input_audio_buffer.commit",
                "response.create",
            ]
            await ask(talk)
            await talk.until("floor", lambda floor: floor.turn_id == 2)
            await talk.send(respond=speech_pb2.Respond())
            await talk.until("done")
            assert len(connection.of("response.create")) == 1, "a reply is in hand"


async def test_a_model_that_takes_turns_by_itself_is_not_asked() -> None:
    async with house(Script(capabilities=DUPLEX)) as (service, server):
        async with talking(service) as talk:
            await talk.send(respond=speech_pb2.Respond(text="How old are you?"))
            await ask(talk)
            await talk.until("done")
            assert not server.connections[-1].of("response.create")


async def test_what_a_server_does_not_take_as_items_it_is_told_in_its_instructions() -> None:
    async with house(Script(refused_roles=("system", "assistant"))) as (service, server):
        async with talking(service, history=HISTORY) as talk:
            await talk.send(context=speech_pb2.Context(text="Walt drove a snowplow."))
            connection = server.connections[-1]
            await until(lambda: len(connection.of("session.update")) == 4)
            told = connection.of("session.update")[-1]["session"]["instructions"]
            assert told.startswith("You are June, a piano tuner.\n\nWalt drove a snowplow.\n\nWhat was said so far:")
            assert "They: Hello.\nYou: Well, hello there." in told
            await talk.send(context=speech_pb2.Context(text="He painted houses."))
            await until(lambda: "houses" in str(connection.of("session.update")[-1]))
            assert len(connection.of("conversation.item.create")) == 3
    assert counted(service, "vivant_model_events_total", "refused") == 2


@pytest.mark.parametrize("beta", [False, True])
async def test_both_spellings_are_understood(beta: bool) -> None:
    async with house(Script(beta=beta)) as (service, _):
        async with talking(service) as talk:
            await ask(talk)
            done = await talk.until("done")
            assert talk.text(1) == REPLY
            assert talk.samples(1) == done.samples == round(1.2 * SPEECH_HZ)


@pytest.mark.parametrize("rate", [16_000, 24_000])
async def test_the_clock_is_the_users(rate: int) -> None:
    async with house(Script(pace=1)) as (service, server):
        async with talking(service, rate) as talk:
            await talk.say(silence(0.1, rate), tone(0.6, rate), silence(0.6, rate))
            assert abs((await talk.until("floor")).at_sample / rate - 1.1) < 0.05
            # A gap is silence: of a long one the server hears two seconds, and its clock runs behind.
            talk.position += 60 * rate
            await talk.say(tone(0.4, rate))
            proposal = await talk.until("floor")
            assert proposal.action == speech_pb2.FLOOR_ACTION_YIELD
            assert abs(proposal.at_sample / rate - 61.3) < 0.05
            await until(lambda: server.connections[-1].heard_ms >= 3_690)
        assert server.connections[-1].heard_ms <= 1_300 + 2_000 + 400


async def test_a_reply_that_is_cleared_is_stopped_and_remembered_as_far_as_it_was_heard() -> None:
    async with house(Script(pace=1)) as (service, server):
        async with talking(service) as talk:
            await ask(talk)
            await talk.until("speech", lambda speech: speech.start_sample >= 6_000)
            await talk.played(1, 4_800)
            await talk.clear(2)
            assert (await talk.until("done")).ending == speech_pb2.ENDING_CLEARED
            connection = server.connections[-1]
            await until(lambda: connection.of("conversation.item.truncate"))
            kinds = [each["type"] for each in connection.received if each["type"] != "input_audio_buffer.append"]
            assert kinds[-2:] == ["response.cancel", "conversation.item.truncate"]
            [truncate] = connection.of("conversation.item.truncate")
            assert (truncate["audio_end_ms"], truncate["content_index"]) == (200, 0)
            assert truncate["item_id"] == f"item_{connection.of('response.cancel')[0]['response_id']}"
            await talk.end()
        assert [done.turn_id for done in talk.of("done")] == [1]


async def test_a_reply_that_is_over_and_still_heard_is_cut_too() -> None:
    async with house(Script(pace=50)) as (service, server):
        async with talking(service) as talk:
            await ask(talk)
            await talk.until("done")
            await talk.played(1, 12_000)
            await talk.clear(2)
            await until(lambda: server.connections[-1].of("conversation.item.truncate"))
            assert server.connections[-1].of("conversation.item.truncate")[0]["audio_end_ms"] == 500
            assert not server.connections[-1].of("response.cancel")
            await talk.end()
            assert len(talk.of("done")) == 1


async def test_a_server_that_does_not_stop_is_not_heard() -> None:
    async with house(Script(deaf=True)) as (service, _):
        async with talking(service) as talk:
            await ask(talk)
            await talk.until("speech")
            await talk.clear(2)
            await talk.until("done")
            cleared = len(talk.heard)
            await ask(talk)
            assert (await talk.until("done")).turn_id == 2
            assert {getattr(each, each.WhichOneof("response")).turn_id for each in talk.heard[cleared:]} == {2}
    assert counted(service, "vivant_stale_output_total", "speech") > 10


async def test_what_nobody_understands_is_counted_and_passed_over() -> None:
    async with house(Script(odd=True)) as (service, _):
        async with talking(service) as talk:
            await ask(talk)
            assert (await talk.until("done")).ending == speech_pb2.ENDING_COMPLETE
    assert counted(service, "vivant_model_events_total", "unknown") == 2


# --- connections that end ---------------------------------------------------------------------------------------------


async def test_a_connection_that_breaks_costs_its_reply_and_nothing_else() -> None:
    async with house(Script(pace=1, cuts_after=[10])) as (service, server):
        async with talking(service, history=HISTORY) as talk:
            await talk.send(context=speech_pb2.Context(text="Walt drove a snowplow."))
            await ask(talk)
            await talk.send(utterance("Where did you grow up?"))
            await talk.until("speech", lambda speech: speech.start_sample >= 4_800)
            await talk.played(1, 4_800)
            failed = await talk.until("done")
            assert (failed.ending, failed.reason) == (speech_pb2.ENDING_FAILED, "model_broke_off")
            assert "closed the connection" in failed.message
            await until(lambda: len(server.connections) == 3)
            await ask(talk)
            assert (await talk.until("done")).ending == speech_pb2.ENDING_COMPLETE
            assert [floor.turn_id for floor in talk.of("floor")] == [1, 2]
            again = server.connections[-1]
            assert "Walt drove a snowplow." in again.of("session.update")[0]["session"]["instructions"]
            said = [each["item"]["content"][0]["text"] for each in again.of("conversation.item.create")]
            assert said[:3] == ["Hello.", "Well, hello there.", "Where did you grow up?"]
            # Half of what had come of its sound was heard, and so of its words.
            [heard] = said[3:]
            assert REPLY.startswith(heard)
            assert 1 <= len(heard.split()) <= 6
    assert counted(service, "vivant_model_events_total", "reopened") == 1


async def test_what_becomes_known_while_the_connection_is_opened_again_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    noted, note = asyncio.Event(), Telling.note

    def seen(telling: Telling, said: Said) -> None:
        note(telling, said)
        noted.set()

    monkeypatch.setattr(Telling, "note", seen)
    async with house() as (service, server):
        async with talking(service) as talk:
            server.script.greets.clear()
            server.connections[-1]._transport.abort()
            await until(lambda: len(server.connections) == 3 and server.connections[-1].received)
            await talk.send(context=speech_pb2.Context(text="Walt drove a snowplow."))
            await talk.send(utterance("Where did you grow up?"))
            await noted.wait()
            server.script.greets.set()
            again = server.connections[-1]
            await until(lambda: len(again.of("session.update")) == 3)
            assert "snowplow" not in str(again.of("session.update")[:2])
            assert again.of("session.update")[2]["session"]["instructions"].endswith("Walt drove a snowplow.")
            assert again.of("conversation.item.create")[0]["item"]["content"][0]["text"] == "Where did you grow up?"


async def test_speech_that_was_not_answered_is_heard_again() -> None:
    async with house() as (service, server):
        async with talking(service) as talk:
            await talk.say(silence(0.2), tone(0.6))
            connection = server.connections[-1]
            await until(lambda: connection.heard_ms >= 790)
            connection._transport.abort()
            await until(lambda: len(server.connections) == 3)
            await talk.say(tone(0.2), silence(0.6))
            floor = await talk.until("floor")
            assert abs(floor.at_sample / RATE_HZ - 1.4) < 0.05, "on the clock of the user, whatever the connection"
            assert server.connections[-1].heard_ms >= 1_500 - 200
            assert (await talk.until("done")).ending == speech_pb2.ENDING_COMPLETE


async def test_a_server_that_is_gone_ends_the_stream_with_its_reason() -> None:
    async with house(Script(refusals=[]), attempts=2) as (service, server):
        async with talking(service) as talk:
            await ask(talk)
            await talk.until("floor")
            server.script.refusals += [(503, {})] * 10
            server.connections[-1]._transport.abort()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await talk.end()
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert "SPEECH_REALTIME_ATTEMPTS" in (caught.value.details() or "")
        assert len(server.requests) == 2 + 2
    await until(lambda: service.admission.active == 0)


async def test_a_session_is_opened_anew_before_its_time_is_over() -> None:
    async with house(session_s=1.0) as (service, server):
        async with talking(service) as talk:
            await talk.send(utterance("Where did you grow up?"))
            await until(lambda: len(server.connections) == 3)
            await ask(talk)
            assert (await talk.until("done")).ending == speech_pb2.ENDING_COMPLETE
            told = [each["item"]["content"][0]["text"] for each in server.connections[2].of("conversation.item.create")]
            assert told == ["Where did you grow up?"]
    assert counted(service, "vivant_model_events_total", "recycled") >= 1
    assert counted(service, "vivant_model_events_total", "reopened") == 0


async def test_a_reply_that_stops_without_a_word_fails_and_the_next_is_whole() -> None:
    async with house(Script(stalls=1), reply_timeout_s=0.5) as (service, server):
        async with talking(service) as talk:
            await ask(talk)
            failed = await talk.until("done")
            assert (failed.ending, failed.reason) == (speech_pb2.ENDING_FAILED, "model_timeout")
            await until(lambda: server.connections[-1].of("response.cancel"))
            await ask(talk)
            assert (await talk.until("done")).ending == speech_pb2.ENDING_COMPLETE


@pytest.mark.parametrize(
    ("refused", "headers", "status", "reason"),
    [
        (401, {}, grpc.StatusCode.FAILED_PRECONDITION, "wrong_key"),
        (404, {}, grpc.StatusCode.FAILED_PRECONDITION, "unknown_model"),
        (400, {}, grpc.StatusCode.FAILED_PRECONDITION, "request_refused"),
        (429, {"Retry-After": "30"}, grpc.StatusCode.RESOURCE_EXHAUSTED, "model_full"),
        (500, {}, grpc.StatusCode.UNAVAILABLE, "model_failed"),
        (200, {}, grpc.StatusCode.UNAVAILABLE, "not_a_model_server"),
    ],
)
async def test_a_conversation_that_is_refused_says_why(
    refused: int, headers: dict[str, str], status: grpc.StatusCode, reason: str
) -> None:
    async with house() as (service, server):
        server.script.refusals.append((refused, headers))
        code, why, sentence = await refusal(conversed(service, config(), FINISH))
        assert (code, why) == (status, reason)
        assert server.url in sentence
        asked = len(server.requests)
        if headers:
            assert "30 s" in sentence
            code, why, sentence = await refusal(conversed(service, config(), FINISH))
            assert (why, len(server.requests)) == ("model_full", asked), "a server that wants to be left alone is left alone"


async def test_a_key_is_sent_and_never_told() -> None:
    async with house(Script(key="sesame-77"), api_key="sesame-77") as (service, server):
        assert await conversed(service, config(), FINISH) == []
        server.script.key = "another"
        _, why, sentence = await refusal(conversed(service, config(), FINISH))
        assert why == "wrong_key"
        assert "SPEECH_REALTIME_API_KEY" in sentence
        assert "sesame" not in sentence


async def test_a_session_that_is_refused_names_the_settings() -> None:
    async with house() as (service, server):
        server.script.refuses_session = True
        code, why, sentence = await refusal(conversed(service, config(), FINISH))
        assert (code, why) == (grpc.StatusCode.FAILED_PRECONDITION, "request_refused")
        assert "SPEECH_REALTIME_MODEL" in sentence
        assert "No." in sentence


# --- at start -----------------------------------------------------------------------------------------------------------


async def test_it_waits_for_a_server_that_is_not_there_yet_and_no_longer_than_it_may() -> None:
    async with realtime_server(Script(refusals=[(503, {})])) as server, connected(server) as engine:
        assert engine.problems() == ()
        assert engine.info.models[0].notice
    engine = RealtimeEngine(RealtimeOptions(url=server.url, load_timeout_s=0.2), SharedSettings())
    with pytest.raises(Unavailable, match="SPEECH_REALTIME_LOAD_TIMEOUT_S") as caught:
        await engine.connect()
    assert caught.value.reason == "model_unavailable"
    assert "out of reach" in engine.problems()[0]
    await engine.disconnect()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({}, "SPEECH_REALTIME_URL"),
        ({"url": "ws://far.example.org/v1/realtime", "api_key": "key"}, "wss://"),
        ({"url": "ws://localhost:1/v1/realtime", "api_key": "a\nb"}, "SPEECH_REALTIME_API_KEY"),
    ],
)
def test_settings_that_cannot_work_are_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(Unusable, match=named):
        RealtimeEngine(RealtimeOptions(**options), SharedSettings()).load()


# --- models that take turns by themselves -------------------------------------------------------------------------------


def duplex(**script: Any) -> Script:
    return Script(capabilities=DUPLEX, **script)


async def test_a_model_that_takes_turns_by_itself_is_left_to_it() -> None:
    async with house(duplex(), input_rate_hz=16_000) as (service, server):
        async with talking(service) as talk:
            await talk.send(context=speech_pb2.Context(text="Walt drove a snowplow."))
            await ask(talk)
            await talk.until("speech", lambda speech: speech.start_sample >= 12_000)
            for position in range(960, 12_001, 960):
                await talk.played(1, position)
            assert (await talk.until("done")).ending == speech_pb2.ENDING_COMPLETE
            connection = server.connections[-1]
            await until(lambda: len(connection.of("playback.ack")) == 2)
        first, context = (each["session"] for each in connection.of("session.update"))
        assert first["audio"]["input"]["format"]["rate"] == 16_000
        assert "turn_detection" not in first["audio"]["input"]
        assert context["instructions"].endswith("Walt drove a snowplow.")
        assert not connection.of("conversation.item.create")
        assert [each["played_ms"] for each in connection.of("playback.ack")] == [200, 400]
        await until(lambda: connection.of("session.close"))


async def test_a_model_that_listens_on_says_nothing() -> None:
    async with house(duplex(listens=True)) as (service, server):
        async with talking(service) as talk:
            await ask(talk)
            await until(lambda: any(task.done() for task in server.connections[-1].responses))
            await talk.end()
            assert talk.heard == []


async def test_its_decisions_about_an_overlap_are_proposals() -> None:
    async with house(duplex(pace=1)) as (service, server):
        async with talking(service) as talk:
            await ask(talk)
            await talk.until("speech")
            connection = server.connections[-1]
            await connection.tell("overlap.decision", epoch=0, action="drop", reason="short_ack")
            await connection.tell("overlap.decision", epoch=1, action="barge_in", reason="server_vad_utterance_active")
            assert (await talk.until("floor", lambda floor: floor.action == speech_pb2.FLOOR_ACTION_YIELD)).turn_id == 1
            await connection.tell("overlap.decision", epoch=0, action="barge_in", reason="decided before")
            await talk.until("done")
            assert len(talk.of("floor")) == 2


@pytest.mark.parametrize("truncates", [True, False])
async def test_it_is_told_what_was_heard_in_the_way_that_it_can(truncates: bool) -> None:
    async with house(Script(capabilities=DUPLEX | {"supports_audio_truncate": truncates}, pace=1)) as (service, server):
        async with talking(service) as talk:
            await ask(talk)
            await talk.until("speech", lambda speech: speech.start_sample >= 4_800)
            await talk.played(1, 2_400)
            await talk.clear(2)
            connection = server.connections[-1]
            told = "conversation.item.truncate" if truncates else "playback.ack"
            await until(lambda: connection.of(told))
            assert connection.of("response.cancel")
            assert connection.of(told)[-1].get("audio_end_ms" if truncates else "played_ms") == 100
