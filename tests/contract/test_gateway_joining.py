"""Several pages in one conversation: each is a client of its own, and all see and hear the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp

from tests.harness.gateway_door import Browser, Door, an_offer, gateway_to, house, silence
from tests.harness.scripted_session import serving
from tests.harness.waiting import until

LOUD = 2000.0


@asynccontextmanager
async def page(door: Door, **fields: Any) -> AsyncIterator[Browser]:
    """A page that is there, with a microphone, and sees."""
    browser = Browser()
    try:
        await browser.connect(door, microphone=silence(), **fields)
        await browser.message("ready")
        await browser.until(lambda: browser.pictures)
        yield browser
    finally:
        await browser.close()


async def over(door: Door, places: int) -> None:
    await until(lambda: door.gateway.places.active <= places)


async def first_message(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    message: dict[str, Any] = json.loads((await socket.receive()).data)
    return message


async def test_two_pages_see_and_hear_the_same() -> None:
    async with house() as (door, servicer), page(door) as ann:
        ready = await ann.message("ready")
        assert (ready["participant"]["name"], ready["others"]) == (None, [])
        async with page(door, join=ann.answer["conversation_id"], name="Ben") as ben:
            greeted = await ben.message("ready", conversation_id=ready["conversation_id"])
            assert greeted["others"] == [ready["participant"]]
            assert greeted["token"] != ready["token"], "each has a connection of its own to lose"
            own = greeted["participant"]["id"]
            await ann.message("participant", id=own, name="Ben")
            assert door.gateway.places.active == 2
            ben.send(type="text", text="Where did you grow up?")
            for browser in (ann, ben):
                await browser.message("turn", full_text="In a white house.", answers=["u1"])
                await browser.until(lambda browser=browser: any(loudness > LOUD for _, loudness in browser.sounds))
            for kind in ("transcript", "caption", "turn"):
                assert ann.of(kind) == ben.of(kind)
            said = await ann.message("transcript", final=True)
            assert (said["participant_id"], said["utterance_id"]) == (own, "u1")
        assert servicer.joins[0].input_audio.sample_rate_hz == 16_000


async def test_whoever_leaves_ends_nothing_for_the_other() -> None:
    async with house() as (door, servicer), AsyncExitStack() as stack:
        ann = await stack.enter_async_context(page(door))
        ben = await stack.enter_async_context(page(door, join=ann.answer["conversation_id"]))
        await ben.message("clock")
        ann.send(type="leave")
        await over(door, places=1)
        ben.send(type="text", text="And then?")
        await ben.message("turn", full_text="In a white house.")
        ben.send(type="leave")
        await over(door, places=0)
        await until(lambda: not servicer.talks)


async def test_a_page_that_is_lost_does_not_silence_the_persona_for_the_other() -> None:
    async with house() as (door, servicer), AsyncExitStack() as stack:
        ann = await stack.enter_async_context(page(door))
        ben = await stack.enter_async_context(page(door, join=ann.answer["conversation_id"]))
        await ann.pc.close()
        ben.send(type="text", text="Still there?")
        await ben.message("turn", interrupted=False)
        assert "interrupt" not in servicer.seen
        # Alone it is silenced: nobody would hear it.
        await over(door, places=1)
        await ben.pc.close()
        await until(lambda: "interrupt" in servicer.seen)


async def test_a_conversation_that_is_not_there_is_told_in_a_sentence() -> None:
    async with house() as (door, _):
        status, answer = await door.offer({"sdp": await an_offer(), "join": "c9"})
        assert (status, answer["error"]["reason"]) == (404, "unknown_conversation")
        assert answer["error"]["message"].startswith("this conversation is over, or it is not on this server")
        async with door.http.ws_connect(f"{door.url}/api/stream?join=c9") as socket:
            told = await first_message(socket)
            assert (told["type"], told["reason"]) == ("bye", "unknown_conversation")
        assert not door.gateway.places.active


async def test_there_is_no_place_for_one_more_than_fit() -> None:
    async with house(capacity=1) as (door, servicer), page(door) as ann:
        status, answer = await door.offer({"sdp": await an_offer(), "join": ann.answer["conversation_id"]})
        assert (status, answer["error"]["reason"]) == (429, "full")
        assert not servicer.joins


async def test_after_a_restart_of_the_gateway_all_find_each_other_again() -> None:
    """Whoever comes first opens the conversation anew, the other joins; both at once makes no difference."""
    async with serving() as (address, servicer):
        async with gateway_to(address, video_px=128) as door:
            async with page(door) as ann, page(door, join="c1", name="Ben"):
                conversation_id = ann.answer["conversation_id"]
        await until(lambda: not servicer.talks)
        async with gateway_to(address, video_px=128) as door, aiohttp.ClientSession() as http:
            url = f"{door.url}/api/stream?token=old&conversation_id={conversation_id}"
            sockets = await asyncio.gather(http.ws_connect(url), http.ws_connect(f"{url}&name=Ben"))
            async with sockets[0] as first, sockets[1] as second:
                ready = [await first_message(socket) for socket in (first, second)]
                assert {each["conversation_id"] for each in ready} == {conversation_id}
                assert len(servicer.talks) == 1 and len(servicer.talks[conversation_id].clients) == 2
    assert len(servicer.configs) == 2


async def test_those_who_come_back_by_two_gateways_at_once_find_each_other_too() -> None:
    async with serving() as (address, servicer), gateway_to(address, video_px=128) as here, gateway_to(address) as there:
        urls = [f"{door.url}/api/stream?token=old&conversation_id=c7" for door in (here, there)]
        sockets = await asyncio.gather(*(here.http.ws_connect(url) for url in urls))
        async with sockets[0] as first, sockets[1] as second:
            assert {(await first_message(socket))["conversation_id"] for socket in (first, second)} == {"c7"}
            assert len(servicer.talks) == 1 and len(servicer.talks["c7"].clients) == 2


async def test_a_name_can_come_later_and_is_told_to_all() -> None:
    async with house() as (door, servicer), page(door) as ann:
        async with page(door, join=ann.answer["conversation_id"]) as ben:
            own = (await ann.message("ready"))["participant"]["id"]
            ann.send(type="name", name="Ann")
            for browser in (ann, ben):
                await browser.message("participant", id=own, name="Ann")
            async with page(door, join=ann.answer["conversation_id"], name="Cleo") as cleo:
                others = (await cleo.message("ready"))["others"]
                assert [each["name"] for each in others] == ["Ann", None]
        assert [(each.id, each.name) for each in servicer.seen["participant"]] == [(own, "Ann")]


async def test_a_page_that_comes_back_is_told_who_is_there_now() -> None:
    async with house() as (door, _), page(door, name="Ann") as ann:
        async with page(door, join=ann.answer["conversation_id"], name="Ben"):
            await ann.message("participant", name="Ben")
            async with page(door, token=ann.token) as again:
                ready = await again.message("ready", resumed=True)
                assert (ready["participant"]["name"], [each["name"] for each in ready["others"]]) == ("Ann", ["Ben"])


async def test_what_the_session_does_not_take_is_told_as_an_error() -> None:
    async with house() as (door, _), page(door) as ann:
        ann.send(type="name", name="A\0")
        told = await ann.message("notice", severity="error")
        assert (told["reason"], told["message"]) == ("bad_unicode", "participant: character 2 is NUL, which no text holds")
        ann.send(type="text", text="Still there?")
        await ann.message("turn", interrupted=False)
