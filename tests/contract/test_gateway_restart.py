"""Another network path under a WebRTC connection: what goes on, what is refused, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aioice
import pytest
from aiortc.rtcicetransport import candidate_to_aioice
from aiortc.sdp import SessionDescription

from services.gateway import ice
from services.gateway.peer import Peer
from services.gateway.rtc import transport
from tests.harness.gateway_door import Browser, Door, house, silence
from tests.harness.peers import cut, noted_peers, path_of
from tests.harness.scripted_session import ScriptedSession
from tests.harness.waiting import settled, until

#: Timestamps of one packet of sound.
PACKET = 960


class Roamer(Browser):
    """A page whose network changes. aiortc's own peer connection cannot move, so its path is exchanged from outside."""

    @property
    def ice(self) -> Any:
        return self.pc.getTransceivers()[0].receiver.transport.transport

    async def connect(self, door: Door, **fields: Any) -> None:
        await super().connect(door, **fields)
        transport = self.ice

        async def receive() -> bytes:
            while True:
                path = transport._connection
                try:
                    data: bytes = await path.recv()
                except ConnectionError:
                    if path is transport._connection:
                        raise
                else:
                    return data

        async def send(data: bytes) -> None:
            await transport._connection.send(data)

        transport._recv, transport._send = receive, send

    async def offer(self, path: aioice.Connection) -> str:
        """The offer of an ICE restart."""
        await path.gather_candidates()
        sdp = SessionDescription.parse(self.pc.localDescription.sdp)
        for media in sdp.media:
            assert media.ice
            media.ice.usernameFragment, media.ice.password = path.local_username, path.local_password
            media.ice_candidates = []
        # The others show themselves by their checks.
        return str(sdp)

    async def follow(self, path: aioice.Connection, answer: dict[str, Any]) -> None:
        """Connects what was answered, and goes on with it."""
        media = SessionDescription.parse(answer["sdp"]).media[0]
        assert media.ice
        path.remote_username, path.remote_password = media.ice.usernameFragment, media.ice.password
        for candidate in media.ice_candidates:
            await path.add_remote_candidate(candidate_to_aioice(candidate))
        await path.add_remote_candidate(None)
        await path.connect()
        old, self.ice._connection = self.ice._connection, path
        await old.close()

    async def restart(self, door: Door) -> dict[str, Any]:
        path = aioice.Connection(ice_controlling=True)
        status, answer = await door.offer({"sdp": await self.offer(path), "restart": True, "token": self.token})
        assert status == 200, answer
        await self.follow(path, answer)
        return answer


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> list[Peer]:
    """The peers of the gateway, in the order in which they come."""
    return noted_peers(monkeypatch)


@asynccontextmanager
async def page(door: Door, **fields: Any) -> AsyncIterator[Roamer]:
    browser = Roamer()
    try:
        await browser.connect(door, **fields)
        await browser.message("ready")
        await browser.until(lambda: len(browser.sounds) > 5 and browser.pictures)
        yield browser
    finally:
        await browser.close()


async def hears_more(browser: Roamer, packets: int = 25) -> list[int]:
    """The timestamps of the sound that comes from now on."""
    already = len(browser.sounds)
    await browser.until(lambda: len(browser.sounds) >= already + packets)
    return [pts for pts, _ in browser.sounds[already:]]


def went_on(browser: Roamer, servicer: ScriptedSession, peers: list[Peer]) -> bool:
    """One peer, one session, one greeting: nobody has noticed."""
    ready = [message for message in browser.messages if message["type"] == "ready"]
    return (len(peers), len(servicer.configs), len(ready)) == (1, 1, 1) and "interrupt" not in servicer.seen


def restarts(door: Door) -> dict[str, float]:
    """How many ICE restarts were asked for, and what came of them."""
    return door.counted("vivant_ice_restarts_total")


def lines(sdp: str, *kinds: str) -> list[str]:
    return [line for line in sdp.splitlines() if line.startswith(kinds)]


async def test_a_connection_moves_to_another_path_and_not_one_packet_is_missing(peers: list[Peer]) -> None:
    async with house() as (door, servicer), page(door, microphone=silence()) as browser:
        first, old = browser.answer["sdp"], path_of(peers[0])
        begun = len(browser.sounds)
        answer = await browser.restart(door)
        await until(lambda: path_of(peers[0]) is not old)
        await hears_more(browser)
        # What makes the connection is the same, and its path another.
        same = ("a=sctp-port", "a=fingerprint", "a=setup", "a=mid", "a=group", "a=ssrc", "a=rtpmap")
        assert lines(answer["sdp"], *same) == lines(first, *same)
        assert set(lines(answer["sdp"], "a=ice-ufrag")).isdisjoint(lines(first, "a=ice-ufrag"))
        assert lines(answer["sdp"], "a=candidate") != lines(first, "a=candidate")
        assert (answer["token"], answer["conversation_id"]) == (browser.token, browser.answer["conversation_id"])
        pts = [at for at, _ in browser.sounds[begun:]]
        assert {(later - sooner) % 2**32 for sooner, later in itertools.pairwise(pts)} == {PACKET}
        browser.send(type="ping", t=5)
        await browser.message("pong", t=5)
        heard = len(servicer.seen["audio"])
        await until(lambda: len(servicer.seen["audio"]) > heard + 10)
        await until(lambda: old._closed and not old._protocols)
        assert went_on(browser, servicer, peers)


