"""A real Chromium talks with the real system: what it is told, hears, sees, and survives."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import jiwer
import numpy as np
import pytest
import soundfile
from playwright.async_api import Page, async_playwright
from whisper_normalizer.english import EnglishTextNormalizer

from bench.asr.recognising import recognise
from bench.web import decoded
from environment import ROOT
from services.asr.engine import Engine
from services.asr.engines import ENGINES
from services.common import registry
from services.common.settings import SharedSettings
from tests.harness.chromium import FLAGS
from tests.harness.data import BENCH, SPEECH
from tests.harness.system import System

QUESTION: Final = SPEECH / "whatstheweatherlike.wav"
#: Somebody in a meeting, who agrees.
YEAH: Final = BENCH / "scenarios/yeah.flac"
PICTURES: Final = ROOT / "out/browser"
WAIT_MS: Final = 60_000
#: Pictures shown so far, and the seconds that have passed in the video.
_QUALITY: Final = "[video.getVideoPlaybackQuality().totalVideoFrames, video.currentTime]"

#: Keeps the longest time for which the page has shown one picture.
_WATCH_STILLNESS: Final = """() => {
    window.longestStillMs = 0;
    let at = performance.now();
    const look = (now) => {
        longestStillMs = Math.max(longestStillMs, now - at);
        at = now;
        video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
}"""

#: Keeps the states of the floor that the page shows, in their order.
_WATCH_FLOOR: Final = """() => {
    window.floors = [];
    const frame = document.querySelector("#frame");
    const note = () => floors.push(frame.dataset.floor);
    new MutationObserver(note).observe(frame, { attributeFilter: ["data-floor"] });
}"""

#: A network that lets no UDP through, as a page sees it: nothing but a relay would do, and there is none.
_NO_UDP: Final = """
    const Peer = window.RTCPeerConnection;
    window.RTCPeerConnection = class extends Peer {
      constructor(wishes) { super({ ...wishes, iceTransportPolicy: "relay" }); }
    };
"""


@asynccontextmanager
async def talking(
    system: System, *, microphone: Path | None = None, script: str = "", greeting: bool = False
) -> AsyncIterator[Page]:
    """A page in a conversation with the system. Without a recording its microphone says what `benchSay` is given."""
    args = list(FLAGS)
    if microphone:
        args.append(f"--use-file-for-fake-audio-capture={microphone}%noloop")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=args)
        context = await browser.new_context(permissions=["microphone"], viewport={"width": 1440, "height": 900})
        if microphone is None:
            await context.add_init_script(path=ROOT / "bench/web_page.js")
        if script:
            await context.add_init_script(script)
        page = await context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        try:
            await page.goto(f"http://localhost:{system.settings['gateway'].port}/?greeting={int(greeting)}")
            await page.get_by_role("button", name="Start talking").click()
            await page.wait_for_selector("body[data-screen=live]", timeout=WAIT_MS)
            await page.wait_for_function("() => video.getVideoPlaybackQuality().totalVideoFrames > 5", timeout=WAIT_MS)
            yield page
            assert not faults
        finally:
            await browser.close()


async def lines(page: Page, who: str) -> list[str]:
    """What one side has said, as the log has it."""
    return [await item.inner_text() for item in await page.locator(f"#log li.{who} span").all()]


async def said(page: Page, who: str, count: int) -> str:
    """The newest contribution of one side, when there are so many."""
    await page.wait_for_function(f"() => document.querySelectorAll('#log li.{who}').length >= {count}", timeout=WAIT_MS)
    return (await lines(page, who))[-1]


async def write(page: Page, text: str) -> None:
    await page.locator("#words").fill(text)
    await page.keyboard.press("Enter")


async def picture(page: Page, name: str) -> None:
    """Kept for a look."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=PICTURES / f"{name}.png")


@pytest.fixture(scope="module")
def ears() -> Any:
    """The recogniser itself, to hear what the page plays."""
    engine: Engine = registry.load(registry.find(ENGINES, "whisper", "ASR_ENGINE"), SharedSettings())
    engine.load()
    yield engine
    engine.close()


async def test_a_recorded_question_is_heard_and_a_face_answers(real: System, tmp_path: Path) -> None:
    sound, rate = soundfile.read(QUESTION, dtype="float32")
    at = np.arange(len(sound) * 48_000 // rate) * rate / 48_000
    louder = np.interp(at, np.arange(len(sound)), sound).astype(np.float32)
    # Long enough for the page to be connected and the greeting to begin.
    spoken = np.concatenate([np.zeros(8 * 48_000, np.float32), louder, np.zeros(30 * 48_000, np.float32)])
    soundfile.write(tmp_path / "question.wav", spoken, 48_000, subtype="PCM_16")
    async with talking(real, microphone=tmp_path / "question.wav") as page:
        await page.evaluate(_WATCH_STILLNESS)
        heard = await said(page, "you", 1)
        assert "weather like" in heard.lower()
        before, began = await page.evaluate(_QUALITY)
        await page.wait_for_selector("#log li.persona:last-child", timeout=WAIT_MS)
        await picture(page, "answered")
        frames, now = await page.evaluate(_QUALITY)
        # How many of the 25 a second a browser without a GPU can show beside all services is a matter of the machine, which
        # bench-web measures. That they never stop, and are never sent faster, is not.
        assert 0 < (frames - before) / (now - began) <= 27
        assert await page.evaluate("longestStillMs") < 2000


async def test_what_the_page_plays_is_the_reply(real: System, ears: Engine) -> None:
    async with talking(real) as page:
        recording = page.evaluate("benchRecord(9000)")
        await write(page, "Where did you grow up?")
        sound = decoded(base64.b64decode(await recording))
        await page.keyboard.press("Escape")
        reply = await said(page, "persona", 1)
        normalise = EnglishTextNormalizer()
        wrong = jiwer.wer(normalise(reply), normalise(await recognise(ears, sound)))
        assert wrong < 0.35, reply


async def test_speaking_over_it_stops_it(real: System) -> None:
    async with talking(real) as page:
        await write(page, "Tell me the whole story of how you became a piano tuner.")
        await page.wait_for_selector("#frame[data-floor=speaking]", timeout=WAIT_MS)
        sound, _ = soundfile.read(QUESTION, dtype="int16")
        await page.evaluate("(pcm) => benchSay(pcm)", base64.b64encode(sound.tobytes()).decode())
        await page.wait_for_selector("#log li.persona em", timeout=WAIT_MS)
        assert "weather" in (await said(page, "you", 2)).lower()
        await picture(page, "interrupted")


async def test_a_yeah_is_taken_note_of_and_nothing_of_the_reply_is_lost(real: System, ears: Engine) -> None:
    async with talking(real) as page:
        await page.evaluate(_WATCH_FLOOR)
        await write(page, "Where did you grow up?")
        await page.wait_for_selector("#frame[data-floor=speaking]", timeout=WAIT_MS)
        recording = asyncio.create_task(page.evaluate("benchRecord(9000)"))
        # As loud as somebody at their own microphone: in that meeting it was across the table.
        sound = np.clip(4.0 * soundfile.read(YEAH, dtype="int16")[0], -32768, 32767).astype(np.int16)
        await page.wait_for_timeout(1500)
        await page.evaluate("(pcm) => benchSay(pcm)", base64.b64encode(sound.tobytes()).decode())
        played = decoded(base64.b64decode(await recording))
        floors = await page.evaluate("floors.filter((floor, at) => floor !== floors[at - 1])")
        await page.keyboard.press("Escape")
        reply = await said(page, "persona", 1)
        assert floors[floors.index("speaking") :][:3] == ["speaking", "paused", "speaking"], floors
        assert len(await lines(page, "persona")) == 1
        normalise = EnglishTextNormalizer()
        assert jiwer.wer(normalise(reply), normalise(await recognise(ears, played))) < 0.35, reply


async def test_a_gateway_that_is_killed_costs_a_moment_and_not_the_conversation(real: System) -> None:
    async with talking(real) as page:
        await write(page, "My name is Ana.")
        await said(page, "persona", 1)
        real.kill("gateway")
        await page.wait_for_selector("body[data-screen=reconnecting]", timeout=WAIT_MS)
        await picture(page, "lost")
        real.restart("gateway")
        await page.wait_for_selector("body[data-screen=live]", timeout=WAIT_MS)
        count = len(await lines(page, "persona"))
        await write(page, "What is my name?")
        reply = await said(page, "persona", count + 1)
        assert "Ana" in reply, await lines(page, "you") + await lines(page, "persona")


async def test_without_udp_it_goes_on_by_websocket_and_says_so(real: System) -> None:
    async with talking(real, script=_NO_UDP, greeting=True) as page:
        assert (await page.evaluate("vivantStats()"))["transport"] == "WebSocket"
        await picture(page, "websocket")
        # The greeting comes when somebody can hear it.
        assert await said(page, "persona", 1)
        await write(page, "Where did you grow up?")
        assert await said(page, "persona", 2)
        assert "WebRTC" in await page.inner_text("body")
