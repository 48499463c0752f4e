"""Who gets a place: pages that reload, go away or never connect give theirs back, and who is there goes first."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from tests.harness.gateway_door import RESUME_S, Browser, Door, an_offer, gateway_to, house
from tests.harness.realtime_client import open_socket, read_until
from tests.harness.scripted_engines import Orchestrator
from tests.harness.scripted_session import Script
from tests.harness.waiting import until

VISIT = "a-visit-of-one-page-0001"


async def free(door: Door, places: int = 0) -> None:
    """Waits until at most so many conversations are left."""
    await until(lambda: door.gateway.places.active <= places)


async def first_message(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    message: dict[str, Any] = json.loads((await socket.receive()).data)
    return message


@pytest.mark.parametrize("visit", [VISIT, ""])
async def test_eight_quick_reloads_leave_a_place_for_the_ninth(
    orchestrator: Orchestrator, visit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With the real orchestrator, whose places are the fewest.
    monkeypatch.setattr("services.gateway.presence._SLOW_S", 0.0)
    async with gateway_to(orchestrator.address, video_px=512) as door:
        sdp = await an_offer()
        for _ in range(8):
            status, answer = await door.offer({"sdp": sdp, "visit": visit})
            assert status == 200, answer
        browser = Browser()
        try:
            await browser.connect(door, visit=visit)
            await browser.message("ready")
            await browser.until(lambda: browser.pictures)
            if visit:
                await free(door, places=1)
        finally:
            await browser.close()


async def test_a_page_that_hangs_up_while_it_waits_for_the_answer_keeps_no_place() -> None:
    async with house() as (door, servicer):
        sdp = await an_offer()
        reader, writer = await asyncio.open_connection("127.0.0.1", int(door.url.rsplit(":", 1)[1]))
        body = json.dumps({"sdp": sdp}).encode()
        writer.write(b"POST /api/offer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.transport.abort()
        await until(lambda: servicer.configs)
        del reader
        await free(door)


async def test_the_same_visit_has_one_conversation_and_the_page_before_is_told() -> None:
    async with house() as (door, servicer):
        async with door.http.ws_connect(f"{door.url}/api/stream?visit={VISIT}") as first:
            assert (await first_message(first))["type"] == "ready"
            async with door.http.ws_connect(f"{door.url}/api/stream?visit={VISIT}") as second:
                assert (await first_message(second))["type"] == "ready"
                told = [json.loads(each.data) async for each in first if each.type is aiohttp.WSMsgType.TEXT]
                assert told[-1]["type"] == "bye"
                assert told[-1]["reason"] == "replaced"
                assert door.gateway.places.active == 1
        assert len(servicer.configs) == 2


async def test_a_token_goes_on_with_the_conversation_of_its_visit() -> None:
    async with house() as (door, servicer):
        async with door.http.ws_connect(f"{door.url}/api/stream?visit={VISIT}") as first:
            token = (await first_message(first))["token"]
            async with door.http.ws_connect(f"{door.url}/api/stream?visit={VISIT}&token={token}") as second:
                assert (await first_message(second))["resumed"] is True
        assert len(servicer.configs) == 1


@pytest.mark.parametrize("by", ["token", "visit"])
async def test_a_farewell_frees_the_place_at_once(by: str) -> None:
    async with house() as (door, servicer):
        async with door.http.ws_connect(f"{door.url}/api/stream?visit={VISIT}") as socket:
            token = (await first_message(socket))["token"]
            body = {"token": token} if by == "token" else {"visit": VISIT}
            # As a beacon sends it.
            async with door.http.post(f"{door.url}/api/leave", data=json.dumps(body)) as response:
                assert response.status == 204
            await until(servicer.ended.is_set)
        await free(door)
        async with door.http.post(f"{door.url}/api/leave", data="{") as response:
            assert (response.status, (await response.json())["error"]["reason"]) == (400, "bad_request")


async def test_a_farewell_overtakes_the_opening() -> None:
    async with house(Script(hang_at_config=True)) as (door, servicer):
        knocking = asyncio.create_task(door.offer({"sdp": await an_offer(), "visit": VISIT}))
        await until(lambda: servicer.configs)
        async with door.http.post(f"{door.url}/api/leave", data=json.dumps({"visit": VISIT})) as response:
            assert response.status == 204
        status, answer = await knocking
        assert (status, answer["error"]["reason"]) == (503, "replaced")
        await free(door)


async def test_an_offer_that_leads_to_no_connection_ends_the_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.gateway.peer._CONNECT_S", 0.2)
    monkeypatch.setattr("services.gateway.presence._ARRIVAL_S", RESUME_S)
    # A conversation in which somebody was would wait for them, too.
    async with house() as (door, servicer):
        status, _ = await door.offer({"sdp": await an_offer()})
        assert status == 200
        await until(servicer.ended.is_set)
        await free(door)


@pytest.mark.parametrize("kind", ["webrtc", "stream"])
async def test_a_page_that_is_closed_is_not_waited_for_long(kind: str) -> None:
    async with house() as (door, servicer):
        if kind == "webrtc":
            browser = Browser()
            await browser.connect(door)
            await browser.message("ready")
            await browser.close()
        else:
            async with door.http.ws_connect(f"{door.url}/api/stream") as socket:
                await socket.receive()
        await until(servicer.ended.is_set)
        await free(door)


async def test_who_is_there_goes_before_a_conversation_that_waits() -> None:
    async with house(capacity=2) as (door, servicer):
        tokens = []
        for _ in range(2):
            socket = await door.http.ws_connect(f"{door.url}/api/stream")
            tokens.append((await first_message(socket))["token"])
            # Lost without a word, as far as the gateway can tell.
            assert socket._response.connection is not None
            assert socket._response.connection.transport is not None
            await socket.close(code=aiohttp.WSCloseCode.ABNORMAL_CLOSURE)
        async with AsyncExitStack() as guests:
            for _ in range(2):
                guest = await guests.enter_async_context(door.http.ws_connect(f"{door.url}/api/stream"))
                assert (await first_message(guest))["type"] == "ready"
            third = await guests.enter_async_context(door.http.ws_connect(f"{door.url}/api/stream"))
            assert (await first_message(third))["reason"] == "full"
        assert len(servicer.configs) == 4


async def test_a_browser_from_which_nothing_comes_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.gateway.presence._DEAD_S", 1.5)
    async with house(capacity=1) as (door, servicer):
        there, next_one = Browser(), Browser()
        try:
            await there.connect(door)
            await there.message("ready")
            await there.until(lambda: there.pictures)
            # Who is there says so all the time, though nobody speaks.
            count = len(there.pictures)
            await there.until(lambda: len(there.pictures) > count + 60)
            assert (await door.offer({"sdp": await an_offer()}))[0] == 429
            # Its network is gone, and nothing tells the gateway.
            transport = there.pc.getTransceivers()[0].receiver.transport.transport
            for protocol in transport._connection._protocols:
                monkeypatch.setattr(protocol, "send_data", lambda *_: asyncio.sleep(0))
                monkeypatch.setattr(protocol, "send_stun", lambda *_: None)
            await asyncio.sleep(2.0)
            await next_one.connect(door)
            await next_one.message("ready")
        finally:
            await there.close()
            await next_one.close()
        assert len(servicer.configs) == 2


async def test_a_voice_app_goes_before_a_conversation_that_waits(orchestrator: Orchestrator) -> None:
    async with gateway_to(orchestrator.address, video_px=512, capacity=1) as door:
        async with door.http.ws_connect(f"{door.url}/api/stream") as socket:
            assert (await first_message(socket))["type"] == "ready"
        async with open_socket(door) as app:
            await read_until(app, "session.created")
