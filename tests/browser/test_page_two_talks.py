"""Two talks, two persons and a gateway that is killed: a real Chromium against the real gateway."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import numpy as np
import pytest
from playwright.async_api import Page, expect

from tests.harness.gateway_process import GatewayProcess, gateway_process
from tests.harness.page import tab
from tests.harness.scripted_session import Script, ScriptedSession, serving
from tests.harness.waiting import PATIENCE_S

#: How often the page has asked what the server is like: at its own start, and before each connection.
_ASKED: Final = "performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/api/info')).length"
WAYS: Final = pytest.mark.parametrize("script", ["", tab.NO_WEBRTC], ids=["webrtc", "websocket"])
#: How often the page's microphones were opened, and which of their tracks still live.
_WATCH: Final = """
    window.tracks = [];
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (...wishes) => {
        const stream = await open(...wishes);
        tracks.push(...stream.getTracks());
        return stream;
    };
    window.openMicrophones = () => tracks.filter(({ readyState }) => readyState === "live").length;
"""


@asynccontextmanager
async def two_persons(page: Page, script: str = "") -> AsyncIterator[tuple[GatewayProcess, ScriptedSession]]:
    """A page that may talk with two persons; both are answered for by one scripted session service."""
    async with serving(Script(unit_s=0.04, personas=("june", "walt"), down=())) as (address, servicer):
        async with gateway_process(address) as gateway:
            await page.add_init_script(_WATCH + script)
            await page.goto(gateway.url)
            await page.wait_for_selector("#start-talking:visible")
            yield gateway, servicer
            await page.close()


async def hears(page: Page, servicer: ScriptedSession) -> None:
    """Waits for the beeps of the browser's microphone at the server, from now on, and at the page's own meter."""
    seen: list[Any] = servicer.seen.setdefault("audio", [])
    begin = len(seen)
    async with asyncio.timeout(PATIENCE_S):
        while not any(np.abs(np.frombuffer(each.pcm, "<i2").astype(int)).max() > 500 for each in seen[begin:]):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await tab.until(page, "Number(mute.style.getPropertyValue('--level')) > 0.3")
    await tab.until(page, "openMicrophones() === 1")


async def talks(page: Page) -> None:
    await page.wait_for_selector("body[data-screen=live]")
    await tab.until(page, "document.getElementById('video').videoWidth > 0")


async def asks(page: Page) -> None:
    """A typed question is answered, in sight. What the beeping microphone is taken for is answered too."""
    before = await page.locator("#log li.persona").count()
    await page.fill("#words", "How old are you?")
    await page.keyboard.press("Enter")
    await expect(page.locator("#log li.you").get_by_text("How old are you?").last).to_be_visible()
    await expect(page.locator("#log li.persona").nth(before)).to_be_visible(timeout=20_000)


@WAYS
async def test_every_talk_is_heard_and_every_person(page: Page, script: str) -> None:
    async with two_persons(page, script) as (_, servicer):
        await page.click("#start-talking")
        await talks(page)
        await hears(page, servicer)
        for talk in range(2, 4):
            await page.click("#leave")
            await expect(page.get_by_role("heading", name="Goodbye")).to_be_visible()
            assert await page.evaluate("openMicrophones()") == 0
            await page.click("#again")
            await talks(page)
            await hears(page, servicer)
            assert [config.persona_id for config in servicer.configs] == ["june"] * talk
        await page.click("#open-settings")
        await page.select_option("#persona", "walt")
        await page.keyboard.press("Escape")
        await expect(page.locator("#live-title")).to_have_text("Talking with Walt")
        await talks(page)
        await hears(page, servicer)
        assert servicer.configs[-1].persona_id == "walt"
        await asks(page)
        await page.click("#leave")
        assert await page.evaluate("openMicrophones()") == 0


async def test_a_talk_after_one_that_the_server_ended_is_heard(page: Page) -> None:
    async with two_persons(page) as (_, servicer):
        await page.click("#start-talking")
        await talks(page)
        await page.evaluate("window.dispatchEvent(new Event('pagehide'))")
        await expect(page.get_by_role("heading", name="Goodbye")).to_be_visible()
        await page.click("#to-start")
        await page.get_by_label("Walt").check(force=True)
        await page.click("#start-talking")
        await talks(page)
        await hears(page, servicer)
        assert [config.persona_id for config in servicer.configs] == ["june", "walt"]


@WAYS
async def test_a_gateway_that_is_killed_is_missed_and_found_again(page: Page, script: str) -> None:
    async with two_persons(page, script) as (gateway, servicer):
        await page.click("#start-talking")
        await talks(page)
        await asks(page)
        await gateway.kill()
        await expect(page.locator("#floor-text")).to_have_text("Connection lost. Trying again")
        await expect(page.locator("#frame")).to_have_attribute("data-floor", "away")
        await expect(page.locator(".notice")).to_contain_text("The connection was lost")
        await gateway.start()
        await talks(page)
        await expect(page.locator("#frame")).not_to_have_attribute("data-floor", "away")
        await expect(page.locator(".notice")).to_have_count(0)
        await hears(page, servicer)
        await asks(page)
        await expect(page.locator("#log li.you").get_by_text("How old are you?")).to_have_count(2)
        assert [config.conversation_id for config in servicer.configs] == ["", "c1"]


async def test_a_gateway_that_hangs_is_shown_as_that_before_it_is_given_up(page: Page) -> None:
    async with two_persons(page) as (gateway, servicer):
        await page.click("#start-talking")
        await talks(page)
        assert gateway.process
        gateway.process.send_signal(signal.SIGSTOP)
        await expect(page.locator("#floor-text")).to_have_text("Connection lost. Trying again")
        connections = await page.evaluate(_ASKED)
        assert connections == 2, "the connection that it has is still being tried"
        gateway.process.send_signal(signal.SIGCONT)
        await talks(page)
        await expect(page.locator("#frame")).not_to_have_attribute("data-floor", "away")
        await asks(page)
        await hears(page, servicer)


async def test_a_microphone_that_is_allowed_only_when_nobody_wants_it_any_more_stays_shut(page: Page) -> None:
    script = """
        const ask = navigator.mediaDevices.getUserMedia;
        window.allow = null;
        navigator.mediaDevices.getUserMedia = async (...wishes) => {
            await new Promise((then) => (window.allow = then));
            return ask(...wishes);
        };
    """
    async with two_persons(page, script) as (_, servicer):
        await page.click("#start-talking")
        await tab.until(page, "allow !== null")
        await page.click("#start-typing")
        await talks(page)
        await page.evaluate("allow()")
        await tab.until(page, "tracks.length === 1 && openMicrophones() === 0")
        await asks(page)
        assert len(servicer.configs) == 1
        await expect(page.locator("#mute")).to_have_class("round mic off absent")


async def test_after_an_unplugged_microphone_the_one_that_is_chosen_is_heard(page: Page) -> None:
    async with two_persons(page) as (_, servicer):
        await page.click("#start-talking")
        await talks(page)
        await hears(page, servicer)
        await page.evaluate("tracks[0].stop(), tracks[0].dispatchEvent(new Event('ended'))")
        await expect(page.locator(".notice")).to_contain_text("was unplugged")
        await expect(page.locator("#mute")).to_have_class("round mic off absent")
        await page.click("#open-settings")
        await page.locator("#microphone option").nth(1).wait_for(state="attached")
        await page.select_option("#microphone", index=1)
        await page.keyboard.press("Escape")
        await hears(page, servicer)
        await expect(page.locator(".notice")).to_have_count(0)
        assert len(servicer.configs) == 1


async def test_when_a_talk_is_over_no_key_opens_the_microphone(page: Page) -> None:
    async with two_persons(page) as (_, servicer):
        await page.click("#start-talking")
        await talks(page)
        await page.click("#leave")
        await expect(page.get_by_role("heading", name="Goodbye")).to_be_focused()
        await page.keyboard.press("Space")
        await page.click("#to-start")
        assert await page.evaluate("tracks.length") == 1
        assert len(servicer.configs) == 1


async def test_a_microphone_that_comes_while_the_page_connects_is_heard(page: Page) -> None:
    async with two_persons(page) as (_, servicer):
        held = asyncio.Event()

        async def hold(route: Any) -> None:
            await held.wait()
            await route.continue_()

        await page.route("**/api/offer", hold)
        await page.click("#start-typing")
        await page.wait_for_selector("body[data-screen=connecting]")
        await page.keyboard.press("Space")
        await tab.until(page, "tracks.length === 1")
        held.set()
        await talks(page)
        await hears(page, servicer)