async def test_a_dead_path_costs_what_was_sent_meanwhile_and_nothing_else(peers: list[Peer]) -> None:
    async with house() as (door, servicer), page(door, microphone=silence()) as browser:
        pictures = len(browser.pictures)
        cut(path_of(peers[0]))
        last = browser.sounds[-1][0]
        await asyncio.sleep(0.3)
        await browser.restart(door)
        # aiortc's own jitter buffer stands still for a while after a gap, but the timeline is the old one.
        later = await hears_more(browser)
        assert 0.3 * 48_000 < (later[-1] - last) % 2**32 < 15 * 48_000
        await browser.until(lambda: len(browser.pictures) > pictures + 10)
        browser.send(type="ping", t=5)
        await browser.message("pong", t=5)
        assert went_on(browser, servicer, peers)


async def test_again_and_again(peers: list[Peer]) -> None:
    async with house() as (door, servicer), page(door) as browser:
        for _ in range(4):
            await browser.restart(door)
            await hears_more(browser, 3)
        assert went_on(browser, servicer, peers)
        assert restarts(door) == {"asked": 4, "moved": 4}


async def test_a_path_that_ends_while_another_is_tried_is_not_the_end(peers: list[Peer], monkeypatch: Any) -> None:
    monkeypatch.setattr(transport, "_GRACE_S", 0.1)
    async with house() as (door, servicer), page(door) as browser:
        path = aioice.Connection(ice_controlling=True)
        _, answer = await door.offer({"sdp": await browser.offer(path), "restart": True, "token": browser.token})
        # What aioice does when the browser has not answered for half a minute.
        await path_of(peers[0]).close()
        await asyncio.sleep(0.5)
        await browser.follow(path, answer)
        await hears_more(browser)
        assert went_on(browser, servicer, peers)


async def test_a_restart_may_come_a_little_after_the_end_of_the_path(peers: list[Peer]) -> None:
    async with house() as (door, servicer), page(door) as browser:
        # A relay that is reached over TCP is lost like this.
        for protocol in path_of(peers[0])._protocols:
            protocol.transport.close()
        await asyncio.sleep(0.2)
        await browser.restart(door)
        await hears_more(browser)
        assert went_on(browser, servicer, peers)


async def test_when_no_restart_comes_the_conversation_waits_for_a_new_connection(peers: list[Peer], monkeypatch: Any) -> None:
    monkeypatch.setattr(transport, "_GRACE_S", 0.1)
    async with house(resume_s=30) as (door, servicer), page(door) as browser:
        await path_of(peers[0]).close()
        await until(lambda: "interrupt" in servicer.seen)
        status, answer = await door.offer({"sdp": await an_offer(browser), "restart": True, "token": browser.token})
        assert (status, answer["error"]["reason"]) == (409, "cannot_restart")
        async with page(door, token=browser.token) as again:
            await again.message("ready", resumed=True)
            # And this one can move.
            again.token = browser.token
            await again.restart(door)
            await hears_more(again)
        assert len(servicer.configs) == 1


async def test_restarts_that_are_given_up_leave_nothing_behind(peers: list[Peer], monkeypatch: Any) -> None:
    monkeypatch.setattr(ice, "_CONNECT_S", 0.5)
    async with house() as (door, servicer), page(door) as browser:
        old = path_of(peers[0])

        async def ask_in_vain() -> int:
            path = aioice.Connection(ice_controlling=True)
            status, _ = await door.offer({"sdp": await browser.offer(path), "restart": True, "token": browser.token})
            await path.close()
            return status

        # Many at once, and one after another; the first time HTTP connections are opened, too.
        counts = []
        for _ in range(2):
            assert await asyncio.gather(*(ask_in_vain() for _ in range(5))) == [200] * 5
            assert [await ask_in_vain() for _ in range(3)] == [200] * 3
            await until(lambda: peers[0]._paths._trial is None)
            seen = restarts(door)
            assert seen["asked"] == seen["given_up"] + seen["failed"] == 8 * len(counts) + 8
            counts.append(await settled())
        assert path_of(peers[0]) is old
        await browser.restart(door)
        await hears_more(browser)
        assert counts[0] == counts[1] >= await settled()
        # The next one ends the one before, but the last of each round has the time to fail.
        assert restarts(door)["failed"] >= 2
        assert restarts(door)["moved"] == 1
        assert went_on(browser, servicer, peers)


