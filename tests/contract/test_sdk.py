"""The client package against a server that speaks the contract, over real gRPC."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import numpy as np
import pytest

import vivant
from deploy.addresses import free_port
from tests.harness.media import RATE_HZ, UNIT_SAMPLES
from tests.harness.scripted_session import WORDS, Script, serving
from tests.harness.waiting import PATIENCE_S, until
from vivant import Passage, conversation, errors


async def events_until_end(session: vivant.Session) -> list[vivant.Event]:
    return [event async for event in session]


T = TypeVar("T")


def of(kind: type[T], events: list[vivant.Event]) -> list[T]:
    return [event for event in events if isinstance(event, kind)]


async def test_a_typed_question_is_answered() -> None:
    async with serving() as (address, server), vivant.connect(address) as client:
        async with client.converse(persona="june", video=vivant.Video("h264", 64), conversation_id="c7") as session:
            assert (session.ready.session_id, session.ready.conversation_id) == ("s1", "c7")
            await session.send_text("Where did you grow up?", addressees=["june"])
            events = []
            async for event in session:
                events.append(event)
                if isinstance(event, vivant.Turn):
                    await session.finish()
    assert isinstance(events[0], vivant.Ready)
    assert events[0].voice_rate_hz == RATE_HZ
    assert events[0].video == vivant.Video("h264", 64)
    assert events[0].started_at.year == 2023
    [transcript] = of(vivant.Transcript, events)
    assert (transcript.text, transcript.typed, transcript.final) == ("Where did you grow up?", True, True)
    assert (transcript.utterance_id, transcript.language) == ("u1", "en")
    assert transcript.participant_id == events[0].participant.id
    assert transcript.addressees == (vivant.Addressee("june", None),)
    assert [event.state for event in of(vivant.StateChanged, events)] == [
        vivant.State.THINKING,
        vivant.State.SPEAKING,
        vivant.State.LISTENING,
    ]
    [caption] = of(vivant.Caption, events)
    assert ([word.text for word in caption.words], caption.answers) == (list(WORDS), ("u1",))
    [turn] = of(vivant.Turn, events)
    assert (turn.heard_text, turn.interrupted) == ("In a white house.", False)
    assert (turn.utterance_id, turn.answers) == ("r1", ("u1",))
    assert turn.passages == (Passage("story#12", "Where did you grow up?", "In a white house by the sea."),)
    [metrics] = of(vivant.Metrics, events)
    assert metrics.stages[2] == vivant.Stage("tts_first_audio", 530.5)
    units = of(vivant.Unit, events)
    assert [unit.index for unit in units] == list(range(len(units)))
    assert all(len(unit.pcm) == UNIT_SAMPLES * 2 and unit.frame and unit.frame.keyframe for unit in units)
    assert server.ended_with_finish == [True]


async def test_events_are_plain_and_cannot_be_changed() -> None:
    async with serving() as (address, _), vivant.connect(address) as client, client.converse() as session:
        event = await anext(session)
        assert type(event).__module__ == "vivant.events"
        with pytest.raises(AttributeError):
            event.session_id = "other"  # type: ignore[misc, union-attr]


async def test_sound_of_any_length_keeps_to_the_contract() -> None:
    """The server refuses chunks that are too long or out of order; here nothing is refused."""
    async with serving() as (address, server), vivant.connect(address) as client:
        async with client.converse(microphone=16_000) as session:
            await session.send_audio(np.full(4000, 0.5), "ben")
            await session.send_audio(np.full(1700, 9000, np.int16))
            await session.send_audio(np.zeros(1600, np.int16).tobytes(), addressees="ben")
            await session.send_audio(bytes(3200), at_sample=20_000)
            await session.finish()
            events = await events_until_end(session)
    seen = server.seen["audio"]
    assert [(item.participant_id, [*item.addressee_ids], item.start_sample, len(item.pcm) // 2) for item in seen] == [
        ("ben", [], 0, 1600),
        ("ben", [], 1600, 1600),
        ("ben", [], 3200, 800),
        ("", [], 4000, 1600),
        ("", [], 5600, 100),
        ("", ["ben"], 5700, 1600),
        ("", [], 20_000, 1600),
    ]
    assert [item.HasField("participant_id") for item in seen] == [True] * 3 + [False] * 4
    assert [item.text for item in of(vivant.Transcript, events) if item.final] == ["Where did you grow up?"]
    assert of(vivant.Turn, events)


async def test_everything_a_client_can_say_arrives() -> None:
    async with serving() as (address, server), vivant.connect(address) as client:
        ann = vivant.Participant("a7", "Ann")
        async with client.converse(
            greeting=True, language="en", participant=ann, shared_microphone=True, voice_rate_hz=24_000
        ) as session:
            assert session.ready.participant == ann
            await session.introduce("Ben")
            await session.interrupt()
            await session.played(17)
            await session.request_keyframe()
            await session.finish()
            await events_until_end(session)
    config = server.configs[0]
    assert (config.greeting, config.language, config.shared_microphone) == (1, "en", True)
    assert (config.participant.id, config.participant.name, config.participant.kind) == ("a7", "Ann", 1)
    assert not config.HasField("persona_id") and not config.HasField("conversation_id")
    assert not config.HasField("input_audio") and not config.HasField("output_video")
    assert server.seen["played"][0].unit_index == 17
    assert [(who.id, who.name) for who in server.seen["participant"]] == [("Ben", "Ben")]
    assert set(server.seen) == {"participant", "interrupt", "played", "keyframe"}


async def test_what_is_not_said_is_absent() -> None:
    async with serving() as (address, server), vivant.connect(address) as client, client.converse() as session:
        await session.send_text("Hello?")
        await session.finish()
        [ready, *_] = await events_until_end(session)
    given = [field.name for field, _ in server.configs[0].ListFields()]
    assert given == ["output_audio"], "the server decides who is there, how, and in which language"
    assert isinstance(ready, vivant.Ready)
    assert (ready.participant, ready.persona.greeting) == (vivant.Participant("p1"), None)
    assert not server.seen["text"][0].HasField("participant_id")


async def test_a_second_client_joins_and_both_see_the_same() -> None:
    async with serving() as (address, server), vivant.connect(address) as client:
        async with client.converse(video=vivant.Video("jpeg", 64), participant="Ann") as ann:
            async with client.join(ann.ready.conversation_id, participant="Ben", microphone=16_000) as ben:
                assert ben.ready.others == (vivant.Participant("Ann", "Ann"),)
                assert (ben.ready.participant.name, ben.ready.video) == ("Ben", vivant.Video("jpeg", 64))
                await ben.send_text("Where did you grow up?")
                seen: list[list[vivant.Event]] = [[], []]
                for session, events in zip((ann, ben), seen, strict=True):
                    async for event in session:
                        events.append(event)
                        if isinstance(event, vivant.Turn):
                            break
                assert vivant.Participant("Ben", "Ben") in seen[0]
                for kind in (vivant.Transcript, vivant.Caption, vivant.Turn):
                    assert of(kind, seen[0]) == of(kind, seen[1]) != []
                voice = [[unit.pcm for unit in of(vivant.Unit, events) if unit.turn_id] for events in seen]
                assert voice[0] == voice[1] != []
            # The one who came has left; the one who opened it goes on.
            await ann.send_text("And then?")
            async for event in ann:
                if isinstance(event, vivant.Turn) and event.turn_id == 2:
                    break
            await ann.finish()
    assert [(item.conversation_id, item.input_audio.sample_rate_hz, item.video) for item in server.joins] == [
        ("c1", 16_000, True)
    ]
    await until(lambda: not server.talks)


async def test_a_conversation_that_is_not_there_cannot_be_joined() -> None:
    async with serving() as (address, _), vivant.connect(address) as client:
        with pytest.raises(errors.NotFound, match="no conversation 'c9'"):
            async with client.join("c9"):
                pytest.fail("joined nothing")


async def test_an_interruption_keeps_what_was_heard() -> None:
    async with serving() as (address, _), vivant.connect(address) as client, client.converse() as session:
        await session.send_text("Tell me a story.")
        async for event in session:
            if isinstance(event, vivant.Unit) and event.turn_sample == 10 * UNIT_SAMPLES:
                await session.interrupt()
            if isinstance(event, vivant.Turn):
                assert event.interrupted
                assert event.full_text.startswith(event.heard_text) and event.heard_text != event.full_text
                return
    pytest.fail("no turn came")


async def test_info() -> None:
    async with serving() as (address, _), vivant.connect(address) as client:
        info = await client.info()
    assert info.orchestrator.engine == "orchestrator"
    assert [(item.service, item.ready, item.reason) for item in info.components] == [
        ("face", True, None),
        ("tts", False, "loading"),
    ]
    face = info.components[0].info
    assert face and face.video == ("vp8 512",) and face.models == (vivant.Model("hibari", "MIT", "Built with a voice"),)
    assert info.orchestrator.capabilities == ("typed_text", "join")
    assert face.capabilities == ("phonemes", "cue:nod", "cue:warm_smile")
    assert info.components[1].info is None
    assert info.default_persona_id == "june" and info.personas[0].languages == ("en",)
    assert info.personas[0].disclosure == "June is an AI."
    assert info.personas[0].starters == ("Where did you grow up?",)


async def test_nothing_answers() -> None:
    with free_port() as port:
        address = f"localhost:{port}"
        with pytest.raises(errors.Unavailable, match=r"nothing answers at .*; start it with `make up`") as caught:
            async with vivant.connect(address, timeout_s=0.3):
                pytest.fail("connected to nothing")
    assert caught.value.reason == "unreachable"


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (errors.Full("session serves 4 streams already; try again later"), "full"),
        (errors.Unavailable("session is still loading", reason="loading"), "loading"),
    ],
)
async def test_a_refused_conversation(refusal: errors.VivantError, reason: str) -> None:
    async with serving(Script(refuse=refusal)) as (address, _), vivant.connect(address) as client:
        with pytest.raises(type(refusal), match=f"^{refusal.message}$") as caught:
            async with client.converse():
                pytest.fail("was let in")
    assert caught.value.reason == reason
    assert caught.value.retryable


async def test_the_reason_of_a_refusal_is_never_lost_to_a_write_that_comes_too_late() -> None:
    refusal = errors.Full("all places are taken")
    async with serving(Script(refuse=refusal)) as (address, _), vivant.connect(address) as client:
        for _ in range(100):
            with pytest.raises(errors.Full, match="all places are taken"):
                async with client.converse():
                    pytest.fail("was let in")


async def test_the_reason_of_a_broken_rule_reaches_reader_and_writer() -> None:
    async with serving() as (address, _), vivant.connect(address) as client:
        for _ in range(50):
            async with client.converse(microphone=8000) as session:
                with pytest.raises(errors.InvalidRequest, match="sample_rate_hz must be 16000"):
                    while True:
                        await session.send_audio(bytes(160))
                with pytest.raises(errors.InvalidRequest, match="sample_rate_hz must be 16000"):
                    await events_until_end(session)


async def test_an_unknown_persona() -> None:
    async with serving() as (address, _), vivant.connect(address) as client:
        with pytest.raises(errors.NotFound, match="there are: june") as caught:
            async with client.converse("nobody"):
                pytest.fail("talked to nobody")
    assert caught.value.reason == "no_persona"


async def test_a_server_that_does_not_open_the_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "START_TIMEOUT_S", 0.3)
    async with serving(Script(hang_at_config=True)) as (address, _), vivant.connect(address) as client:
        with pytest.raises(errors.Timeout, match="did not open the conversation"):
            async with client.converse():
                pytest.fail("was opened")


async def test_a_server_that_dies_in_the_middle() -> None:
    async with serving(Script(die_at_unit=15)) as (address, _), vivant.connect(address) as client:
        async with client.converse(video=vivant.Video("vp8", 64)) as session:
            await session.send_text("Hello?")
            seen = []
            with pytest.raises(errors.Unavailable, match="was lost in the middle") as caught:
                async for event in session:
                    seen.append(event)
            assert caught.value.reason == "connection_lost"
            # What came before is not lost with it, and saying more tells the same.
            assert len(of(vivant.Unit, seen)) == 15
            with pytest.raises(errors.Unavailable, match="was lost in the middle"):
                await session.send_text("Are you there?")
            with pytest.raises(errors.Unavailable):
                await anext(session)


async def test_a_refusal_in_the_middle_says_which_rule() -> None:
    async with serving() as (address, _), vivant.connect(address) as client:
        async with client.converse(microphone=8000) as session:
            await session.send_audio(bytes(320))
            with pytest.raises(errors.InvalidRequest, match="sample_rate_hz must be 16000, not 8000") as caught:
                await events_until_end(session)
    assert caught.value.reason == "wrong_sample_rate"


async def test_leaving_early_abandons_the_conversation() -> None:
    async with serving() as (address, server), vivant.connect(address) as client:
        async with client.converse() as session:
            await session.send_text("Hello?")
        with pytest.raises(errors.InvalidRequest, match="open a new one"):
            await session.send_text("Anybody?")
        assert await events_until_end(session) == []
        async with asyncio.timeout(PATIENCE_S):
            await server.ended.wait()
    assert server.ended_with_finish == [False]


async def test_a_task_that_stops_sending_does_not_end_the_conversation() -> None:
    async with serving() as (address, _), vivant.connect(address) as client, client.converse(microphone=16_000) as session:

        async def send_for_ever() -> None:
            while True:
                await session.send_audio(bytes(320))

        for _ in range(20):
            sending = asyncio.create_task(send_for_ever())
            await asyncio.sleep(0.003)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        await session.send_text("Still there?")
        async for event in session:
            if isinstance(event, vivant.Turn):
                return
    pytest.fail("no turn came")


async def test_after_finish_nothing_can_be_said() -> None:
    async with serving() as (address, _), vivant.connect(address) as client, client.converse() as session:
        await session.finish()
        await session.finish()
        with pytest.raises(errors.InvalidRequest, match="was finished") as caught:
            await session.send_text("One more thing")
        assert caught.value.reason == "finished"


async def test_a_late_reader_loses_nothing_that_was_sent() -> None:
    """The queue is bounded; what does not fit waits with the server."""
    async with serving(Script(unit_s=0.001)) as (address, _), vivant.connect(address) as client, client.converse() as session:
        await session.send_text("Hello?")
        await asyncio.sleep(0.5)
        indices = []
        async for event in session:
            if isinstance(event, vivant.Unit):
                indices.append(event.index)
            if isinstance(event, vivant.Turn):
                break
        assert len(indices) > 20
        assert indices == list(range(len(indices)))


async def test_a_reader_that_stopped_is_not_sent_to_without_end() -> None:
    async with serving(Script(unit_s=0)) as (address, server), vivant.connect(address) as client:
        async with client.converse(video=vivant.Video("rgb24", 64)):
            await until(lambda: server.sent_units > conversation.MAX_WAITING_EVENTS)
            held = -1
            async with asyncio.timeout(PATIENCE_S):
                while server.sent_units != held:
                    held = server.sent_units
                    await asyncio.sleep(0.3)
    # 64 events, and what 63 KiB on the way hold of 12 KB each.
    assert conversation.MAX_WAITING_EVENTS <= held < 150


async def test_leaving_in_the_middle_of_a_message_leaves_nothing_behind() -> None:
    async with serving() as (address, _), vivant.connect(address) as client:
        async with client.converse(microphone=16_000) as session:

            async def send_for_ever() -> None:
                while True:
                    await session.send_audio(bytes(320))

            sending = asyncio.create_task(send_for_ever())
            await asyncio.sleep(0.01)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            waiting = asyncio.create_task(session.send_text("Hello?"))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        left = [task for task in asyncio.all_tasks() if "Session." in repr(task)]
    assert left == []


@pytest.mark.parametrize(
    ("say", "reason"),
    [
        (lambda session: session.send_text("  "), "empty_text"),
        (lambda session: session.send_text("x" * 4001), "text_too_long"),
        (lambda session: session.send_audio(b""), "empty_audio"),
        (lambda session: session.send_audio(b"odd"), "odd_bytes"),
        (lambda session: session.send_audio(np.zeros((2, 100))), "wrong_shape"),
        (lambda session: session.send_audio(np.zeros(100, np.int32)), "wrong_dtype"),
        (lambda session: session.send_audio(bytes(320), at_sample=10), "audio_out_of_order"),
    ],
)
async def test_mistakes_are_told_at_once_and_cost_nothing(say: object, reason: str) -> None:
    async with serving() as (address, server), vivant.connect(address) as client:
        async with client.converse(microphone=16_000) as session:
            await session.send_audio(bytes(320))
            with pytest.raises(errors.InvalidRequest) as caught:
                await say(session)  # type: ignore[operator]
            assert caught.value.reason == reason
            await session.finish()
            await events_until_end(session)
    assert len(server.seen["audio"]) == 1
    assert server.ended_with_finish == [True]


async def test_sound_without_a_microphone() -> None:
    async with serving() as (address, _), vivant.connect(address) as client, client.converse() as session:
        with pytest.raises(errors.InvalidRequest, match="microphone=16000"):
            await session.send_audio(bytes(320))


def test_an_unknown_codec() -> None:
    with pytest.raises(errors.InvalidRequest, match="vp8, h264, jpeg, rgb24"):
        vivant.Video("av1")  # type: ignore[arg-type]
