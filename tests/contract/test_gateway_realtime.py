"""`/v1/realtime` with the official `openai` package as its client, against the orchestrator with scripted engines."""

from __future__ import annotations

import asyncio
import base64
from typing import Any, Final

import numpy as np
import pytest

from services.gateway.realtime import patience
from tests.harness.gateway_door import Door
from tests.harness.realtime_client import HEARD, RATE_HZ, REPLY, client, manual, silence, tone

#: 40 ms of sound.
UNIT_BYTES: Final = 1920

# --- sessions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "ignored"), [("june", False), ("vivant/june", False), ("gpt-realtime", True)])
async def test_the_model_names_the_persona(door: Door, model: str, ignored: bool) -> None:
    async with client(door, model) as talk:
        session = talk.events[0].session
        assert session.model == "vivant/june"
        assert session.id.startswith("sess_")
        assert (session.type, session.object, session.output_modalities) == ("realtime", "realtime.session", ["audio"])
        assert (session.audio.input.format.type, session.audio.input.format.rate) == ("audio/pcm", RATE_HZ)
        assert session.audio.input.turn_detection.type == "server_vad"
        assert session.vivant["disclosure"]
        assert ("model" in session.vivant["ignored"]) == ignored


async def test_wishes_that_a_persona_cannot_follow_are_answered(door: Door) -> None:
    async with client(door) as talk:
        tool: Any = {"type": "function", "name": "weather", "parameters": {}}
        await talk.connection.session.update(
            session={
                "type": "realtime",
                "instructions": "You are a pirate.",
                "tools": [tool],
                "audio": {
                    "input": {"turn_detection": {"type": "semantic_vad", "eagerness": "high"}},
                    "output": {"voice": "marin", "format": {"type": "audio/pcmu"}},
                },
            }
        )
        session = (await talk.until("session.updated")).session
        assert (session.tools, session.tool_choice, session.audio.output.voice) == ([], "none", "june")
        assert session.audio.input.turn_detection.type == "semantic_vad"
        assert session.audio.output.format.type == "audio/pcmu"
        assert set(session.vivant["ignored"]) == {
            "instructions",
            "tools",
            "audio.output.voice",
            "audio.input.turn_detection.eagerness",
        }


# --- answers ----------------------------------------------------------------------------------------------------------


