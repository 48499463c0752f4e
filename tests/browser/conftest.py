"""A real Chromium, and the scripted gateway of the page's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, async_playwright

from tests.harness.chromium import FLAGS
from tests.harness.page.standin import StandIn, only_loopback


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """Headless, with a microphone that beeps."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def standin(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    """A gateway that does what the test says."""
    import aioice.ice

    monkeypatch.setattr(aioice.ice, "get_host_addresses", aioice.ice.get_host_addresses)
    only_loopback()
    server = StandIn()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def page(chromium: Browser) -> AsyncIterator[Page]:
    """A desktop's page. Nothing may stand in its console at the end, but refused requests where a test provokes them."""
    context = await chromium.new_context(
        viewport={"width": 1440, "height": 900}, permissions=["microphone", "clipboard-read", "clipboard-write"]
    )
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    await context.close()
    provoked = ("Failed to load resource", "WebSocket connection to")
    assert not [text for text in complaints if not text.startswith(provoked)]
