"""The parts of the speech service that know neither sockets nor time: clocks, turns, the record, and what servers may send."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.realtime import RealtimeClientEvent
from pydantic import BaseModel

from services.speech.engine import Action, ConversationConfig, Done, Ending, Floor, Said, Speech, Words
from services.speech.engines.clock import Clock
from services.speech.engines.hearing import KEPT_S, Hearing
from services.speech.engines.moshi.speaking import RATE_HZ, Speaking
from services.speech.engines.realtime import messages
from services.speech.engines.realtime.conversation import Conversation
from services.speech.engines.record import MOST_CHARS, Record, Reply, as_text
from services.speech.settings import RealtimeOptions
from services.speech.turns import Turns
from tests.harness.realtime_client import models_of
from vivant.errors import InvalidRequest

CONFIG = ConversationConfig("You are June.", 16_000)

# --- clocks -------------------------------------------------------------------------------------------------------------


def test_a_gap_is_silence_and_of_a_long_one_two_seconds_are_passed_on() -> None:
    clock = Clock(16_000, 0)
    assert clock.accept(0, 1_600) == 0
    assert clock.accept(3_200, 1_600) == 1_600
    assert clock.accept(16_000 * 100, 1_600) == 32_000
    assert clock.position == 4_800 + 32_000 + 1_600
    assert clock.sample_at(100) == 1_600
    assert clock.sample_at(300) == 4_800
    # What a detector finds just after the sound before, and just before the sound behind the gap.
    assert clock.sample_at(500) == 8_000
    assert clock.sample_at(2_200) == 16_000 * 100 - 1_600
    assert clock.sample_at(2_350) == 16_000 * 100 + 800


def test_another_connection_hears_again_what_is_kept_of_the_sound_from_a_sample_on() -> None:
    hearing = Hearing(16_000, 16_000)
    chunks = [np.full(1_600, index, "<i2").tobytes() for index in range(200)]
    for index, chunk in enumerate(chunks):
        assert hearing.hear(chunk, index * 1_600) == chunk
    again = hearing.restart(200 * 1_600 - 4_000)
    assert again == chunks[-3:]
    assert hearing.sample_at(0) == 197 * 1_600
    assert len(hearing.restart(0)) == KEPT_S * 10
    assert hearing.restart(hearing.next_sample) == []
    assert hearing.sample_at(50) == hearing.next_sample + 800


# --- turns --------------------------------------------------------------------------------------------------------------


def test_of_a_turn_that_was_cleared_nothing_is_admitted() -> None:
    turns = Turns()
    assert turns.admits(1)
    turns.sent(1, 960)
    assert turns.clear(2) == [(1, 960)]
    assert not turns.admits(1)
    assert turns.end(1) is None
    assert turns.admits(2)
    assert turns.end(2) == 0
    assert not turns.admits(2), "it is over"
    assert turns.clear(1) == []
    for wrong in (0, 4):
        with pytest.raises(InvalidRequest):
            turns.clear(wrong)


# --- the record ---------------------------------------------------------------------------------------------------------


def test_of_a_reply_that_was_cut_what_was_heard_was_said() -> None:
    reply = Reply(1, "one two three four", samples=4_000, played=2_000)
    assert reply.said == "one two three four"
    reply.cleared = True
    assert reply.said == "one two"
    assert Reply(2, "not a word", cleared=True).said == ""


def test_words_that_come_late_stand_before_the_reply_to_them() -> None:
    record = Record([Said("Hello.", by_persona=True)])
    record.add(Reply(1, "By the sea."))
    record.note(Said("Where?", by_persona=False))
    record.note(Said("And then?", by_persona=False))
    record.add(Reply(2, "Inland."))
    assert as_text(record.told()).splitlines()[1:] == [
        "You: Hello.",
        "They: Where?",
        "You: By the sea.",
        "They: And then?",
        "You: Inland.",
    ]
    assert as_text([]) == ""


def test_the_newest_is_told_again() -> None:
    record = Record([Said("word " * 100, by_persona=False) for _ in range(100)])
    record.note(Said("The last.", by_persona=False))
    told = record.told()
    assert told[-1].text == "The last."
    assert MOST_CHARS - 600 < sum(len(each.text) for each in told) <= MOST_CHARS


# --- the Realtime protocol ----------------------------------------------------------------------------------------------


def conversation() -> Conversation:
    return Conversation(CONFIG, RealtimeOptions(url="ws://localhost/v1/realtime"), Hearing(16_000, 24_000))


def happened(talk: Conversation, *events: Any) -> list[Any]:
    return [each for event in events for each in talk.on(event)]


def delta(pcm: bytes, response_id: str = "r1") -> dict[str, Any]:
    sound = base64.b64encode(pcm).decode()
    return {"type": "response.output_audio.delta", "response_id": response_id, "item_id": "i1", "delta": sound}


def done(status: str, **details: Any) -> dict[str, Any]:
    return {"type": "response.done", "response": {"id": "r1", "status": status, "status_details": details}}


CREATED = {"type": "response.created", "response": {"id": "r1"}}


def test_what_is_sent_is_what_the_official_package_describes() -> None:
    models = models_of(RealtimeClientEvent)
    options = RealtimeOptions(url="ws://localhost/v1/realtime", voices=("marin",), transcription="gpt-4o-transcribe")
    sent = [
        messages.session_update(CONFIG, options, "You are June."),
        messages.turns_update(options),
        messages.instructions_update("You are June."),
        messages.append(bytes(4)),
        *messages.history([Said("Hello.", by_persona=False), Said("Well, hello.", by_persona=True)]),
        messages.context("Walt drove a snowplow.", 1),
        messages.cancel("r1"),
        messages.truncate("i1", 200),
    ]
    for message in sent:
        read = models[message["type"]].model_validate_json(json.dumps(message), strict=True)
        # Nothing that it does not know, and nothing that it reads as something else.
        assert read.model_dump(exclude_unset=True, exclude_none=True) == message
        assert known_throughout(read)


def known_throughout(model: BaseModel) -> bool:
    """No field, at any depth, that the model has not declared."""
    inner = [value for value in vars(model).values() if isinstance(value, BaseModel)]
    inner += [
        each for value in vars(model).values() if isinstance(value, list) for each in value if isinstance(each, BaseModel)
    ]
    return not model.model_extra and all(known_throughout(each) for each in inner)


def test_sound_that_is_cut_inside_a_sample_is_put_together() -> None:
    speech = [each for each in happened(conversation(), CREATED, delta(b"\1\2\3"), delta(b"\4")) if isinstance(each, Speech)]
    assert [each.pcm for each in speech] == [b"\1\2", b"\3\4"]


@pytest.mark.parametrize(
    ("end", "ending", "reason"),
    [
        (done("completed"), Ending.COMPLETE, ""),
        (done("cancelled", reason="turn_detected"), Ending.YIELDED, ""),
        (done("incomplete", reason="content_filter"), Ending.FAILED, "reply_withheld"),
        (done("incomplete", reason="max_output_tokens"), Ending.FAILED, "reply_broke_off"),
        (done("failed", error={"code": "insufficient_quota", "message": "Pay."}), Ending.FAILED, "model_full"),
        (done("failed"), Ending.FAILED, "model_failed"),
    ],
)
def test_a_response_ends_in_one_of_our_ways(end: dict[str, Any], ending: Ending, reason: str) -> None:
    *_, last = happened(conversation(), CREATED, delta(bytes(4)), end)
    assert isinstance(last, Done)
    assert (last.turn_id, last.ending, last.reason) == (1, ending, reason)
    assert bool(last.message) == bool(reason)


def test_after_the_finish_no_reply_begins() -> None:
    talk = conversation()
    talk.finishing = True
    assert happened(talk, CREATED, delta(bytes(4)), done("cancelled")) == []
    assert talk.outbox == [{"type": "response.cancel", "response_id": "r1"}]
    assert not talk.in_hand


ODD: list[Any] = [None, True, 7, -1.5, "r1", "r2", "AAA=", "A", [], {}, {"id": "r1"}, {"id": 3}, {"status": []}, {"error": 5}]
KINDS = [
    "response.created",
    "response.output_audio.delta",
    "response.audio_transcript.delta",
    "response.done",
    "response.listen",
    "response.speak",
    "overlap.decision",
    "error",
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "conversation.item.input_audio_transcription.completed",
    "what.is.this",
]
FIELDS = [
    "response",
    "response_id",
    "item_id",
    "delta",
    "audio_start_ms",
    "audio_end_ms",
    "error",
    "epoch",
    "transcript",
    "action",
]
EVENT = st.tuples(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(ODD), max_size=5))


@given(st.lists(EVENT, max_size=8))
def test_whatever_a_server_sends_each_reply_ends_at_most_once(events: list[tuple[str, dict[str, Any]]]) -> None:
    talk = conversation()
    seen = happened(talk, None, "text", *({"type": kind, **fields} for kind, fields in events))
    begun = [each.turn_id for each in seen if isinstance(each, Floor) and each.action is Action.TAKE]
    ended = [each.turn_id for each in seen if isinstance(each, Done)]
    assert begun == list(range(1, len(begun) + 1))
    assert len(ended) == len(set(ended))
    assert set(ended) <= set(begun)


# --- Moshi's voice ------------------------------------------------------------------------------------------------------


def sound(seconds: float, loud: bool) -> Any:
    return (np.sin(np.arange(round(seconds * RATE_HZ)) * 0.2) * (0.3 if loud else 0.001)).astype(np.float32)


def test_a_voice_that_never_ends_is_cut_into_replies() -> None:
    speaking = Speaking(Record([]))
    events = [*speaking.push(sound(1, False), 16_000, user_speaks=False), *speaking.text("By ")]
    events += speaking.push(sound(0.4, True), 32_000, user_speaks=False)
    events += speaking.text("the sea.")
    events += speaking.push(sound(0.4, False), 40_000, user_speaks=False)
    assert speaking.reply, "a pause inside it"
    events += speaking.push(sound(0.4, True), 48_000, user_speaks=False)
    events += speaking.push(sound(1, False), 64_000, user_speaks=False)
    assert events[0] == Floor(1, Action.TAKE, 32_000)
    assert events[-1] == Done(1, Ending.COMPLETE)
    assert "".join(each.text for each in events if isinstance(each, Words)) == "By the sea."
    seconds = sum(len(each.pcm) for each in events if isinstance(each, Speech)) / 2 / RATE_HZ
    assert seconds == pytest.approx(0.08 + 1.2 + 0.72, abs=0.05)


def test_after_it_was_cut_off_the_next_silence_ends_it() -> None:
    speaking = Speaking(Record([]))
    assert list(speaking.push(sound(0.4, True), 0, user_speaks=False))
    speaking.clear(2)
    assert list(speaking.push(sound(0.4, True), 0, user_speaks=True)) == []
    assert list(speaking.text("what I wanted to say")) == []
    assert list(speaking.push(sound(0.3, False), 0, user_speaks=True)) == []
    begun = list(speaking.push(sound(0.2, True), 0, user_speaks=False))
    assert begun[0] == Floor(2, Action.TAKE, 0)


def test_text_that_no_sound_follows_was_not_said() -> None:
    speaking = Speaking(Record([]))
    assert list(speaking.text("Hm.")) == []
    assert list(speaking.push(sound(1.2, False), 0, user_speaks=False)) == []
    assert not [each for each in speaking.push(sound(0.4, True), 0, user_speaks=False) if isinstance(each, Words)]
