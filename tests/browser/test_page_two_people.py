"""Two people, two browsers, one conversation: real pages, the real gateway and the real orchestrator, with scripted engines."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest
from playwright.async_api import Browser, Page, expect

from services.orchestrator.settings import OrchestratorSettings
from tests.harness.gateway_process import GatewayProcess, gateway_process
from tests.harness.page import tab
from tests.harness.realtime_client import HEARD
from tests.harness.scripted_engines import addresses, orchestrating, scripted_engines

REPLY: Final = "It is a white house by the sea, with a green door and a piano."
#: Every caption that the page has been shown, in order, and whether it has been heard.
_NOTE: Final = """
    window.captions = [];
    const parse = JSON.parse;
    JSON.parse = (...given) => {
        const message = parse(...given);
        if (message?.type === "caption") captions.push(message);
        return message;
    };
"""
_HEARS: Final = "vivantStats().then((stats) => stats.heard_at.length > 0)"


@pytest.fixture(scope="module")
async def gateway() -> AsyncIterator[GatewayProcess]:
    script = {"LLM_OPENING": "model", "LLM_FAKE_REPLIES": json.dumps([REPLY]), "ASR_FAKE_SCRIPT": json.dumps([HEARD])}
    async with scripted_engines(**script) as engines:
        engines.ready()
        async with orchestrating(OrchestratorSettings(capacity=4, **addresses(engines.address))) as orchestrator:
            async with gateway_process(orchestrator.address, video_px=512) as process:
                yield process


@asynccontextmanager
async def browser_of(chromium: Browser, address: str, *, name: str = "", start: str = "#start-typing") -> AsyncIterator[Page]:
    """Somebody's own browser, in the conversation."""
    context = await chromium.new_context(permissions=["microphone", "clipboard-read", "clipboard-write"])
    page = await context.new_page()
    await page.add_init_script(_NOTE)
    await page.goto(address)
    await page.wait_for_selector("#start-talking:visible")
    if name:
        await page.fill("#my-name", name)
    await page.click(start)
    await tab.live(page)
    yield page
    await context.close()


async def invitation(page: Page) -> str:
    """The address that the page gives to somebody who is to join."""
    await page.click("#open-share")
    await page.click("#copy-invite")
    await expect(page.locator("#copy-invite")).to_have_text("Copied")
    await page.keyboard.press("Escape")
    return str(await page.evaluate("navigator.clipboard.readText()"))


async def types(page: Page, text: str) -> None:
    await page.fill("#words", text)
    await page.keyboard.press("Enter")


async def test_two_browsers_see_and_hear_one_conversation(chromium: Browser, gateway: GatewayProcess) -> None:
    async with browser_of(chromium, f"{gateway.url}?greeting=0") as ann:
        async with browser_of(chromium, await invitation(ann), name="Ben") as ben:
            await expect(ann.locator("#company")).to_have_text("Also here: Ben")
            await expect(ben.locator("#company")).to_have_text("Also here: Person 1")
            await types(ann, "Where did you grow up?")
            for page, name in ((ann, "You"), (ben, "Person 1")):
                line = page.locator("#log li.you", has_text="Where did you grow up?")
                await expect(line.locator("b")).to_have_text(name)
                await expect(page.locator("#log li.persona", has_text=REPLY)).to_have_count(1, timeout=20_000)
                await tab.until(page, _HEARS)
            captions = [await page.evaluate("captions") for page in (ann, ben)]
            assert captions[0] == captions[1] != []
            assert " ".join(each["text"].strip() for each in captions[0]) == REPLY
            await types(ben, "And who lived there?")
            for page, name in ((ann, "Ben"), (ben, "Ben")):
                line = page.locator("#log li.you", has_text="And who lived there?")
                await expect(line.locator("b")).to_have_text(name)
                await expect(page.locator("#log li.persona", has_text=REPLY)).to_have_count(2, timeout=20_000)
        # Ben has closed his browser, and the conversation goes on.
        await types(ann, "Where was that house?")
        await expect(ann.locator("#log li.persona", has_text=REPLY)).to_have_count(3, timeout=20_000)
        await expect(ann.locator("body")).to_have_attribute("data-screen", "live")


async def test_what_one_says_is_seen_by_the_other_who_stays_when_that_one_goes(
    chromium: Browser, gateway: GatewayProcess
) -> None:
    async with browser_of(chromium, f"{gateway.url}?greeting=0") as ann:
        async with browser_of(chromium, await invitation(ann), name="Ben", start="#start-talking") as ben:
            # The browser's microphone beeps, which the script takes for words.
            heard = ann.locator("#log li.other b", has_text="Ben")
            await expect(heard.first).to_be_visible(timeout=20_000)
            await ben.click("#mute")
            await ann.click("#leave")
            await expect(ann.get_by_role("heading", name="Goodbye")).to_be_visible()
            await expect(ben.locator("#company")).to_be_hidden()
            replies = await ben.locator("#log li.persona").count()
            await types(ben, "Are you still there?")
            await expect(ben.locator("#log li.persona").nth(replies)).to_be_visible(timeout=20_000)


async def test_an_invitation_into_a_conversation_that_is_over_says_so(chromium: Browser, gateway: GatewayProcess) -> None:
    async with browser_of(chromium, gateway.url) as ann:
        address = await invitation(ann)
        await ann.click("#leave")
        await expect(ann.get_by_role("heading", name="Goodbye")).to_be_visible()
    context = await chromium.new_context()
    page = await context.new_page()
    await page.goto(address)
    await page.click("#start-typing")
    await expect(page.get_by_role("heading", name="This conversation is not here")).to_be_visible()
    await expect(page.locator("#refused-text")).to_contain_text("This conversation is over, or it is not on this server")
    await page.click("#give-up")
    await page.click("#start-typing")
    await tab.live(page)
    await context.close()
