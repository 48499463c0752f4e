"""Replies over `/v1/realtime` that are broken off: by speech, by a cancellation, by a truncation."""

from __future__ import annotations

from tests.harness.gateway_door import Door
from tests.harness.realtime_client import REPLY, client, silence, tone


async def test_an_interruption_is_told_at_once_and_the_rest_is_not_said(door: Door) -> None:
    async with client(door) as talk:
        await talk.say("Where did you grow up?")
        await talk.connection.response.create()
        await talk.until("response.output_audio.delta", 5)
        await talk.play(tone(1.5), silence(2.0))
        done = (await talk.until("response.done")).response
        assert (done.status, done.status_details.reason) == ("cancelled", "turn_detected")
        kinds = talk.kinds()
        assert kinds.index("input_audio_buffer.speech_started") < kinds.index("response.output_audio.done")
        heard = done.output[0].content[0].transcript
        assert REPLY.startswith(heard)
        assert done.output[0].status == "incomplete"
        again = (await talk.until("response.done")).response
        assert again.status == "completed"
        [started] = talk.of("input_audio_buffer.speech_started")
        assert started.audio_start_ms < 1000, "on the clock of what the client has sent"
        assert started.item_id == talk.of("input_audio_buffer.committed")[0].item_id


async def test_a_response_is_cancelled(door: Door) -> None:
    async with client(door) as talk:
        await talk.connection.response.cancel()
        assert (await talk.error())[0] == "response_cancel_not_active"
        await talk.say("Where did you grow up?")
        await talk.connection.response.create()
        await talk.until("response.output_audio.delta", 5)
        await talk.connection.response.create()
        assert (await talk.error())[0] == "conversation_already_has_active_response"
        await talk.connection.response.cancel()
        done = (await talk.until("response.done")).response
        assert (done.status, done.status_details.reason) == ("cancelled", "client_cancelled")


async def test_what_is_asked_right_behind_a_cancellation_is_answered(door: Door) -> None:
    async with client(door) as talk:
        await talk.say("Where did you grow up?")
        await talk.connection.response.create()
        await talk.until("response.output_audio.delta", 5)
        # All at once, without waiting for what comes of the cancellation.
        await talk.connection.response.cancel()
        await talk.say("And where do you live now?")
        await talk.connection.response.create(response={"metadata": {"number": "two"}})
        first = (await talk.until("response.done")).response
        assert (first.status, first.status_details.reason) == ("cancelled", "client_cancelled")
        second = (await talk.until("response.done")).response
        assert (second.status, second.metadata) == ("completed", {"number": "two"})
        assert second.output[0].content[0].transcript.endswith(REPLY)
        assert not talk.of("error")


async def test_a_response_is_asked_for_cancelled_and_asked_for_again_in_one_breath(door: Door) -> None:
    async with client(door) as talk:
        for number in ("one", "two", "three"):
            await talk.say(f"This is question {number}.")
            await talk.connection.response.create(response={"metadata": {"number": number}})
            if number != "three":
                await talk.connection.response.cancel()
        done = [(await talk.until("response.done")).response for _ in range(3)]
        assert [(each.metadata["number"], each.status) for each in done] == [
            ("one", "cancelled"), ("two", "cancelled"), ("three", "completed")
        ]  # fmt: skip
        assert not talk.of("error")


async def test_one_response_waits_behind_a_cancelled_one_and_no_more(door: Door) -> None:
    async with client(door) as talk:
        await talk.say("Where did you grow up?")
        await talk.connection.response.create()
        await talk.until("response.output_audio.delta", 5)
        await talk.connection.response.cancel()
        await talk.connection.response.create(event_id="second")
        await talk.connection.response.create(event_id="third")
        assert (await talk.error())[0] == "conversation_already_has_active_response"
        assert talk.events[-1].error.event_id == "third"
        await talk.until("response.done")
        # There is nothing new to answer; that is said when its turn has come, with its name.
        assert (await talk.error())[0] == "nothing_to_answer"
        assert talk.events[-1].error.event_id == "second"


async def test_what_a_response_is_asked_for_and_does_not_follow_is_listed(door: Door) -> None:
    async with client(door) as talk:
        await talk.say("Where did you grow up?")
        wishes = {
            "conversation": "none",
            "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Classify this."}]}],
            "instructions": "Answer in rhymes.",
            "brand_new": {"x": 1},
        }
        await talk.connection.response.create(response=wishes)  # type: ignore[arg-type]
        done = (await talk.until("response.done")).response
        assert done.status == "completed"
        assert done.output[0].content[0].transcript.endswith(REPLY)
        ignored = done.vivant["ignored"]
        assert ignored.keys() == wishes.keys()
        assert all(ignored.values())


async def test_truncating_a_reply_that_is_spoken_leaves_what_was_heard(door: Door) -> None:
    async with client(door) as talk:
        await talk.say("Where did you grow up?")
        await talk.connection.response.create()
        # More than what is kept of it, and long before its end.
        await talk.until("response.output_audio.delta", 10)
        item_id = talk.events[-1].item_id
        await talk.connection.conversation.item.truncate(item_id=item_id, content_index=0, audio_end_ms=300)
        truncated = await talk.until("conversation.item.truncated")
        assert (truncated.item_id, truncated.audio_end_ms) == (item_id, 300)
        [done] = talk.of("response.done")
        assert done.response.status == "cancelled"
        assert done.response.output[0].content[0].transcript == "It is", "50 ms a letter"
        await talk.connection.conversation.item.retrieve(item_id=item_id)
        assert (await talk.until("conversation.item.retrieved")).item.content[0].transcript == "It is"


async def test_truncations_that_cannot_be(door: Door) -> None:
    async with client(door) as talk:
        truncate = talk.connection.conversation.item.truncate
        await truncate(item_id="item_0", content_index=0, audio_end_ms=1)
        assert (await talk.error())[0] == "item_not_found"
        await talk.say("Hello?", id="mine")
        await talk.connection.response.create()
        await talk.until("response.done")
        item_id = talk.of("response.output_item.done")[0].item.id
        await truncate(item_id="mine", content_index=0, audio_end_ms=1)
        assert "assistant" in (await talk.error())[1]
        await truncate(item_id=item_id, content_index=1, audio_end_ms=1)
        assert "index 0" in (await talk.error())[1]
        await truncate(item_id=item_id, content_index=0, audio_end_ms=60_000)
        assert "ms of sound were sent" in (await talk.error())[1]
        await truncate(item_id=item_id, content_index=0, audio_end_ms=-1)
        assert (await talk.error())[0] == "invalid_value"
