"""What who starts the containers has: a conversation, a page, a system that mends itself, engines that can be swapped."""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from typing import Final

import pytest
from playwright.async_api import async_playwright

import vivant
from tests.harness.chromium import FLAGS
from tests.harness.containers import Containers
from tests.harness.talk import conversation

pytestmark = [pytest.mark.containers, pytest.mark.timeout(2400)]

_log = logging.getLogger(__name__)

SERVICES: Final = ("asr", "turn", "llm", "tts", "face", "orchestrator", "gateway")
QUESTION: Final = "Where did you grow up?"
VIDEO: Final = vivant.Video("vp8", 256)
#: What one image adds to Python's, which has some 125 MB: limits, so that nothing large gets in unnoticed.
MOST_MB: Final = {"face": 760}
USUAL_MB: Final = 525


async def test_a_question_is_answered_with_voice_and_face(containers: Containers) -> None:
    began = time.monotonic()
    async with conversation(containers.address, video=VIDEO) as talk:
        turn = await talk.ask(QUESTION)
        assert "Tansy Harbor" in turn.heard_text
        assert len(talk.voice(turn.turn_id)) > 24_000
        assert any(unit.frame for unit in talk.of(vivant.Unit) if unit.turn_id == turn.turn_id)
    _log.info("up_s %.0f, from `up` to the end of the first answer", containers.up_s + time.monotonic() - began)


async def test_the_page_shows_the_answer(containers: Containers) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = await (await browser.new_context(permissions=["microphone"])).new_page()
        await page.goto(f"http://localhost:{containers.page_port}/?greeting=0")
        await page.get_by_role("button", name="Start talking").click()
        await page.wait_for_selector("body[data-screen=live]", timeout=60_000)
        await page.locator("#words").fill(QUESTION)
        await page.keyboard.press("Enter")
        reply = page.locator("#log li.persona span").last
        await reply.wait_for(timeout=60_000)
        assert "Tansy Harbor" in await reply.inner_text()
        await browser.close()


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_may_do_no_more_than_it_must(containers: Containers, name: str) -> None:
    found = containers.inspect(name)
    assert found["Config"]["User"] == "vivant"
    host = found["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert not host["Privileged"]
    told = containers.docker("exec", found["Id"], "sh", "-c", "command -v gcc cc g++ make || echo none")
    assert told.strip() == "none"


@pytest.mark.parametrize("name", (*SERVICES, "models"))
def test_an_image_is_no_larger_than_it_must_be(containers: Containers, name: str) -> None:
    image, base = (
        json.loads(containers.docker("image", "inspect", which))[0]
        for which in (containers.inspect(name)["Image"], "python:3.11-slim")
    )
    assert (image["Size"] - base["Size"]) / 1e6 <= MOST_MB.get(name, USUAL_MB)


async def test_a_service_that_is_killed_comes_back_and_costs_its_ability_alone(containers: Containers) -> None:
    async with conversation(containers.address) as talk:
        await talk.ask(QUESTION)
        before = containers.inspect("tts")
        since = talk.mark
        os.kill(before["State"]["Pid"], signal.SIGKILL)
        killed = time.monotonic()
        mute = await talk.ask("What do you do for a living?")
        assert mute.full_text
        # Whether it has a voice again shows when it speaks; it is asked until it does.
        while not len(talk.voice(mute.turn_id)):
            assert time.monotonic() - killed < 60
            mute = await talk.ask("And what do you like about it?")
        back_s = time.monotonic() - killed
        await talk.notice("tts_unavailable", since)
        await talk.notice("tts_restored", since)
    assert containers.inspect("tts")["State"]["Pid"] != before["State"]["Pid"]
    _log.info("back_s %.1f, from the end of the tts to its next word", back_s)


async def test_one_variable_swaps_one_engine(containers: Containers) -> None:
    before = await engines(containers)
    containers.compose("up", "--detach", "--no-build", TTS_ENGINE="kokoro")
    await containers.until_ready()
    assert await engines(containers) == before | {"tts": "kokoro"}
    async with conversation(containers.address) as talk:
        turn = await talk.ask(QUESTION)
        assert len(talk.voice(turn.turn_id)) > 24_000


async def engines(containers: Containers) -> dict[str, str]:
    """By service."""
    async with vivant.connect(containers.address) as client:
        info = await client.info()
    return {item.service: item.info.engine for item in info.components if item.info}