async def test_leaving_in_the_middle_of_a_restart_leaves_nothing_behind(peers: list[Peer], monkeypatch: Any) -> None:
    monkeypatch.setattr(ice, "_CONNECT_S", 600.0)
    async with house() as (door, servicer):
        before: tuple[int, int] | None = None
        for _ in range(3):
            async with page(door) as browser:
                path = aioice.Connection(ice_controlling=True)
                status, _ = await door.offer({"sdp": await browser.offer(path), "restart": True, "token": browser.token})
                assert status == 200
                await path.close()
                assert peers[-1]._paths._trial
                browser.send(type="leave")
                await until(servicer.ended.is_set)
                servicer.ended.clear()
            await until(lambda: peers[-1]._paths._trial is None and peers[-1]._pc.connectionState == "closed")
            now = await settled()
            assert now == (before or now)
            before = now
        assert restarts(door) == {"asked": 3, "given_up": 3}


def without(pattern: str) -> Callable[[str], str]:
    return lambda sdp: re.sub(pattern, "", sdp, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("change", "status", "reason", "words"),
    [
        (lambda sdp: "hello", 400, "bad_offer", ""),
        (lambda sdp: sdp.replace("a=mid:0", "a=mid:7"), 400, "bad_offer", "sections"),
        (lambda sdp: sdp[: sdp.index("m=application")], 400, "bad_offer", "sections"),
        (without(r"^a=fingerprint:.*\r\n"), 400, "bad_offer", "fingerprint"),
        (without(r"^a=ice-ufrag:.*\r\n"), 400, "bad_offer", "ice-ufrag"),
        (without(r"^a=ice-pwd:.*\r\n"), 400, "bad_offer", "ice-pwd"),
        (lambda sdp: re.sub("a=ice-pwd:.*", "a=ice-pwd:short", sdp), 400, "bad_offer", "ice-pwd"),
        (lambda sdp: re.sub("a=ice-ufrag:.*", "a=ice-ufrag:a b?c", sdp), 400, "bad_offer", "ice-ufrag"),
        (lambda sdp: sdp.replace("a=fingerprint:sha-256 ", "a=fingerprint:sha-256 00:"), 409, "cannot_restart", "another"),
        (lambda sdp: sdp.replace("a=mid:0\r\n", "a=mid:0\r\n" + MANY), 400, "bad_offer", "candidates"),
        (lambda sdp: sdp + "a=fmtp:9\r\n", 400, "bad_offer", ""),
    ],
)
async def test_a_restart_that_cannot_be_is_refused_and_says_why(
    peers: list[Peer], change: Callable[[str], str], status: int, reason: str, words: str
) -> None:
    async with house() as (door, _), page(door) as browser:
        sdp = change(await an_offer(browser))
        given, answer = await door.offer({"sdp": sdp, "restart": True, "token": browser.token})
        assert (given, answer["error"]["reason"]) == (status, reason)
        assert words in answer["error"]["message"]
        assert peers[0]._paths._trial is None
        assert restarts(door) == {"asked": 1, "refused": 1}
        await hears_more(browser, 3)


MANY = "".join(f"a=candidate:{n} 1 udp 1 10.0.0.1 {n + 1000} typ host\r\n" for n in range(65))


async def test_the_credentials_in_use_are_no_restart() -> None:
    async with house() as (door, _), page(door) as browser:
        sdp = browser.pc.localDescription.sdp
        given, answer = await door.offer({"sdp": sdp, "restart": True, "token": browser.token})
        assert (given, answer["error"]["reason"]) == (400, "bad_offer")
        assert "in use" in answer["error"]["message"]


async def test_only_a_live_webrtc_connection_can_be_restarted() -> None:
    async with house() as (door, _), page(door) as browser:
        sdp = await an_offer(browser)
        async with door.http.ws_connect(f"{door.url}/api/stream") as socket:
            stream = (await socket.receive_json())["token"]
            for token in ("", "unknown", stream):
                given, answer = await door.offer({"sdp": sdp, "restart": True, "token": token})
                assert (given, answer["error"]["reason"]) == (409, "cannot_restart"), token
        assert restarts(door) == {"asked": 3, "refused": 3}


@pytest.mark.parametrize("line", ["m=audio 9 UDP/TLS/RTP/SAVPF 11\r\na=rtpmap:11 L16/44100", "a=fmtp:99 x=y"])
async def test_a_first_offer_that_aiortc_stumbles_over_is_refused_too(line: str) -> None:
    async with house() as (door, _), page(door) as browser:
        sdp = browser.pc.localDescription.sdp
        if line.startswith("m="):
            sdp = re.sub(r"m=audio .*\r\n", line + "\r\n", re.sub(r"a=(rtpmap|fmtp):(96|9|0|8) .*\r\n", "", sdp))
        else:
            sdp += line + "\r\n"
        given, answer = await door.offer({"sdp": sdp})
        assert (given, answer["error"]["reason"]) == (400, "bad_offer")


async def an_offer(browser: Roamer) -> str:
    """An offer that would be taken."""
    path = aioice.Connection(ice_controlling=True)
    sdp = await browser.offer(path)
    await path.close()
    return sdp
