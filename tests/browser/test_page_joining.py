"""A conversation of several: the invitation, who is there, and who said what."""

from __future__ import annotations

import json
from typing import Any

from playwright.async_api import Page, expect

from tests.harness.page import scenes
from tests.harness.page.standin import StandIn
from tests.harness.page.tab import live


def says(standin: StandIn, number: int, who: str, text: str, **fields: Any) -> None:
    said = {"participant_id": who, "text": text, "stable_text": "", "final": True, "typed": False}
    standin.send("transcript", utterance_id=f"u{number}", **(said | fields))


async def names(page: Page) -> list[str]:
    return await page.locator("#log li b").all_text_contents()


async def test_whoever_is_invited_joins_under_a_name_that_is_remembered(page: Page, standin: StandIn) -> None:
    await scenes.invited(page, standin)
    await expect(page.locator("#invited")).to_contain_text("You are invited into a conversation")
    await expect(page.locator("#start-starters")).to_be_hidden()
    await page.get_by_role("textbox", name="Your name").fill(" Ben ")
    await page.click("#start-typing")
    await live(page)
    assert (standin.offers[-1]["join"], standin.offers[-1]["name"]) == ("conversation-1", "Ben")
    # Who comes back finds the others by the conversation.
    await standin.hang_up()
    await standin.until(lambda: len(standin.offers) > 1)
    assert (standin.offers[-1]["join"], standin.offers[-1]["conversation_id"]) == ("", "conversation-1")
    await page.reload()
    await expect(page.get_by_role("textbox", name="Your name")).to_have_value("Ben")


async def test_a_conversation_that_is_over_is_said_to_be_and_another_can_begin(page: Page, standin: StandIn) -> None:
    standin.script.refuse = (404, "unknown_conversation", "this conversation is over, or it is not on this server")
    await scenes.invited(page, standin)
    await page.click("#start-typing")
    await expect(page.get_by_role("heading", name="This conversation is not here")).to_be_visible()
    await expect(page.locator("#refused-text")).to_have_text("This conversation is over, or it is not on this server.")
    await expect(page.locator("#retry")).to_be_hidden()
    standin.script.refuse = None
    await page.click("#give-up")
    await expect(page.locator("#invited")).to_be_hidden()
    await expect(page.locator("#start-starters")).to_be_visible()
    await page.click("#start-typing")
    await live(page)
    assert standin.offers[-1]["join"] == ""
    assert "join" not in page.url


async def test_the_invitation_leads_into_the_conversation_that_is_going_on(page: Page, standin: StandIn) -> None:
    await scenes.start(page, standin)
    await page.click("#open-share")
    await expect(page.locator("#invite")).to_be_hidden()
    await page.keyboard.press("Escape")
    await page.click("#start-typing")
    await live(page)
    await page.click("#open-share")
    await page.click("#copy-invite")
    await expect(page.locator("#copy-invite")).to_have_text("Copied")
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied == f"{standin.url}?persona=june&join=conversation-1"


async def test_everybody_has_a_name_or_a_number_and_ids_are_never_shown(page: Page, standin: StandIn) -> None:
    await scenes.joined(page, standin)
    await expect(page.locator("#company")).to_have_text("Also here: Ann, Person 2")
    await expect(page.locator("#you")).to_have_text("Ann Where did you grow up?")
    says(standin, 2, "me", "Yes, where?")
    says(standin, 3, "p2", "By the sea?")
    says(standin, 4, "x9", "Hello!")
    await expect(page.locator("#company")).to_have_text("Also here: Ann, Person 2, Person 4")
    assert await names(page) == ["Ann", "You", "Person 2", "Person 4"]
    await expect(page.locator("#log li.other")).to_have_count(3)
    # A name that comes later holds for what was said before.
    standin.send("participant", id="x9", name="Cleo")
    await expect(page.locator("#company")).to_have_text("Also here: Ann, Person 2, Cleo")
    assert await names(page) == ["Ann", "You", "Person 2", "Cleo"]
    for part in ("p1", "p2", "x9"):
        assert part not in await page.evaluate("document.body.innerText")


async def test_a_voice_that_turns_out_to_be_somebody_known_is_that_one(page: Page, standin: StandIn) -> None:
    await scenes.joined(page, standin)
    says(standin, 2, "x9", "It is me again.")
    says(standin, 3, "x8", "And me.", final=False)
    await expect(page.locator("#you-name")).to_have_text("Person 5")
    standin.send("relabel", from_id="x9", to_id="p1")
    standin.send("relabel", from_id="x8", to_id="me")
    await expect(page.locator("#you-name")).to_have_text("You")
    await expect(page.locator("#company")).to_have_text("Also here: Ann, Person 2")
    assert await names(page) == ["Ann", "Ann"]


async def test_what_is_kept_says_who_spoke(page: Page, standin: StandIn) -> None:
    await scenes.joined(page, standin)
    says(standin, 2, "me", "Yes, where?", typed=True)
    await expect(page.locator("#log li")).to_have_count(2)
    if await page.get_attribute("#open-log", "aria-expanded") == "false":
        await page.click("#open-log")
    async with page.expect_download() as download:
        await page.click("[data-save=json]")
    kept = json.loads((await (await download.value).path()).read_text("utf-8"))
    assert [(line["who"], line["name"], line["text"]) for line in kept["lines"]] == [
        ("other", "Ann", "Where did you grow up?"),
        ("you", "You", "Yes, where?"),
    ]


async def test_a_name_of_ones_own_is_told_at_once_and_shown(page: Page, standin: StandIn) -> None:
    await scenes.listening(page, standin)
    await page.click("#open-settings")
    await page.fill("#name", "Ann")
    await page.press("#name", "Tab")
    await standin.until(lambda: bool(standin.of_type("name")))
    assert standin.of_type("name") == [{"type": "name", "name": "Ann"}]
    standin.send("participant", id="me", name="Ann")
    says(standin, 1, "me", "Hello.")
    await expect(page.locator("#you-name")).to_have_text("Ann")


async def test_what_somebody_else_types_is_not_taken_for_what_was_typed_here(page: Page, standin: StandIn) -> None:
    """What was typed and not heard when a connection is lost is said again on the next one."""
    await scenes.joined(page, standin)
    await page.fill("#words", "How old are you?")
    await page.keyboard.press("Enter")
    await standin.until(lambda: bool(standin.of_type("text")))
    says(standin, 2, "p1", "And where is that?", typed=True)
    await expect(page.locator("#log li")).to_have_count(2)
    await standin.hang_up()
    await standin.until(lambda: len(standin.of_type("text")) == 2)
    assert [each["text"] for each in standin.of_type("text")] == ["How old are you?"] * 2
