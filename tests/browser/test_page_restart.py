"""A page whose network changes or dies goes on with the connection that it has: a real Chromium against the real gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from playwright.async_api import Page

from services.gateway.ice import Paths
from services.gateway.peer import Peer
from tests.harness.gateway_door import Door, house
from tests.harness.page import tab
from tests.harness.peers import cut, noted_peers, path_of
from tests.harness.scripted_session import ScriptedSession
from tests.harness.waiting import PATIENCE_S, until
from vivant.errors import Unusable

#: Keeps what the page makes, and the times at which sound comes: the longest time without any is `quietMs`.
_WATCH: Final = """
    window.peers = [];
    window.channels = [];
    window.quietMs = 0;
    const Peer = window.RTCPeerConnection;
    window.RTCPeerConnection = class extends Peer {
        constructor(...wishes) { super(...wishes); peers.push(this); }
        createDataChannel(...wishes) { const made = super.createDataChannel(...wishes); channels.push(made); return made; }
    };
    let last = 0, at = 0;
    setInterval(() => {
        const [source] = peers.at(-1)?.getReceivers()[0]?.getSynchronizationSources() ?? [];
        const now = performance.now();
        if (source && source.rtpTimestamp !== last) [last, at] = [source.rtpTimestamp, now];
        if (at) quietMs = Math.max(quietMs, now - at);
    }, 10);
