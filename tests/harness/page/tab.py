"""The page as a test handles it: waiting for it, and a browser that lacks something."""

from __future__ import annotations

import asyncio
from typing import Final

from playwright.async_api import Page

from tests.harness.waiting import PATIENCE_S

#: A script that makes the browser one that has no WebRTC.
NO_WEBRTC: Final = "delete window.RTCPeerConnection"


async def live(page: Page) -> None:
    """Waits until the person is there, with a picture."""
    await page.wait_for_selector("body[data-screen=live]")
    await until(page, "document.getElementById('video').videoWidth > 0")


async def until(page: Page, expression: str) -> None:
    """Waits for something to be true in the page. Playwright's own way needs `eval`, which the page's policy forbids."""
    async with asyncio.timeout(PATIENCE_S):
        while not await page.evaluate(expression):  # noqa: ASYNC110 - nothing in the page tells
            await asyncio.sleep(0.02)


async def no_microphone(page: Page, error: str) -> None:
    """The browser answers the page's wish for a microphone with `error`."""
    await page.add_init_script(f"navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', '{error}'))")
