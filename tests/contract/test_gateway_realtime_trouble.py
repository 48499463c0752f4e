"""What `/v1/realtime` does when something is wrong, too much, refused, lost or over."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
from typing import Final

import aiohttp
import pytest

from services.gateway.realtime.events import MAX_MESSAGE
from services.orchestrator.server import SessionServicer
from tests.harness.gateway_door import Door, gateway_to
from tests.harness.realtime_client import client, manual, open_socket, read_until, silence
from tests.harness.scripted_engines import Orchestrator
from tests.harness.scripted_session import Script, serving
from tests.harness.waiting import PATIENCE_S, settled, until
from vivant.errors import InvalidRequest

BAD: Final[list[tuple[str, str, str | None]]] = [
    ("{", "invalid_json", None),
    ("[1]", "invalid_json", None),
    ("[" * 100_000, "invalid_json", None),
    ('{"type": ' + "9" * 5000 + "}", "invalid_json", None),
    ("{}", "missing_required_parameter", "type"),
    ('{"type": 3}', "invalid_value", "type"),
    ('{"type": "session.destroy"}', "invalid_value", "type"),
    ('{"type": "session.update"}', "missing_required_parameter", "session"),
    ('{"type": "session.update", "session": []}', "invalid_type", "session"),
    ('{"type": "session.update", "session": {"type": "transcription"}}', "invalid_value", "session.type"),
    ('{"type": "session.update", "session": {"output_modalities": ["smell"]}}', "invalid_value", "session.output_modalities.0"),
    ('{"type": "session.update", "session": {"input_audio_format": "mp3"}}', "invalid_value", "session.input_audio_format"),
    ('{"type": "session.update", "session": {"modalities": "audio"}}', "invalid_type", "session.modalities"),
    ('{"type": "session.update", "session": {"input_audio_transcription": true}}',
     "invalid_type", "session.input_audio_transcription"),
    ('{"type": "session.update", "session": {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 8000}}}}}',
     "invalid_value", "session.audio.input.format.rate"),
    ('{"type": "session.update", "session": {"audio": {"input": {"format": {"type": "audio/mp3"}}}}}',
     "invalid_value", "session.audio.input.format.type"),
    ('{"type": "session.update", "session": {"audio": {"input": {"format": {}}}}}',
     "missing_required_parameter", "session.audio.input.format.type"),
    ('{"type": "session.update", "session": {"audio": {"output": {"format": "audio/pcm"}}}}',
     "invalid_type", "session.audio.output.format"),
    ('{"type": "session.update", "session": {"audio": {"input": null}}}', "invalid_type", "session.audio.input"),
    ('{"type": "session.update", "session": {"type": 5}}', "invalid_type", "session.type"),
    ('{"type": "input_audio_buffer.append"}', "missing_required_parameter", "audio"),
    ('{"type": "input_audio_buffer.append", "audio": 7}', "invalid_type", "audio"),
    ('{"type": "input_audio_buffer.append", "audio": "?!"}', "invalid_base64", "audio"),
    ('{"type": "input_audio_buffer.append", "audio": "AAAA"}', "invalid_value", "audio"),
    ('{"type": "input_audio_buffer.append", "audio": "' + "AAAA" * 500_000 + '"}', "buffer_full", "audio"),
    ('{"type": "input_audio_buffer.commit"}', "input_audio_buffer_commit_empty", None),
    ('{"type": "conversation.item.create", "item": {"type": "function_call_output"}}', "unsupported_item", "item.type"),
    ('{"type": "conversation.item.create", "item": {"role": "system", "content": []}}', "unsupported_role", "item.role"),
    ('{"type": "conversation.item.create", "item": {"role": "user", "content": [{"type": "input_image"}]}}',
     "unsupported_content", "item.content.0.type"),
    ('{"type": "conversation.item.create", "item": {"role": "user", "content": []}}', "empty_text", "item.content"),
    ('{"type": "conversation.item.create", "item": {"role": "user", "content": [{"type": "input_text", "text": "\\u200b"}]}}',
     "empty_text", "item.content"),
    ('{"type": "conversation.item.create", "item": {"role": "user", "content": [{"type": "input_text", "text": "a\\u0000b"}]}}',
     "invalid_value", "item.content"),
    ('{"type": "conversation.item.create", "item": {"role": "user", "content": [{"type": "input_text", "text": "\\ud800"}]}}',
     "invalid_value", "item.content"),
    ('{"type": "conversation.item.create", "item": "hello"}', "invalid_type", "item"),
    ('{"type": "conversation.item.create", "item": {"role": "user", "content": "hello"}}', "invalid_type", "item.content"),
    ('{"type": "response.create", "response": {"output_modalities": ["\\ud800"]}}',
     "invalid_value", "response.output_modalities.0"),
    ('{"type": "conversation.item.create"}', "missing_required_parameter", "item"),
    ('{"type": "conversation.item.create", "item": null}', "invalid_type", "item"),
    ('{"type": "conversation.item.create", "item": {"role": "user", "content": null}}', "invalid_type", "item.content"),
    ('{"type": "conversation.item.create", "item": {"role": "user", "content": ["hello"]}}', "invalid_type", "item.content.0"),
    ('{"type": "conversation.item.create", "item": {"role": "user", "content": [{"type": "input_text", "text": 5}]}}',
     "invalid_type", "item.content.0.text"),
    ('{"type": "conversation.item.create", "item": {"id": "' + "x" * 65 + '", "role": "user", "content": []}}',
     "invalid_value", "item.id"),
    ('{"type": "conversation.item.create", "previous_item_id": {}, "item": {"role": "user", "content": []}}',
     "invalid_type", "previous_item_id"),
    ('{"type": "conversation.item.truncate", "item_id": "x", "audio_end_ms": -1}', "invalid_value", "audio_end_ms"),
    ('{"type": "conversation.item.truncate", "item_id": "x", "audio_end_ms": "soon"}', "invalid_type", "audio_end_ms"),
    ('{"type": "conversation.item.truncate", "item_id": "x", "audio_end_ms": 0.5}', "invalid_type", "audio_end_ms"),
    ('{"type": "conversation.item.truncate", "item_id": "x", "audio_end_ms": 1e999}', "invalid_value", "audio_end_ms"),
    ('{"type": "conversation.item.truncate", "item_id": "x", "audio_end_ms": ' + "9" * 400 + "}", "item_not_found", "item_id"),
    ('{"type": "conversation.item.truncate", "item_id": "x", "audio_end_ms": 1, "content_index": null}',
     "invalid_type", "content_index"),
    ('{"type": "conversation.item.truncate", "item_id": "x"}', "missing_required_parameter", "audio_end_ms"),
    ('{"type": "conversation.item.truncate", "item_id": 3, "audio_end_ms": 1}', "invalid_type", "item_id"),
    ('{"type": "conversation.item.delete"}', "missing_required_parameter", "item_id"),
    ('{"type": "conversation.item.delete", "item_id": "x"}', "item_not_found", "item_id"),
    ('{"type": "conversation.item.retrieve", "item_id": "x"}', "item_not_found", "item_id"),
    ('{"type": "response.create", "response": {"modalities": []}}', "invalid_value", "response.modalities"),
    ('{"type": "response.create", "response": {"output_modalities": ["smell"]}}',
     "invalid_value", "response.output_modalities.0"),
    ('{"type": "response.create", "response": {"metadata": []}}', "invalid_type", "response.metadata"),
    ('{"type": "response.create", "response": {"input": [{"type": "message"}]}}', "nothing_to_answer", "response.input"),
    ('{"type": "response.create", "response": 1}', "invalid_type", "response"),
    ('{"type": "response.create", "response": {"metadata": {"k": 1}}}', "invalid_type", "response.metadata.k"),
    ('{"type": "response.cancel", "response_id": []}', "invalid_type", "response_id"),
    ('{"type": "response.cancel"}', "response_cancel_not_active", "response_id"),
    ('{"type": "session.update", "session": {"audio": 3}}', "invalid_type", "session.audio"),
    ('{"type": "session.update", "session": {"audio": {"input": {"turn_detection": {"type": "x"}}}}}',
     "invalid_value", "session.audio.input.turn_detection.type"),
    ('{"type": "session.update", "session": {"turn_detection": "none"}}', "invalid_type", "session.turn_detection"),
    ('{"type": "transcription_session.update", "session": {}}', "invalid_value", "type"),
    ('{"type": "output_audio_buffer.clear"}', "nothing_to_clear", None),
]  # fmt: skip


async def test_what_is_wrong_with_an_event_is_said_and_the_session_goes_on(door: Door) -> None:
    async with open_socket(door) as socket:
        await read_until(socket, "session.created")
        for message, code, param in BAD:
            if message.startswith('{"type": "') and "event_id" not in message:
                message = message.replace('{"type"', '{"event_id": "e7", "type"', 1)  # noqa: PLW2901
            await socket.send_str(message)
            [event] = await read_until(socket, "error")
            error = event["error"]
            assert (error["code"], error["param"]) == (code, param), message
            assert error["type"] == "invalid_request_error"
            assert error["event_id"] == ("e7" if "e7" in message else None), message
            assert error["message"][0].isupper() or error["message"][0] == "`"
            # The words are those of the protocol and of JSON, not those of the language this is written in.
            assert not re.search(
                r"_[A-Z]|[a-z][A-Z]|instance|dict|tuple|None|\bint\b|\bstr\b|[Ii]nput should", error["message"]
            )
            assert not re.search(r"must be (.*), not \1", error["message"])
            if param == "session.input_audio_format":
                assert "'pcm16'" in error["message"]
            if error["code"] in ("invalid_type", "missing_required_parameter"):
                assert error["message"].startswith((f"`{param}` ", "This event has no")), message
        await socket.send_bytes(b"\0\1")
        assert (await read_until(socket, "error"))[-1]["error"]["code"] == "binary_message"
        await socket.send_json({"type": "response.create"})
        await read_until(socket, "response.done")


async def test_more_sound_than_can_wait_is_refused(door: Door) -> None:
    async with client(door) as talk:
        await talk.play(silence(20), silence(15))
        code, message = await talk.error()
        assert code == "buffer_full"
        assert "30 s" in message
        await talk.connection.input_audio_buffer.clear()
        await talk.until("input_audio_buffer.cleared")
        await talk.play(silence(20))
        await talk.say("Still here?")
        await talk.connection.response.create()
        assert (await talk.until("response.done")).response.status == "completed"


async def test_a_message_above_the_limit_ends_the_connection(door: Door) -> None:
    async with open_socket(door) as socket:
        await read_until(socket, "session.created")
        # The server closes while the rest of it is still being sent.
        with contextlib.suppress(ConnectionError):
            await socket.send_str("x" * (MAX_MESSAGE + 1))
        async with asyncio.timeout(PATIENCE_S):
            while not socket.closed:
                await socket.receive()
        assert socket.close_code in (aiohttp.WSCloseCode.MESSAGE_TOO_BIG, aiohttp.WSCloseCode.ABNORMAL_CLOSURE)
    async with client(door) as talk:
        assert talk.kinds() == ["session.created"]


async def test_a_flood_ends_the_connection(door: Door) -> None:
    async with open_socket(door) as socket:
        await read_until(socket, "session.created")

        async def flood() -> None:
            with contextlib.suppress(ConnectionError):
                while not socket.closed:
                    await socket.send_str('{"type": "input_audio_buffer.clear"}')

        flooding = asyncio.create_task(flood())
        last = ""
        async with asyncio.timeout(PATIENCE_S):
            while (message := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                last = message.data
        await flooding
        assert json.loads(last)["error"]["code"] == "too_many_messages"
        assert socket.close_code == aiohttp.WSCloseCode.POLICY_VIOLATION


async def test_a_full_gateway_says_so_on_the_connection(orchestrator: Orchestrator) -> None:
    async with gateway_to(orchestrator.address, capacity=1) as door:
        async with open_socket(door) as first:
            await read_until(first, "session.created")
            async with open_socket(door) as second:
                [event] = await read_until(second, "error")
                assert event["error"]["code"] == "full"
                assert (await second.receive()).type is aiohttp.WSMsgType.CLOSE
                assert second.close_code == aiohttp.WSCloseCode.TRY_AGAIN_LATER


async def test_a_system_that_is_lost_is_told() -> None:
    async with serving(Script(die_at_unit=10)) as (address, _), gateway_to(address) as door:
        async with open_socket(door) as socket:
            await read_until(socket, "session.created")
            [*_, event] = await read_until(socket, "error")
            assert (event["error"]["type"], event["error"]["code"]) == ("server_error", "connection_lost")
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
            assert socket.close_code == aiohttp.WSCloseCode.INTERNAL_ERROR


async def test_a_gateway_that_ends_closes_what_is_open() -> None:
    async with serving(Script()) as (address, _), aiohttp.ClientSession() as http:
        async with gateway_to(address) as door:
            socket = await http.ws_connect(f"{door.url}/v1/realtime")
            await read_until(socket, "session.created")
            reading = asyncio.create_task(read_until(socket, "never"))
        await asyncio.gather(reading, return_exceptions=True)
        assert socket.close_code == aiohttp.WSCloseCode.GOING_AWAY
        await socket.close()


async def test_a_conversation_that_is_opened_again_is_let_end_first(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the orchestrator hears late that the connection before is closed."""
    refused: list[str] = []
    require_over = SessionServicer._require_over

    def late(self: SessionServicer, conversation_id: str) -> None:
        if conversation_id and len(refused) < 3:
            refused.append(conversation_id)
            raise InvalidRequest("this conversation is going on", reason="conversation_live")
        require_over(self, conversation_id)

    monkeypatch.setattr(SessionServicer, "_require_over", late)
    async with client(door) as talk:
        await talk.connection.session.update(session=manual())
        await talk.say("Still here?")
        await talk.connection.response.create()
        assert (await talk.until("response.done")).response.status == "completed"
        assert not talk.of("error")
    assert len(refused) == 3


