"""The Realtime protocol without sockets: what is said of Vivant's events and of the client's, in which order."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vivant
from services.gateway.realtime.actions import Await, EndTurn, Forget, Heard, Out, Reopen, Say, Sound, Stop
from services.gateway.realtime.beta import is_beta, spell, to_ga_session
from services.gateway.realtime.config import Config
from services.gateway.realtime.events import TYPES, parse
from services.gateway.realtime.items import Items
from services.gateway.realtime.session import Realtime
from services.gateway.realtime.wrong import ClientError
from vivant.events import Notice, Severity, State, StateChanged

HZ = 24_000
UNIT = 960
JUNE = vivant.PersonaCard("june", "June", "A gardener.", "June is an AI.", "Hello!")
READY = vivant.Ready("s1", "c1", JUNE, HZ, None, datetime(2026, 1, 1, tzinfo=UTC), ("face",), vivant.Participant("p1"))


def opened(*updates: dict[str, Any]) -> Realtime:
    realtime = Realtime("june")
    realtime.opened(READY)
    for update in updates:
        ask(realtime, "session.update", session=update)
        realtime.opened(READY)
    return realtime


def ask(realtime: Realtime, kind: str, **fields: Any) -> list[Out]:
    return realtime.follow(parse(json.dumps({"type": kind, **fields})))


def said(realtime: Realtime, text: str, **item: Any) -> list[Out]:
    content = [{"type": "input_text", "text": text}]
    return ask(realtime, "conversation.item.create", item={"type": "message", "role": "user", "content": content, **item})


def append(realtime: Realtime, seconds: float) -> list[Out]:
    return ask(realtime, "input_audio_buffer.append", audio=base64.b64encode(bytes(int(seconds * HZ) * 2)).decode())


def words(text: str, start_s: float, end_s: float, *, final: bool = False) -> vivant.Transcript:
    return vivant.Transcript(final, text, text, "p1", (), (), int(start_s * HZ), int(end_s * HZ), False, "u1")


def state(name: State, turn_id: int = 1) -> StateChanged:
    return StateChanged(name, turn_id, 0, 0)


def caption(text: str, turn_id: int = 1, words_ms: int = 200) -> vivant.Caption:
    step = words_ms * HZ // 1000
    known = tuple(vivant.Word(word, n * step, (n + 1) * step) for n, word in enumerate(text.split()))
    return vivant.Caption(turn_id, text, known)


def units(count: int, turn_id: int = 1, first: int = 100) -> list[vivant.Unit]:
    return [vivant.Unit(first + n, (first + n) * UNIT, bytes(2 * UNIT), None, turn_id, n * UNIT) for n in range(count)]


def turn(heard: str, full: str, *, turn_id: int = 1, interrupted: bool = False) -> vivant.Turn:
    return vivant.Turn(turn_id, heard, full, interrupted)


def hear(realtime: Realtime, *happened: vivant.Event) -> list[Out]:
    """The microphone is always at 5 s."""
    return [out for each in happened for out in realtime.hear(each, 5 * HZ)]


def kinds(outs: list[Out]) -> list[str]:
    """Types of events and names of actions, repetitions left out."""
    names = [out["type"] if isinstance(out, dict) else type(out).__name__ for out in outs]
    return [name for name, before in zip(names, ["", *names], strict=False) if name != before]


def event(outs: list[Out], kind: str) -> dict[str, Any]:
    [found] = [out for out in outs if isinstance(out, dict) and out["type"] == kind]
    return found


# --- what is heard ----------------------------------------------------------------------------------------------------


def test_speech_is_committed_when_it_is_answered() -> None:
    realtime = opened()
    outs = hear(realtime, words("Where", 1.0, 1.2), words("Where did you", 1.0, 1.8))
    assert kinds(outs) == ["input_audio_buffer.speech_started"]
    assert event(outs, "input_audio_buffer.speech_started")["audio_start_ms"] == 1000
    outs = hear(realtime, words("Where did you", 1.0, 2.0, final=True), words("grow up?", 2.5, 3.0, final=True))
    assert outs == []
    outs = hear(realtime, state(State.THINKING))
    assert kinds(outs) == [
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.completed",
        "response.created",
    ]
    completed = event(outs, "conversation.item.input_audio_transcription.completed")
    assert completed["transcript"] == "Where did you grow up?"
    assert completed["usage"] == {"type": "duration", "seconds": 2.0}
    deltas = [out["delta"] for out in outs if isinstance(out, dict) and out["type"].endswith("transcription.delta")]
    assert "".join(deltas) == completed["transcript"]


def test_going_on_before_the_reply_was_audible_takes_it_back() -> None:
    realtime = opened()
    hear(realtime, words("Where", 1.0, 1.2, final=True), state(State.THINKING))
    outs = hear(realtime, state(State.LISTENING, 2))
    assert kinds(outs) == ["input_audio_buffer.speech_started", "response.done"]
    response = event(outs, "response.done")["response"]
    assert (response["status_details"], response["output"]) == ({"type": "cancelled", "reason": "turn_detected"}, [])
    outs = hear(realtime, words("did you live?", 2.0, 3.0, final=True), state(State.THINKING, 2))
    assert event(outs, "conversation.item.input_audio_transcription.completed")["transcript"] == "did you live?"


def test_a_sound_over_the_persona_that_is_no_interruption_is_not_told() -> None:
    realtime = opened()
    hear(realtime, state(State.THINKING), caption("In a house."), *units(3), state(State.PAUSED))
    assert hear(realtime, words("mhm", 5.0, 5.2), state(State.SPEAKING), words("mhm", 5.0, 5.2, final=True)) == []
    outs = hear(realtime, *units(3, first=110), turn("In a house.", "In a house."))
    assert event(outs, "response.done")["response"]["status"] == "completed"


def test_an_interruption_is_told_before_the_response_ends() -> None:
    realtime = opened()
    hear(realtime, state(State.THINKING), caption("In a white house."), *units(10), state(State.PAUSED))
    outs = hear(realtime, turn("In a", "In a white house.", interrupted=True), state(State.LISTENING, 2))
    assert kinds(outs) == [
        "input_audio_buffer.speech_started",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    assert event(outs, "input_audio_buffer.speech_started")["audio_start_ms"] == 5000
    [item] = event(outs, "response.done")["response"]["output"]
    assert (item["status"], item["content"][0]["transcript"]) == ("incomplete", "In a")


def test_an_attempt_that_is_repeated_stays_one_response() -> None:
    realtime = opened()
    hear(realtime, words("Hi", 0, 1, final=True), state(State.THINKING, 1))
    outs = hear(realtime, caption("Hello.", 2), *units(2, 2), turn("Hello.", "Hello.", turn_id=2))
    assert event(outs, "response.done")["response"]["status"] == "completed"


def test_what_users_must_know_is_an_error_event() -> None:
    realtime = opened()
    lost = Notice(Severity.WARNING, "tts_unavailable", "My voice is gone.", "tts", True)
    assert event(hear(realtime, lost), "error")["error"]["code"] == "tts_unavailable"
    back = Notice(Severity.INFO, "tts_restored", "My voice is back.", "tts", False)
    face = Notice(Severity.WARNING, "face_unavailable", "The picture is gone.", "face", True)
    assert hear(realtime, back, face) == []


def test_transcription_can_be_switched_off() -> None:
    realtime = opened({"type": "realtime", "audio": {"input": {"transcription": None}}})
    outs = hear(realtime, words("Hi", 0, 1, final=True), state(State.THINKING))
    assert "conversation.item.input_audio_transcription.completed" not in kinds(outs)


# --- what is asked ----------------------------------------------------------------------------------------------------


def test_texts_wait_for_the_response() -> None:
    realtime = opened()
    added = said(realtime, "My name is Ann.", id="a")
    assert event(added, "conversation.item.added")["previous_item_id"] is None
    assert event(said(realtime, "Who are you?", id="b"), "conversation.item.added")["previous_item_id"] == "a"
    said(realtime, "Never mind.", id="c")
    assert kinds(ask(realtime, "conversation.item.delete", item_id="c")) == ["conversation.item.deleted"]
    assert ask(realtime, "response.create") == [Say("My name is Ann.\nWho are you?")]
    with pytest.raises(ClientError, match="does not forget"):
        ask(realtime, "conversation.item.delete", item_id="a")
    with pytest.raises(ClientError, match="already"):
        said(realtime, "Again.", id="b")
    with pytest.raises(ClientError, match="is not Unicode"):
        said(realtime, "\ud800")
    with pytest.raises(ClientError, match="at the end"):
        ask(realtime, "conversation.item.create", item={"role": "user"} | TEXT, previous_item_id="a")


TEXT = {"content": [{"type": "input_text", "text": "x"}]}


def test_turns_are_taken_in_another_way_after_an_update() -> None:
    realtime = opened()
    outs = ask(realtime, "session.update", session={"turn_detection": None})
    assert outs[0] == Reopen(manual=True)
    assert realtime.terms.beta
    assert event(outs, "session.updated")["session"]["audio"]["input"]["turn_detection"] is None
    realtime.opened(READY)
    append(realtime, 1.0)
    outs = ask(realtime, "input_audio_buffer.commit")
    assert kinds(outs) == ["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done", "Await"]
    assert ask(realtime, "response.create") == [EndTurn()]
    outs = hear(realtime, words("Hello", 0.1, 0.9, final=True), state(State.THINKING))
    assert kinds(outs) == [
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.completed",
        "response.created",
    ]
    with pytest.raises(ClientError, match="when the response is over"):
        ask(realtime, "session.update", session={"turn_detection": {"type": "server_vad"}})


def test_words_of_two_commits_are_kept_apart() -> None:
    realtime = opened({"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    ids = []
    for _ in range(2):
        append(realtime, 1.0)
        ids.append(event(ask(realtime, "input_audio_buffer.commit"), "input_audio_buffer.committed")["item_id"])
    outs = hear(realtime, words("second", 1.2, 1.8, final=True), words("first", 0.2, 0.8, final=True))
    deltas = [(out["item_id"], out["delta"]) for out in outs if isinstance(out, dict)]
    assert deltas == [(ids[1], "second"), (ids[0], "first")]


def test_a_request_to_answer_speech_that_is_answered_anyway_changes_nothing() -> None:
    realtime = opened()
    hear(realtime, words("Hello", 0, 1))
    assert ask(realtime, "response.create", response={"metadata": {"k": "v"}}) == [Await()]
    outs = hear(realtime, words("Hello", 0, 1, final=True), state(State.THINKING))
    assert event(outs, "response.created")["response"]["metadata"] == {"k": "v"}


def test_a_response_can_be_cancelled_before_it_begins() -> None:
    realtime = opened()
    said(realtime, "Hello?")
    ask(realtime, "response.create")
    assert ask(realtime, "response.cancel") == []
    outs = hear(realtime, state(State.THINKING))
    assert outs[-1] == Stop()
    outs = hear(realtime, caption("Hi."), state(State.LISTENING, 2))
    assert event(outs, "response.done")["response"]["status_details"]["reason"] == "client_cancelled"
    assert kinds(outs) == ["response.done"]


def test_clearing_forgets_what_waits_and_by_hand_also_what_was_heard() -> None:
    assert kinds(ask(opened(), "input_audio_buffer.clear")) == ["Forget", "input_audio_buffer.cleared"]
    realtime = opened({"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    append(realtime, 0.5)
    assert ask(realtime, "input_audio_buffer.clear")[:2] == [Forget(), Reopen(manual=True)]


MANUAL = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
COMPLETED = "conversation.item.input_audio_transcription.completed"


def test_a_response_to_sound_without_words_begins_and_fails() -> None:
    realtime = opened(MANUAL)
    append(realtime, 1.0)
    ask(realtime, "input_audio_buffer.commit")
    assert ask(realtime, "response.create", response={"metadata": {"k": "v"}}) == [EndTurn()]
    outs = realtime.give_up()
    assert kinds(outs) == [COMPLETED, "response.created", "response.done"]
    assert event(outs, COMPLETED)["transcript"] == ""
    response = event(outs, "response.done")["response"]
    assert (response["status"], response["output"], response["metadata"]) == ("failed", [], {"k": "v"})
    assert response["status_details"]["error"]["code"] == "nothing_heard"
    assert realtime.give_up() == []
    said(realtime, "Then I type.")
    assert ask(realtime, "response.create") == [Say("Then I type.")]
    assert realtime.give_up() == [], "a text needs no words that are heard"


def test_a_response_that_is_cancelled_before_it_fails_leaves_the_next_alone() -> None:
    realtime = opened(MANUAL)
    append(realtime, 1.0)
    ask(realtime, "input_audio_buffer.commit")
    ask(realtime, "response.create")
    ask(realtime, "response.cancel")
    response = event(realtime.give_up(), "response.done")["response"]
    assert response["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    said(realtime, "Hello?")
    ask(realtime, "response.create")
    assert kinds(hear(realtime, state(State.THINKING))) == ["response.created"]


def test_a_transcription_is_completed_once_and_the_response_may_come_later() -> None:
    realtime = opened(MANUAL)
    append(realtime, 1.0)
    ask(realtime, "input_audio_buffer.commit")
    hear(realtime, words("Hello", 0.1, 0.9, final=True))
    assert event(realtime.give_up(), COMPLETED)["transcript"] == "Hello"
    assert ask(realtime, "response.create") == [EndTurn()]
    assert kinds(hear(realtime, state(State.THINKING))) == ["response.created"]


def test_with_responses_on_demand_the_words_are_complete_at_the_commit() -> None:
    realtime = opened({"type": "realtime", "audio": {"input": {"turn_detection": {"create_response": False}}}})
    outs = hear(realtime, words("Hello", 0.1, 0.9, final=True))
    assert event(outs, COMPLETED)["transcript"] == "Hello"
    assert ask(realtime, "response.create") == [EndTurn()]


def test_speech_that_came_to_nothing_has_an_end() -> None:
    realtime = opened()
    hear(realtime, words("Uh", 1.0, 1.2))
    outs = realtime.give_up()
    assert kinds(outs)[:2] == ["input_audio_buffer.speech_stopped", "input_audio_buffer.committed"]
    assert kinds(outs)[-1] == COMPLETED
    with pytest.raises(ClientError, match="no sound"):
        ask(realtime, "input_audio_buffer.commit")
    hear(realtime, words("Hello", 9.0, 9.5))
    ask(realtime, "response.create")
    assert event(realtime.give_up(), "response.done")["response"]["status"] == "failed"


def test_clearing_leaves_nothing_to_commit() -> None:
    realtime = opened(MANUAL)
    said(realtime, "Hello?")
    ask(realtime, "response.create")
    append(realtime, 1.0)
    assert kinds(ask(realtime, "input_audio_buffer.clear")) == ["Forget", "input_audio_buffer.cleared"]
    realtime.forgot(HZ)
    with pytest.raises(ClientError, match="no sound"):
        ask(realtime, "input_audio_buffer.commit")


def test_the_output_is_cleared_by_stopping() -> None:
    realtime = opened()
    hear(realtime, state(State.THINKING), caption("In a house."), *units(2))
    outs = ask(realtime, "output_audio_buffer.clear")
    assert kinds(outs) == ["Stop", "output_audio_buffer.cleared"]
    assert hear(realtime, *units(2, first=102)) == []


@pytest.mark.parametrize(("ms", "unit"), [(0, 99), (1, 100), (40, 100), (41, 101), (400, 109), (1500, 109)])
def test_truncation_names_the_unit_that_was_heard(ms: int, unit: int) -> None:
    realtime = opened()
    outs = hear(realtime, state(State.THINKING), caption("In a white house."), *units(10))
    item_id = event(outs, "response.output_item.added")["item"]["id"]
    outs = ask(realtime, "conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=ms)
    assert outs == [Heard(unit, over=False), Stop()]
    outs = hear(realtime, *units(2, first=110), turn("In", "In a white house.", interrupted=True))
    assert kinds(outs)[-2:] == ["response.done", "conversation.item.truncated"]
    assert event(outs, "conversation.item.truncated")["audio_end_ms"] == min(ms, 400)


def test_a_reply_that_is_over_is_cut_to_its_words() -> None:
    realtime = opened()
    outs = hear(realtime, state(State.THINKING), caption("In a white house."), *units(20), turn("", "In a white house."))
    item_id = event(outs, "response.output_item.added")["item"]["id"]
    outs = ask(realtime, "conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=450)
    assert outs[0] == Heard(111, over=True)
    assert event(outs, "conversation.item.truncated")["audio_end_ms"] == 450
    retrieved = event(ask(realtime, "conversation.item.retrieve", item_id=item_id), "conversation.item.retrieved")["item"]
    assert (retrieved["content"][0]["transcript"], retrieved["status"]) == ("In a", "incomplete")
    hear(realtime, turn("In", "In a white house.", interrupted=True))
    retrieved = event(ask(realtime, "conversation.item.retrieve", item_id=item_id), "conversation.item.retrieved")["item"]
    assert retrieved["content"][0]["transcript"] == "In", "the orchestrator knows better"


def test_sound_that_had_no_room_does_not_count() -> None:
    realtime = opened({"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    [sound] = append(realtime, 1.0)
    assert isinstance(sound, Sound)
    realtime.take_back(sound)
    with pytest.raises(ClientError, match="no sound"):
        ask(realtime, "input_audio_buffer.commit")


# --- shapes -----------------------------------------------------------------------------------------------------------


def test_beta_and_ga_sessions_mean_the_same() -> None:
    beta = {
        "modalities": ["text"],
        "input_audio_format": "g711_alaw",
        "output_audio_format": "pcm16",
        "turn_detection": {"type": "semantic_vad"},
        "input_audio_transcription": None,
        "voice": "alloy",
    }
    config = Config().updated(to_ga_session(beta))
    assert (config.modality, config.input_format, config.output_format) == ("text", "audio/pcma", "audio/pcm")
    assert (config.turn_detection, config.transcribed) == ("semantic_vad", False)
    assert config.ignored == {"audio.output.voice": "the persona speaks with its own voice"}
    assert is_beta(beta) is True
    assert is_beta({"type": "realtime"}) is False
    assert is_beta({"instructions": "x"}) is None


def test_beta_knows_no_done_items_and_ga_no_conversation_created() -> None:
    realtime = opened()
    outs = said(realtime, "Hello?")
    spelt = [spell(out, beta=True) for out in outs if isinstance(out, dict)]
    assert [each and each["type"] for each in spelt] == ["conversation.item.created", None]
    conversation = {"type": "conversation.created", "event_id": "e", "conversation": {}}
    assert spell(conversation, beta=False) is None
    assert spell(conversation, beta=True) == conversation


def test_items_are_let_go_of_when_there_are_too_many() -> None:
    realtime = opened()
    items: Items = realtime._items
    for number in range(1100):
        said(realtime, "x", id=str(number))
        ask(realtime, "conversation.item.delete", item_id=str(number)) if number > 1000 else None
        realtime._texts.take()
    assert "1" not in items


_KEYS = [
    "session", "audio", "input", "output", "format", "type", "turn_detection", "modalities", "output_modalities", "item",
    "item_id", "role", "content", "text", "response", "audio_end_ms", "content_index", "event_id", "previous_item_id",
    "metadata", "voice",
]  # fmt: skip
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["user", "message", "AAAA"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS) | st.text(max_size=8), inner, max_size=5)
    ),
    max_leaves=12,
)


# Drawing is slow on a busy machine, which says nothing of the code.
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(kind=st.sampled_from(TYPES), fields=st.dictionaries(st.sampled_from(_KEYS), _JSON, max_size=6))
def test_no_event_of_a_client_breaks_the_session(kind: str, fields: dict[str, Any]) -> None:
    realtime = opened()
    for _ in range(2):
        try:
            outs = realtime.follow(parse(json.dumps(fields | {"type": kind})))
        except ClientError as exc:
            assert exc.message.endswith(".")
        else:
            for out in outs:
                if isinstance(out, dict):
                    spell(out, beta=True)