"""
_INFO: Final = {"personas": [{"id": "june", "name": "June"}], "persona": "june", "ready": True, "missing": []}
_USERNAME: Final = "peers.at(-1).sctp.transport.iceTransport.getSelectedCandidatePair().{side}.usernameFragment"
_COUNTS: Final = """(async () => [...(await peers.at(-1).getStats()).values()]
    .filter(({ type }) => type === "inbound-rtp").map(({ kind, ssrc, packetsReceived, framesDecoded }) =>
    ({ kind, ssrc, count: kind === "audio" ? packetsReceived : framesDecoded })))()"""


@dataclass
class Scene:
    """A page in a conversation, and both of its ends."""

    page: Page
    door: Door
    servicer: ScriptedSession
    peers: list[Peer]

    @property
    def path(self) -> Any:
        """The aioice connection in use."""
        return path_of(self.peers[-1])

    async def username(self, side: str) -> str:
        found: str = await self.page.evaluate(_USERNAME.format(side=side))
        return found

    async def counts(self) -> dict[tuple[str, int], int]:
        """How much of each stream has come."""
        return {(each["kind"], each["ssrc"]): each["count"] for each in await self.page.evaluate(_COUNTS)}

    async def plays_on(self, before: dict[tuple[str, int], int]) -> None:
        """The same two streams go on coming."""
        async with asyncio.timeout(PATIENCE_S):
            while not all(count > before[stream] + 25 for stream, count in (await self.counts()).items()):  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def moved(self, old: Any) -> None:
        await until(lambda: self.path is not old)

    async def is_undisturbed(self) -> bool:
        """One connection on both sides, open; one session, never interrupted."""
        channels = await self.page.evaluate("channels.map(({ readyState }) => readyState)")
        made = await self.page.evaluate("peers.length")
        interrupted = "interrupt" in self.servicer.seen
        return (channels, made, len(self.peers), len(self.servicer.configs), interrupted) == (["open"], 1, 1, 1, False)


@pytest.fixture
async def scene(page: Page, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    peers = noted_peers(monkeypatch)
    async with house() as (door, servicer):
        await page.add_init_script(_WATCH)
        # The scripted session is never quite ready.
        await page.route("**/api/info", lambda route: route.fulfill(json=_INFO))
        await page.goto(door.url)
        await page.click("#start-talking")
        await tab.live(page)
        await tab.until(page, "quietMs > 0 && video.getVideoPlaybackQuality().totalVideoFrames > 10")
        yield Scene(page, door, servicer, peers)


async def test_a_network_that_changes_moves_the_connection(scene: Scene) -> None:
    names = {side: await scene.username(side) for side in ("local", "remote")}
    old, before = scene.path, await scene.counts()
    await scene.page.evaluate("quietMs = 0")
    await scene.page.evaluate("dispatchEvent(new Event('online'))")
    await scene.moved(old)
    await scene.plays_on(before)
    for side, name in names.items():
        assert await scene.username(side) != name
    assert (await scene.counts()).keys() == before.keys()
    assert await scene.is_undisturbed()
    # The old path was there until the new one was, and not longer.
    assert await scene.page.evaluate("quietMs") < 500
    assert old._closed
    await scene.page.fill("#words", "Where did you grow up?")
    await scene.page.keyboard.press("Enter")
    await scene.page.get_by_text("In a white house.").first.wait_for()
    heard = len(scene.servicer.seen["audio"])
    await scene.plays_on(await scene.counts())
    assert len(scene.servicer.seen["audio"]) > heard


async def test_an_answer_may_come_late(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    restart = Paths.restart

    async def slow(paths: Paths, sdp: str) -> Any:
        answer = await restart(paths, sdp)
        await asyncio.sleep(1)
        return answer

    monkeypatch.setattr(Paths, "restart", slow)
    old, before = scene.path, await scene.counts()
    await scene.page.evaluate("dispatchEvent(new Event('online'))")
    await scene.moved(old)
    await scene.plays_on(before)
    assert await scene.is_undisturbed()


async def test_a_path_that_dies_is_replaced_under_the_connection(scene: Scene) -> None:
    before = await scene.counts()
    for _ in range(2):
        old = scene.path
        cut(old)
        await scene.moved(old)
        await scene.plays_on(before)
        before = await scene.counts()
    assert await scene.is_undisturbed()
    await scene.page.fill("#words", "Where did you grow up?")
    await scene.page.keyboard.press("Enter")
    await scene.page.get_by_text("In a white house.").first.wait_for()


@pytest.mark.parametrize("state", ["disconnected", "failed"])
async def test_a_path_that_the_browser_gives_up_is_replaced(scene: Scene, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    restart, asked = Paths.restart, asyncio.Event()

    async def noted(paths: Paths, sdp: str) -> Any:
        asked.set()
        return await restart(paths, sdp)

    monkeypatch.setattr(Paths, "restart", noted)
    old, before = scene.path, await scene.counts()
    # Told once: what the browser then says of the new path is its own, or each of its words would begin another restart.
    await scene.page.evaluate(f"""() => {{
        Object.defineProperty(peers[0], 'iceConnectionState', {{ value: '{state}', configurable: true }});
        peers[0].dispatchEvent(new Event('iceconnectionstatechange'));
        delete peers[0].iceConnectionState;
    }}""")
    async with asyncio.timeout(PATIENCE_S):
        await asked.wait()
    # A browser whose old path is alive after all may stay on it.
    cut(old)
    await scene.moved(old)
    await scene.plays_on(before)
    assert await scene.is_undisturbed()


async def test_a_path_that_is_found_again_is_kept(scene: Scene) -> None:
    old = scene.path
    for state in ("disconnected", "connected"):
        await scene.page.evaluate(
            f"Object.defineProperty(peers[0], 'iceConnectionState', {{ value: '{state}', configurable: true }})"
        )
        await scene.page.evaluate("peers[0].dispatchEvent(new Event('iceconnectionstatechange'))")
    # Longer than a path may be disconnected.
    await asyncio.sleep(1.5)
    assert scene.path is old
    assert await scene.is_undisturbed()


async def test_another_network_moves_the_connection_and_another_speed_does_not(scene: Scene) -> None:
    old, before = scene.path, await scene.counts()
    await scene.page.evaluate("navigator.connection.dispatchEvent(new Event('change'))")
    await scene.plays_on(before)
    assert scene.path is old
    await scene.page.evaluate("Object.defineProperty(navigator.connection, 'type', { value: 'cellular' })")
    await scene.page.evaluate("navigator.connection.dispatchEvent(new Event('change'))")
    await scene.moved(old)
    assert await scene.is_undisturbed()


async def test_a_restart_that_is_refused_becomes_a_new_connection(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(paths: Paths, sdp: str) -> None:
        raise Unusable("not this time", reason="cannot_restart")

    monkeypatch.setattr(Paths, "restart", refused)
    cut(scene.path)
    await tab.until(scene.page, "peers.length === 2")
    await tab.live(scene.page)
    await scene.plays_on(await scene.counts())
    assert (len(scene.peers), len(scene.servicer.configs)) == (2, 1)
    assert scene.peers[0]._pc.connectionState == "closed"


async def test_a_restart_that_gets_nowhere_becomes_a_new_connection(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Paths._answer

    def deaf(paths: Paths, path: Any) -> Any:
        cut(path)
        return answer(paths, path)

    monkeypatch.setattr(Paths, "_answer", deaf)
    cut(scene.path)
    await tab.until(scene.page, "peers.length === 2")
    await tab.live(scene.page)
    await scene.plays_on(await scene.counts())
    assert (len(scene.peers), len(scene.servicer.configs)) == (2, 1)


async def test_a_gateway_that_cannot_be_reached_is_found_when_it_is_back(scene: Scene) -> None:
    for path in ("info", "offer"):
        await scene.page.route(f"**/api/{path}", lambda route: route.abort())
    cut(scene.path)
    await scene.page.wait_for_selector("body[data-screen=reconnecting]")
    await scene.page.unroute_all()
    await tab.live(scene.page)
    await scene.plays_on(await scene.counts())
    assert len(scene.servicer.configs) == 1
