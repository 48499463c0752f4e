"""The gateway from outside: WebRTC and WebSocket against a session that follows a script."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import av
import numpy as np
import pytest

from services.gateway.messages import BURST, MAX_BYTES
from tests.harness.gateway_door import RESUME_S, UNIT_S, Browser, Door, an_offer, gateway_to, house, silence
from tests.harness.scripted_session import BEATS, REPLY_UNITS, Script, ScriptedSession, serving
from tests.harness.waiting import PATIENCE_S, settled, until
from vivant.errors import Full

#: Loud and bright: a click and a flash.
LOUD, BRIGHT = 2000.0, 150.0


@asynccontextmanager
async def page(door: Door, **fields: Any) -> AsyncIterator[Browser]:
    """A page that is connected and has been told that it is ready."""
    browser = Browser()
    try:
        await browser.connect(door, **fields)
        await browser.message("ready")
        yield browser
    finally:
        await browser.close()


async def test_a_typed_question_is_answered_with_sound_and_picture_at_the_same_time() -> None:
    async with house() as (door, servicer), page(door, persona="june") as browser:
        ready = await browser.message("ready", resumed=False)
        assert (ready["persona"]["disclosure"], ready["video"]["size_px"]) == ("June is an AI.", 128)
        await browser.until(lambda: browser.pictures)
        browser.send(type="text", text="Where did you grow up?")
        passage = {"id": "story#12", "question": "Where did you grow up?", "text": "In a white house by the sea."}
        await browser.message("turn", interrupted=False, full_text="In a white house.", sources=[passage])
        for kind in ("transcript", "state", "caption", "metrics", "clock"):
            assert browser.of(kind), kind
        clock = await browser.message("clock", turn_id=1)
        # Sound, pictures and messages come each on a way of their own.
        sound_end, picture_end = clock["audio_rtp"] + REPLY_UNITS * 1920, clock["video_rtp"] + REPLY_UNITS * 3600
        await browser.until(lambda: reached(browser.sounds, sound_end) and reached(browser.pictures, picture_end))
        clicks = [pts for pts, loudness in browser.sounds if loudness > LOUD]
        flashes = [pts for pts, brightness in browser.pictures if brightness > BRIGHT]
        assert len(flashes) == len(BEATS)
        assert (clock["turn_ms"], servicer.seen["text"][0].text) == (0, "Where did you grow up?")
        # By the clock both happen in the same unit, the one that the script says.
        for flash, beat in zip(flashes, BEATS, strict=True):
            seen = (flash - clock["video_rtp"]) / 90
            heard = min(((click - clock["audio_rtp"]) / 48 for click in clicks), key=lambda at: abs(at - seen))
            assert seen == beat * 40
            assert abs(heard - seen) <= 20


async def test_the_microphone_is_heard_and_what_was_played_is_reported() -> None:
    async with house() as (door, servicer), page(door, microphone=silence()) as browser:
        clock = await browser.message("clock")
        await browser.until(lambda: reached(browser.sounds, clock["audio_rtp"] + 5 * 1920))
        browser.send(type="played", audio_rtp=(clock["audio_rtp"] + 3 * 1920 + 5) % 2**32)
        browser.send(type="played", audio_rtp=(clock["audio_rtp"] + 10**8) % 2**32)
        browser.send(type="ping", t=7)
        await browser.message("pong", t=7)
        await browser.until(lambda: len(servicer.seen.get("audio", ())) > 20)
        await seen(servicer, "played")
        assert {len(chunk.pcm) for chunk in servicer.seen["audio"][2:]} == {640}
        assert [played.unit_index for played in servicer.seen["played"]] == [clock["unit"] + 2]


async def test_of_fifty_at_once_as_many_as_fit_are_served() -> None:
    async with house(capacity=16) as (door, servicer):

        async def knock() -> tuple[Any, str]:
            socket = await door.http.ws_connect(f"{door.url}/api/stream")
            first = json.loads((await socket.receive()).data)
            return socket, first["type"] + first.get("reason", "")

        guests = await asyncio.gather(*(knock() for _ in range(50)))
        answers = [answer for _, answer in guests]
        assert (answers.count("ready"), answers.count("byefull")) == (16, 34)
        for socket, answer in guests:
            if answer == "ready":
                await socket.send_str('{"type": "leave"}')
            await socket.close()
        await gone(door)
        assert len(servicer.configs) == 16


async def test_a_browser_that_never_connects_frees_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.gateway.peer._CONNECT_S", 0.3)
    monkeypatch.setattr("services.gateway.presence._ARRIVAL_S", RESUME_S)
    async with house(resume_s=0.2) as (door, servicer):
        status, _ = await door.offer({"sdp": await an_offer()})
        assert status == 200
        await until(servicer.ended.is_set)
        await gone(door)


async def test_a_page_that_comes_back_goes_on_with_the_same_conversation() -> None:
    async with house() as (door, servicer):
        async with page(door) as first:
            token = first.token
        async with page(door, token=token) as again:
            await again.message("ready", resumed=True)
            await again.until(lambda: len(again.pictures) > 5)
        assert len(servicer.configs) == 1


async def test_a_second_page_with_the_token_takes_over() -> None:
    async with house() as (door, servicer), page(door) as first:
        async with page(door, token=first.token) as second:
            await second.until(lambda: len(second.pictures) > 5)
            await first.message("bye", reason="replaced")
        assert len(servicer.configs) == 1


async def test_a_conversation_to_which_nobody_comes_back_ends() -> None:
    async with house(resume_s=0.2) as (door, servicer):
        async with page(door):
            pass
        await until(servicer.ended.is_set)
        await gone(door)


async def test_the_greeting_waits_until_it_can_be_heard() -> None:
    async with house() as (door, servicer):
        async with page(door, greeting=True) as browser:
            await seen(servicer, "greet")
            async with page(door, token=browser.token, greeting=True) as again:
                await again.message("ready", resumed=True)
                await again.until(lambda: again.pictures)
        async with door.http.ws_connect(f"{door.url}/api/stream?greeting=1") as socket:
            await socket.receive()
        await until(lambda: len(servicer.seen["greet"]) == 2)
        assert len(servicer.configs) == 2


async def test_leaving_ends_the_conversation_at_once() -> None:
    async with house() as (door, servicer), page(door) as browser:
        browser.send(type="leave")
        await until(servicer.ended.is_set)
        await gone(door)


async def test_one_more_than_the_limit_is_told_so() -> None:
    async with house(capacity=1) as (door, _), page(door):
        offer = await an_offer()
        status, answer = await door.offer({"sdp": offer})
        assert (status, answer["error"]["reason"]) == (429, "full")
        async with door.http.ws_connect(f"{door.url}/api/stream") as socket:
            assert json.loads((await socket.receive()).data)["reason"] == "full"


async def test_what_the_orchestrator_refuses_is_passed_on() -> None:
    async with house(Script(refuse=Full("no more", reason="full"))) as (door, _):
        status, answer = await door.offer({"sdp": await an_offer()})
        assert (status, answer["error"]) == (429, {"reason": "full", "message": "no more"})
        await gone(door)
    async with house() as (door, _):
        status, answer = await door.offer({"sdp": await an_offer(), "persona": "nobody"})
        assert (status, answer["error"]["reason"]) == (404, "no_persona")


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({}, 400, "bad_request"),
        ([], 400, "bad_request"),
        ({"sdp": "x" * 100_000}, 413, "too_large"),
        ({"sdp": ""}, 400, "bad_request"),
        ({"sdp": "hello"}, 400, "bad_offer"),
        ({"sdp": "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"}, 400, "bad_offer"),
        ({"sdp": "v=0\r\nm=audio what\r\n"}, 400, "bad_offer"),
        ({"sdp": "v=0", "type": "answer"}, 400, "bad_request"),
        ({"sdp": "v=0", "persona": "x" * 65}, 400, "bad_request"),
    ],
)
async def test_an_offer_that_cannot_be_used_is_refused_with_the_reason(body: Any, status: int, reason: str) -> None:
    async with house() as (door, servicer):
        given, answer = await door.offer(body)
        assert (given, answer["error"]["reason"]) == (status, reason)
        assert answer["error"]["message"]
        assert not servicer.configs
        assert door.gateway.places.active == 0


async def test_pages_of_other_sites_are_refused_unless_they_are_allowed() -> None:
    async with house(origins=("https://friend.example",)) as (door, _):
        for origin, status in (("https://evil.example", 403), ("https://friend.example", 200), (door.url, 200)):
            async with door.http.get(f"{door.url}/api/info", headers={"Origin": origin}) as response:
                assert response.status == status
                # A page may read why it is refused.
                assert response.headers["Access-Control-Allow-Origin"] == origin
        status, answer = await door.offer({"sdp": "v=0"}, Origin="https://evil.example")
        assert (status, answer["error"]["reason"]) == (403, "forbidden_origin")
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await door.http.ws_connect(f"{door.url}/api/stream", headers={"Origin": "https://evil.example"})


async def test_a_flood_of_messages_ends_the_conversation_and_nonsense_does_not() -> None:
    async with house() as (door, servicer), page(door) as browser:
        for nonsense in ("{", "[]", '{"type": "dance"}', '{"type": "text", "text": 5}', '{"type": "played", "audio_rtp": -1}'):
            browser.channel.send(nonsense)
        await browser.until(lambda: sum(message.get("reason") == "bad_message" for message in browser.messages) == 5)
        for _ in range(round(BURST) + 1):
            browser.send(type="ping", t=1)
        await browser.message("bye", reason="too_many_messages")
        await until(servicer.ended.is_set)
        await gone(door)


async def test_an_oversized_message_ends_the_conversation() -> None:
    async with house() as (door, servicer), page(door) as browser:
        browser.send(type="text", text="x" * MAX_BYTES)
        await browser.message("bye", reason="too_large")
        await until(servicer.ended.is_set)


async def test_an_orchestrator_that_dies_is_told() -> None:
    async with house(Script(unit_s=UNIT_S, die_at_unit=20)) as (door, _), page(door) as browser:
        await browser.message("bye")
        await gone(door)


async def test_a_gateway_that_stops_says_so_first_and_the_next_one_goes_on_with_the_conversation() -> None:
    async with serving(Script(unit_s=UNIT_S)) as (address, servicer):
        async with gateway_to(address, video_px=128) as door, page(door) as browser:
            async with door.http.ws_connect(f"{door.url}/api/stream") as socket:
                assert json.loads((await socket.receive()).data)["type"] == "ready"
                stopping = asyncio.create_task(door.runner.cleanup())
                told = [json.loads(message.data) async for message in socket if message.type is aiohttp.WSMsgType.TEXT]
                bye = await browser.message("bye", reason="shutdown")
                assert bye in told
                assert bye["message"].startswith("The server is stopping.")
            await asyncio.wait_for(stopping, PATIENCE_S)
            assert door.gateway.places.active == 0
            known = browser.answer
        await until(lambda: not servicer.talks)
        async with gateway_to(address, video_px=128) as door:
            async with page(door, token=known["token"], conversation_id=known["conversation_id"]) as browser:
                await browser.message("ready", resumed=False, conversation_id=known["conversation_id"])
        assert servicer.configs[-1].conversation_id == known["conversation_id"]


async def test_a_gateway_that_stops_lets_nobody_wait_who_is_just_coming_in() -> None:
    async with house(Script(hang_at_config=True)) as (door, servicer):
        knocking = asyncio.create_task(door.offer({"sdp": await an_offer()}))
        async with asyncio.timeout(PATIENCE_S):
            while not servicer.configs:  # noqa: ASYNC110 - it has no event of its own
                await asyncio.sleep(0.02)
            await door.runner.cleanup()
            status, answer = await knocking
        assert (status, answer["error"]["reason"]) == (503, "shutdown")


async def test_without_webrtc_voice_and_picture_come_as_one_stream() -> None:
    async with house() as (door, servicer):
        async with door.http.ws_connect(f"{door.url}/api/stream?persona=june") as socket:
            await socket.send_bytes(bytes(640))
            await socket.send_str(json.dumps({"type": "text", "text": "Where did you grow up?"}))
            data, told = b"", []
            async with asyncio.timeout(PATIENCE_S):
                while not told or told[-1]["type"] != "turn":
                    message = await socket.receive()
                    if message.type is aiohttp.WSMsgType.BINARY:
                        data += message.data
                    else:
                        told.append(json.loads(message.data))
            await socket.send_str(json.dumps({"type": "played", "ms": 400}))
            await socket.send_str(json.dumps({"type": "ping", "t": 1}))
            async with asyncio.timeout(PATIENCE_S):
                while (message := await socket.receive()).type is aiohttp.WSMsgType.BINARY or "pong" not in message.data:
                    pass
            await seen(servicer, "played")
        assert told[0]["type"] == "ready"
        assert len(servicer.seen["audio"]) == 1
        assert servicer.seen["played"][0].unit_index == 9
        clicks, flashes = events(data)
        assert len(flashes) == len(BEATS)
        assert all(min(abs(click - flash) for click in clicks) <= 0.021 for flash in flashes)
        [begun] = [each for each in told if each["type"] == "clock" and each["turn_id"] == 1 and each["turn_ms"] == 0]
        assert [round(flash * 1000) - begun["ms"] for flash in flashes] == [beat * 40 for beat in BEATS]


async def test_two_hundred_connections_leave_nothing_behind() -> None:
    # A conversation that ends when its connection is lost still waits for its first.
    async with house(Script(unit_s=0.1), resume_s=0) as (door, servicer):
        await come_and_go(door, streams=10, peers=5)
        before = await settled(), door.gateway.places.active
        tracemalloc.start()
        await come_and_go(door, streams=10, peers=5)
        memory = traced()
        await come_and_go(door, streams=130, peers=40)
        assert (await settled(), door.gateway.places.active) == before
        grown = traced() - memory
        tracemalloc.stop()
        # Less than 1.2 KB each, most of it the stand-in's notes; one session that is left behind has many times as much.
        assert grown < 200_000
        assert len(servicer.ended_with_finish) == len(servicer.configs) == 200


def reached(media: list[tuple[int, float]], pts: int) -> bool:
    """Something has come that is as late as this timestamp."""
    return any((at - pts) % 2**32 < 2**31 for at, _ in media)


async def seen(servicer: ScriptedSession, kind: str) -> None:
    """Waits until a request of this kind has come."""
    await until(lambda: kind in servicer.seen)


async def gone(door: Door) -> None:
    """Waits until no conversation is left."""
    await until(lambda: not door.gateway.places.active)


async def come_and_go(door: Door, *, streams: int, peers: int) -> None:
    """So many of either kind connect, hear something, and are gone: half of them without a word."""

    async def stream(number: int) -> None:
        async with door.http.ws_connect(f"{door.url}/api/stream") as socket:
            await socket.receive()
            if number % 2:
                await socket.send_str('{"type": "leave"}')

    async def peer(number: int) -> None:
        async with page(door) as browser:
            if number % 2:
                browser.send(type="leave")

    for visit, count in ((stream, streams), (peer, peers)):
        for first in range(0, count, 5):
            await asyncio.gather(*(visit(number) for number in range(first, min(count, first + 5))))
            await gone(door)


def traced() -> int:
    """Bytes that Python holds now."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def events(webm: bytes) -> tuple[list[float], list[float]]:
    """Times of clicks and flashes in a WebM file, in seconds."""
    clicks, flashes = [], []
    with av.open(io.BytesIO(webm)) as container:
        for frame in container.decode(video=0):
            if frame.to_ndarray(format="gray").mean() > BRIGHT:
                flashes.append(float(frame.time))
    with av.open(io.BytesIO(webm)) as container:
        for sound in container.decode(audio=0):
            if np.sqrt((sound.to_ndarray().astype(float) ** 2).mean()) > LOUD / 32768:
                clicks.append(float(sound.time))
    return clicks, flashes