async def test_a_text_is_answered_in_the_order_of_the_protocol(door: Door) -> None:
    async with client(door) as talk:
        await talk.say("Where did you grow up?")
        await talk.connection.response.create(response={"metadata": {"topic": "home"}})
        done = (await talk.until("response.done")).response

        assert talk.kinds()[1:] == [
            "conversation.item.added",
            "conversation.item.done",
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.content_part.added",
            "response.output_audio_transcript.delta",
            "response.output_audio.delta",
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
        ]
        assert len({event.event_id for event in talk.events}) == len(talk.events)
        question, answer = talk.of("conversation.item.added")
        assert (question.item.content[0].text, question.previous_item_id) == ("Where did you grow up?", None)
        assert answer.previous_item_id == question.item.id
        parts = [event for event in talk.events if hasattr(event, "content_index")]
        linked = {(part.response_id, part.item_id, part.output_index, part.content_index) for part in parts}
        assert linked == {(done.id, answer.item.id, 0, 0)}
        assert "".join(delta.delta for delta in talk.of("response.output_audio_transcript.delta")) == REPLY
        sound = b"".join(base64.b64decode(delta.delta) for delta in talk.of("response.output_audio.delta"))
        assert len(sound) % UNIT_BYTES == 0
        assert np.abs(np.frombuffer(sound, "<i2")).max() > 1000
        assert (done.status, done.metadata, done.output[0].content[0].transcript) == ("completed", {"topic": "home"}, REPLY)
        assert done.output[0].status == "completed"
        assert done.usage.output_token_details.audio_tokens == -(-len(sound) // 48 // 50)
        assert done.usage.total_tokens == done.usage.input_tokens + done.usage.output_tokens


async def test_speech_is_answered_when_the_persona_finds_that_it_is_over(door: Door) -> None:
    async with client(door) as talk:
        await talk.play(silence(0.2), tone(1.0), silence(2.0))
        done = (await talk.until("response.done")).response
        assert done.status == "completed"
        kinds = talk.kinds()
        assert kinds[1 : kinds.index("response.created") + 1] == [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "conversation.item.input_audio_transcription.delta",
            "conversation.item.input_audio_transcription.completed",
            "response.created",
        ]
        started, stopped = talk.events[1], talk.events[2]
        assert 150 <= started.audio_start_ms <= 300
        assert 900 <= stopped.audio_end_ms <= 1400
        [completed] = talk.of("conversation.item.input_audio_transcription.completed")
        assert completed.transcript == HEARD
        assert {event.item_id for event in talk.events[1:4]} == {completed.item_id}
        await talk.connection.conversation.item.retrieve(item_id=completed.item_id)
        assert (await talk.until("conversation.item.retrieved")).item.content[0].transcript == HEARD


async def test_text_only(door: Door) -> None:
    async with client(door) as talk:
        await talk.connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        await talk.say("Where did you grow up?")
        await talk.connection.response.create()
        done = (await talk.until("response.done")).response
        assert "".join(delta.delta for delta in talk.of("response.output_text.delta")) == REPLY
        assert talk.of("response.output_text.done")[0].text == REPLY
        assert not [kind for kind in talk.kinds() if "audio" in kind]
        assert (done.output_modalities, done.output[0].content[0].type) == (["text"], "output_text")


async def test_the_client_says_when_a_turn_is_over(door: Door) -> None:
    async with client(door) as talk:
        await talk.connection.session.update(session=manual())
        assert (await talk.until("session.updated")).session.audio.input.turn_detection is None
        await talk.play(tone(0.6), silence(1.2))
        await talk.connection.input_audio_buffer.commit()
        committed = await talk.until("input_audio_buffer.committed")
        assert "response.created" not in await talk.silent(2.5)
        await talk.connection.response.create()
        done = (await talk.until("response.done")).response
        [completed] = talk.of("conversation.item.input_audio_transcription.completed")
        assert (completed.item_id, completed.transcript) == (committed.item_id, HEARD)
        assert done.status == "completed"
        assert not [kind for kind in talk.kinds() if "speech" in kind]


async def test_a_manual_turn_without_words_is_said_to_be_one(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "WORDS_WITHIN_S", 0.5)
    async with client(door) as talk:
        await talk.connection.session.update(session=manual())
        await talk.connection.input_audio_buffer.commit()
        assert (await talk.error())[0] == "input_audio_buffer_commit_empty"
        await talk.play(silence(0.4))
        await talk.connection.input_audio_buffer.commit()
        await talk.connection.response.create()
        await talk.connection.input_audio_buffer.clear()
        failed = (await talk.until("response.done")).response
        assert (failed.status, failed.status_details.error.code, failed.output) == ("failed", "nothing_heard", [])
        [completed] = talk.of("conversation.item.input_audio_transcription.completed")
        assert (completed.transcript, completed.item_id) == ("", talk.of("input_audio_buffer.committed")[0].item_id)
        assert failed.id == talk.of("response.created")[0].response.id
        await talk.play(silence(0.4))
        await talk.connection.input_audio_buffer.commit()
        assert (await talk.until("conversation.item.input_audio_transcription.completed")).transcript == ""
        await talk.say("Then I type.")
        await talk.connection.response.create()
        assert (await talk.until("response.done")).response.status == "completed"


async def test_patience_begins_when_the_sound_was_passed_on(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "WORDS_WITHIN_S", 2.0)
    async with client(door) as talk:
        await talk.connection.session.update(session=manual())
        await talk.play(silence(0.4))
        await talk.connection.input_audio_buffer.commit()
        await talk.play(silence(3.5), tone(0.6))
        await talk.connection.input_audio_buffer.commit()
        await talk.connection.response.create()
        assert (await talk.until("response.done")).response.status == "completed"
        [first, second] = talk.of("conversation.item.input_audio_transcription.completed")
        assert (first.transcript, bool(second.transcript)) == ("", True)


async def test_without_automatic_responses_speech_is_committed_and_answered_when_asked(door: Door) -> None:
    async with client(door) as talk:
        detection: Any = {"type": "server_vad", "create_response": False}
        await talk.connection.session.update(session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
        await talk.play(tone(0.6), silence(1.0))
        await talk.until("input_audio_buffer.committed")
        assert "response.created" not in await talk.silent(1.5)
        await talk.connection.response.create()
        assert (await talk.until("response.done")).response.status == "completed"
        assert "input_audio_buffer.speech_stopped" in talk.kinds()


async def test_what_was_cleared_is_not_answered(door: Door) -> None:
    async with client(door) as talk:
        await talk.connection.session.update(session=manual())
        await talk.play(tone(0.6))
        await asyncio.sleep(1)
        await talk.connection.input_audio_buffer.clear()
        await talk.until("input_audio_buffer.cleared")
        await talk.play(tone(0.2))
        await talk.connection.input_audio_buffer.commit()
        await talk.connection.response.create()
        await talk.until("response.done")
        [completed] = talk.of("conversation.item.input_audio_transcription.completed")
        assert completed.transcript == HEARD.split()[0], "0.2 s are one word of the script"


async def test_a_response_before_anything_was_said_is_the_greeting(door: Door) -> None:
    async with client(door) as talk:
        await talk.connection.response.create(response={"instructions": "Greet the user."})
        done = (await talk.until("response.done")).response
        assert done.output[0].content[0].transcript
        assert done.vivant["ignored"] == {"instructions": "the persona's character and knowledge are its own"}
        await talk.connection.response.create()
        assert (await talk.error())[0] == "nothing_to_answer"
