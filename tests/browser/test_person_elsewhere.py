"""<vivant-person> on another site, and in a tab that sleeps: in a real Chromium, against the real gateway."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import Browser, Page, expect

from tests.harness.gateway_door import house
from tests.harness.page import tab
from tests.harness.waiting import PATIENCE_S

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Another site</title>
<link rel="icon" href="data:,">
<script type="module" src="{door}/vivant-person.js"></script>
<vivant-person persona="june"></vivant-person>
"""
#: No more than README.md asks of a site that has a policy.
_POLICY = "default-src 'none'; script-src {door} blob:; connect-src {door} {socket}; img-src {door} data:; media-src blob:"
_VIDEO = "document.querySelector('vivant-person').shadowRoot.getElementById('video')"


@pytest.fixture
async def site() -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Another site: its origin, and its one page, with which the test fills it."""
    held: dict[str, Any] = {}

    async def show(_: web.Request) -> web.Response:
        return web.Response(text=held["page"], content_type="text/html", headers={"Content-Security-Policy": held["policy"]})

    app = web.Application()
    app.add_routes([web.get("/", show)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", held
    await runner.cleanup()


@asynccontextmanager
async def guest(chromium: Browser, url: str, script: str = "") -> AsyncIterator[tuple[Page, list[str]]]:
    """A page, and what it complains about in its console."""
    context = await chromium.new_context(permissions=["microphone"])
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    if script:
        await page.add_init_script(script)
    await page.goto(url)
    yield page, complaints
    await context.close()


@pytest.mark.parametrize("script", ["", tab.NO_WEBRTC], ids=["webrtc", "websocket"])
async def test_a_person_talks_on_the_page_of_another_site(chromium: Browser, site: Any, script: str) -> None:
    origin, held = site
    async with house(origins=(origin,)) as (door, servicer):
        held["page"] = _PAGE.format(door=door.url)
        held["policy"] = _POLICY.format(door=door.url, socket=door.url.replace("http", "ws"))
        async with guest(chromium, origin, script) as (page, complaints):
            await page.get_by_role("button", name="Start talking").click()
            await tab.until(page, f"{_VIDEO}.videoWidth === 128")
            await page.get_by_label("Type a message").fill("Where did you grow up?")
            await page.keyboard.press("Enter")
            await expect(page.get_by_text("In a white house.")).to_be_visible()
            async with asyncio.timeout(PATIENCE_S):
                while len(servicer.seen.get("audio", ())) < 10:  # noqa: ASYNC110 - it has no event of its own
                    await asyncio.sleep(0.05)
            await tab.until(page, f"{_VIDEO}.currentTime > 0.5")
        # The scripted session has no portraits.
        assert not [each for each in complaints if "Failed to load resource" not in each]


async def test_a_site_that_is_not_allowed_is_told_so(chromium: Browser, site: Any) -> None:
    origin, held = site
    async with house() as (door, servicer):
        held["page"], held["policy"] = _PAGE.format(door=door.url), "script-src *"
        async with guest(chromium, origin) as (page, _):
            await expect(page.get_by_text(f"pages of {origin} may not talk to this server")).to_be_visible()
            await page.get_by_role("button", name="Type instead").click()
            await expect(page.get_by_text("its owner can allow them with GATEWAY_ORIGINS")).to_be_visible()
        assert not servicer.configs


@pytest.mark.parametrize("script", ["", tab.NO_WEBRTC], ids=["webrtc", "websocket"])
@pytest.mark.parametrize("nap_s", [5.0])
async def test_a_tab_that_sleeps_goes_on_when_it_wakes(chromium: Browser, script: str, nap_s: float) -> None:
    async with house() as (door, servicer), guest(chromium, f"{door.url}/example.html", script) as (page, _):
        await page.get_by_role("button", name="Start talking").click()
        await tab.until(page, f"{_VIDEO}.videoWidth === 128")
        async with asleep(chromium):
            # Longer than the page waits for a sign of life, and the gateway for a page.
            await asyncio.sleep(nap_s)
        await page.get_by_label("Type a message").fill("Where did you grow up?")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("In a white house.")).to_be_visible()
        frames = await page.evaluate(f"{_VIDEO}.getVideoPlaybackQuality().totalVideoFrames")
        await tab.until(page, f"{_VIDEO}.getVideoPlaybackQuality().totalVideoFrames > {frames + 10}")
        assert len(servicer.configs) == 1


@asynccontextmanager
async def asleep(chromium: Browser) -> AsyncIterator[None]:
    """The processes of all its tabs stand still, as those of a computer whose lid is closed."""
    devtools = await chromium.new_browser_cdp_session()
    processes = (await devtools.send("SystemInfo.getProcessInfo"))["processInfo"]
    tabs = [process["id"] for process in processes if process["type"] == "renderer"]
    try:
        for tab in tabs:
            os.kill(tab, signal.SIGSTOP)
        yield
    finally:
        for tab in tabs:
            os.kill(tab, signal.SIGCONT)
        await devtools.detach()
