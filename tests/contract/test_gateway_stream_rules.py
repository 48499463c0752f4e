"""What `/api/stream` says to messages that break a rule: a notice, or a `bye` with the reason before it closes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from services.gateway.messages import BURST, MAX_BYTES
from tests.harness.gateway_door import house
from tests.harness.waiting import PATIENCE_S
from vivant.errors import VivantError

TEXT, BINARY, NO_OPCODE = aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY, 3


@pytest.fixture
async def socket() -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A page's stream that has begun."""
    async with house() as (door, _), door.http.ws_connect(f"{door.url}/api/stream", max_msg_size=0) as each:
        assert json.loads((await each.receive()).data)["type"] == "ready"
        yield each


async def send(socket: aiohttp.ClientWebSocketResponse, data: bytes, kind: int) -> None:
    """One frame as it stands, whether it may be sent or not."""
    # The server may close while the rest is still being sent.
    with contextlib.suppress(ConnectionError):
        await socket._writer.send_frame(data, kind)


async def told(socket: aiohttp.ClientWebSocketResponse) -> list[dict[str, Any]]:
    """The notices and goodbyes that come until it closes."""
    messages = []
    async with asyncio.timeout(PATIENCE_S):
        while (message := await socket.receive()).type in (TEXT, BINARY):
            if message.type is TEXT:
                messages.append(json.loads(message.data))
    return [message for message in messages if message["type"] in ("notice", "bye")]


@pytest.mark.parametrize(
    ("data", "kind", "reason"),
    [
        (b"x" * (MAX_BYTES + 1), TEXT, "too_large"),
        (json.dumps({"type": "text", "text": "x" * MAX_BYTES}).encode(), TEXT, "too_large"),
        # Fewer characters than bytes.
        ("{}".ljust(MAX_BYTES // 2, "\N{EURO SIGN}").encode(), TEXT, "too_large"),
        (b"x" * 900_000, TEXT, "too_large"),
        (b"x" * 3_000_000, TEXT, "too_large"),
        (bytes(3_000_000), BINARY, "too_large"),
        (bytes(MAX_BYTES + 2), BINARY, "bad_sound"),
        (bytes(3202), BINARY, "bad_sound"),
        (bytes(641), BINARY, "bad_sound"),
        (b"", BINARY, "bad_sound"),
        (b'{"type": "\xff\xfe"}', TEXT, "bad_message"),
        (b"what", NO_OPCODE, "bad_message"),
    ],
)
async def test_what_cannot_be_gone_on_from_is_told_before_it_closes(
    socket: aiohttp.ClientWebSocketResponse, data: bytes, kind: int, reason: str
) -> None:
    await send(socket, data, kind)
    [bye] = await told(socket)
    assert (bye["type"], bye["reason"]) == ("bye", reason)
    assert bye["message"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        '"leave"',
        '{"type": null}',
        '{"type": "dance"}',
        '{"type": "text"}',
        '{"type": "text", "text": null}',
        '{"type": "text", "text": "  "}',
        '{"type": "text", "text": "\\u200b"}',
        '{"type": "text", "text": "a\\u0000b"}',
        '{"type": "text", "text": "\\ud800"}',
        '{"type": "ping", "t": NaN}',
        '{"type": "ping", "t": 1e999}',
        '{"type": "played", "ms": -1}',
        '{"type": "played", "ms": 1e999}',
        "[" * 10_000,
    ],
)
async def test_what_cannot_be_understood_is_answered_and_the_conversation_goes_on(
    socket: aiohttp.ClientWebSocketResponse, text: str
) -> None:
    await send(socket, text.encode(), TEXT)
    await socket.send_str('{"type": "leave"}')
    [notice] = await told(socket)
    assert (notice["type"], notice["reason"]) == ("notice", "bad_message")


async def test_a_flood_is_told_once(socket: aiohttp.ClientWebSocketResponse) -> None:
    for _ in range(3 * round(BURST)):
        await send(socket, b'{"type": "ping", "t": 1}', TEXT)
    [bye] = await told(socket)
    assert bye["reason"] == "too_many_messages"
    assert "20 messages a second" in bye["message"]


async def test_a_fault_is_told(monkeypatch: pytest.MonkeyPatch, socket: aiohttp.ClientWebSocketResponse) -> None:
    async def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("vivant.conversation.Session.send_text", broken)
    assert not issubclass(ZeroDivisionError, VivantError)
    await socket.send_str('{"type": "text", "text": "Hello"}')
    [bye] = await told(socket)
    assert (bye["type"], bye["reason"]) == ("bye", "internal")