async def test_a_persona_that_is_not_there_by_default_either_is_told() -> None:
    async with serving(Script()) as (address, _), gateway_to(address, persona="nobody") as door:
        async with open_socket(door) as socket:
            [event] = await read_until(socket, "error")
            assert "nobody" in event["error"]["message"]


@pytest.mark.parametrize(
    ("query", "headers", "status", "reason"),
    [
        ("", {"Origin": "https://elsewhere.example"}, 403, "forbidden_origin"),
        ("?intent=transcription", {}, 400, "unsupported_intent"),
        ("?call_id=rtc_1", {}, 400, "unsupported_call"),
    ],
)
async def test_connections_that_are_refused(door: Door, query: str, headers: dict[str, str], status: int, reason: str) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", **headers}
    async with door.http.get(f"{door.url}/v1/realtime{query}", headers=upgrade) as response:
        assert (response.status, (await response.json())["error"]["reason"]) == (status, reason)
    async with door.http.get(f"{door.url}/v1/realtime") as response:
        assert (response.status, (await response.json())["error"]["reason"]) == (400, "not_a_websocket")


async def test_nothing_is_left_when_clients_vanish(door: Door, orchestrator: Orchestrator) -> None:
    admission = orchestrator.admission

    async def vanish(number: int) -> None:
        socket = await door.http.ws_connect(f"{door.url}/v1/realtime")
        if number % 3:
            await read_until(socket, "session.created")
            await socket.send_json({"type": "input_audio_buffer.append", "audio": base64.b64encode(silence(5)).decode()})
        if number % 2:
            assert socket._response.connection is not None
            assert socket._response.connection.transport is not None
            socket._response.connection.transport.abort()
        await socket.close()

    def is_empty() -> bool:
        return not (admission.active or door.gateway.places.active)

    await vanish(1)
    await until(is_empty)
    before, _ = await settled()
    for number in range(50):
        await vanish(number)
    await until(lambda: is_empty() and len(asyncio.all_tasks()) <= before)
