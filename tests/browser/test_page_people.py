"""Who can be talked to, and that all of the page can be seen and touched."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect

from tests.harness.page import scenes
from tests.harness.page.people import JUNE, WALT
from tests.harness.page.standin import StandIn

TOUCHED = (scenes.start_two, scenes.founded, scenes.settings, scenes.share)


# --- who is there ---


async def test_the_person_that_is_set_is_there_and_then_the_one_that_was_chosen(page: Page, standin: StandIn) -> None:
    standin.script.personas = [JUNE, WALT]
    standin.script.persona = "walt"
    await scenes.start(page, standin)
    await expect(page.locator("#start-name")).to_have_text("Walt Merrow")
    await page.get_by_role("radio", name="Walt Merrow").focus()
    await page.keyboard.press("ArrowLeft")
    await expect(page.locator("#start-name")).to_have_text("June Merrow")
    await expect(page.get_by_role("radio", name="June Merrow")).to_be_focused()
    await page.reload()
    await expect(page.locator("#start-name")).to_have_text("June Merrow")
    await page.goto(f"{standin.url}?persona=walt")
    await expect(page.locator("#start-name")).to_have_text("Walt Merrow")
    standin.script.personas = [WALT]
    await page.goto(standin.url)
    await expect(page.locator("#start-name")).to_have_text("Walt Merrow")


async def test_whoever_is_asked_for_and_not_there_is_said_to_be_not_there(page: Page, standin: StandIn) -> None:
    await page.goto(f"{standin.url}?persona=nobody")
    await expect(page.locator(".notice")).to_contain_text("There is nobody called “nobody” here.")
    await expect(page.locator("#start-name")).to_have_text("June Merrow")


async def test_where_nobody_is_there_it_says_so(page: Page, standin: StandIn) -> None:
    standin.script.personas = []
    await page.goto(standin.url)
    await expect(page.get_by_role("heading", name="Nobody is here")).to_be_visible()
    standin.script.personas = [JUNE]
    await expect(page.locator("#start-name")).to_have_text("June Merrow")


async def test_a_portrait_that_failed_is_shown_when_it_can_be_had(page: Page, standin: StandIn) -> None:
    standin.script.personas = [JUNE, WALT]
    standin.script.portraits = False
    await page.goto(standin.url)
    await expect(page.locator("#start-name")).to_be_visible()
    await expect(page.locator("#portrait")).to_be_hidden()
    standin.script.portraits = True
    await expect(page.locator("#portrait")).to_be_visible()
    await expect(page.locator("#people img").first).to_be_visible()
    await expect(page.locator("#people img").last).to_be_visible()


@pytest.mark.parametrize(("places", "says"), [(4, "talks to 4 people at once"), (1, "talks to one person at a time")])
async def test_a_full_server_says_how_many_it_talks_to(page: Page, standin: StandIn, places: int, says: str) -> None:
    await scenes.start(page, standin)
    # What it says when it is asked again is what counts.
    standin.script.places = places
    standin.script.refuse = (429, "full", "All places are taken.")
    await page.click("#start-typing")
    await expect(page.locator("#refused-text")).to_contain_text(says)


# --- one screen ---


@pytest.mark.parametrize("size", [(1440, 900), (390, 844), (1280, 720)])
@pytest.mark.parametrize("scene", [scenes.crowded, scenes.greeted, scenes.noticed], ids=lambda scene: scene.__name__)
async def test_the_text_field_stays_in_sight(page: Page, standin: StandIn, size: tuple[int, int], scene: scenes.Scene) -> None:
    await page.set_viewport_size({"width": size[0], "height": size[1]})
    await scene(page, standin)
    for control in ("#words", "#mute", "#stop"):
        await expect(page.locator(control)).to_be_in_viewport(ratio=1)
    assert await page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    face = await page.locator(".face").bounding_box()
    assert face
    assert face["width"] >= 150
    assert abs(face["width"] - face["height"]) < 1


async def test_no_keys_are_told_of_where_one_touches(chromium: Browser, standin: StandIn) -> None:
    context = await chromium.new_context(viewport={"width": 820, "height": 1180}, has_touch=True, is_mobile=True)
    page = await context.new_page()
    await scenes.typing(page, standin)
    await expect(page.locator("#open-keys")).to_be_hidden()
    await expect(page.locator(".keys-hint")).to_be_hidden()
    await context.close()


@pytest.mark.parametrize("scene", TOUCHED, ids=lambda scene: scene.__name__)
async def test_everything_can_be_touched(chromium: Browser, standin: StandIn, scene: scenes.Scene) -> None:
    context = await chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, permissions=["microphone"])
    page = await context.new_page()
    await scene(page, standin)
    small = await page.evaluate("""() => [...document.querySelectorAll("button, summary, select, input, label:has(input)")]
        .filter((each) => each.checkVisibility({ checkOpacity: true }) && !each.closest("label input"))
        .map((each) => [each.id || each.className || each.textContent, each.closest("label") ?? each])
        .map(([name, each]) => [name, each.getBoundingClientRect()])
        .filter(([, { width, height }]) => width > 0 && (width < 40 || height < 40) && width > 1)
        .map(([name, { width, height }]) => `${name}: ${width} x ${height}`)""")
    assert small == []
    await context.close()
