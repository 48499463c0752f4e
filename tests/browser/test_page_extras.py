"""What the page offers beside the talk itself: questions to begin with, captions, the picture elsewhere, sharing."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.harness.page import scenes, tab
from tests.harness.page.people import JUNE, WALT
from tests.harness.page.standin import StandIn

# --- questions to begin with ---


async def test_a_question_to_begin_with_starts_the_talk(page: Page, standin: StandIn) -> None:
    await scenes.start(page, standin)
    await expect(page.locator("#start-starters button")).to_have_text(JUNE["starters"])
    await page.get_by_role("button", name="Tell me about the goose.").click()
    await standin.until(lambda: bool(standin.of_type("text")))
    assert standin.of_type("text") == [{"type": "text", "text": "Tell me about the goose."}]
    [offer] = standin.offers
    assert offer["greeting"] is False, "a greeting would be cut off"
    assert "a=sendrecv" not in offer["sdp"]


async def test_in_a_talk_they_are_there_until_something_was_said(page: Page, standin: StandIn) -> None:
    await scenes.greeted(page, standin)
    await page.locator("#live-starters").get_by_text("Are you a real person?").click()
    await standin.until(lambda: bool(standin.of_type("text")))
    standin.send(
        "transcript",
        utterance_id="u1",
        participant_id="me",
        final=True,
        text="Are you a real person?",
        stable_text="",
        typed=True,
    )
    await expect(page.locator("#live-starters")).to_be_hidden()
    await expect(page.locator("#words")).to_be_focused()


async def test_who_has_none_is_given_none(page: Page, standin: StandIn) -> None:
    standin.script.personas = [WALT]
    await scenes.start(page, standin)
    await expect(page.locator("#start-starters")).to_be_hidden()
    await page.click("#start-typing")
    await tab.live(page)
    await expect(page.locator("#live-starters")).to_be_hidden()


# --- captions ---


async def test_captions_can_be_switched_off_and_stay_off(page: Page, standin: StandIn) -> None:
    await scenes.speaking(page, standin)
    switch = page.get_by_role("button", name="Captions")
    await expect(switch).to_have_attribute("aria-pressed", "true")
    await expect(page.locator("#reply")).to_be_visible()
    await switch.click()
    await expect(switch).to_have_attribute("aria-pressed", "false")
    await expect(page.locator("#reply")).to_be_hidden()
    await expect(page.locator("#you")).to_be_hidden()
    await page.reload()
    await page.click("#start-talking")
    await tab.live(page)
    standin.send("caption", turn_id=1, text=scenes.REPLY, words=scenes.WORDS)
    standin.send("state", state="speaking", turn_id=1)
    standin.send_clock(turn_id=1, turn_ms=1500)
    await expect(page.locator("#reply .begun")).not_to_have_count(0)
    await expect(page.locator("#reply")).to_be_hidden()
    await page.fill("#words", "Half")
    await page.keyboard.press("Alt+c")
    await expect(page.locator("#reply")).to_be_visible()
    await expect(page.locator("#words")).to_have_value("Half")


async def test_a_reply_without_a_voice_is_shown_even_then(page: Page, standin: StandIn) -> None:
    await scenes.captionless(page, standin)
    await expect(page.locator("#reply")).to_be_hidden()
    standin.send("caption", turn_id=2, text="I have lost my voice.", words=[])
    await expect(page.locator("#reply")).to_be_visible()
    await expect(page.locator("#reply")).to_have_text("I have lost my voice. ")


# --- the picture ---


async def test_the_stage_fills_the_screen_and_comes_back(page: Page, standin: StandIn) -> None:
    await scenes.listening(page, standin)
    await page.get_by_role("button", name="Full screen").click()
    await tab.until(page, "document.fullscreenElement?.id === 'stage'")
    await expect(page.get_by_role("button", name="Leave the full screen")).to_be_visible()
    await expect(page.locator("#words")).to_be_in_viewport()
    await page.click("#whole")
    await tab.until(page, "!document.fullscreenElement")
    await page.click("#whole")
    await tab.until(page, "document.fullscreenElement !== null")
    standin.send("bye", reason="idle", message="Nobody has spoken for a while.")
    await tab.until(page, "!document.fullscreenElement")


async def test_a_small_window_where_the_browser_has_one(page: Page, standin: StandIn) -> None:
    # A browser without a screen has no windows to float.
    await page.add_init_script("""
        const define = (target, name, value) => Object.defineProperty(target, name, { configurable: true, ...value });
        let inside = null;
        define(Document.prototype, "pictureInPictureEnabled", { get: () => true });
        define(Document.prototype, "pictureInPictureElement", { get: () => inside });
        HTMLVideoElement.prototype.requestPictureInPicture = async function () {
            inside = this;
            this.dispatchEvent(new Event("enterpictureinpicture"));
        };
        Document.prototype.exitPictureInPicture = async () => {
            const video = inside;
            inside = null;
            video.dispatchEvent(new Event("leavepictureinpicture"));
        };
    """)
    await scenes.listening(page, standin)
    await page.get_by_role("button", name="Small window").click()
    await tab.until(page, "document.pictureInPictureElement?.id === 'video'")
    await page.get_by_role("button", name="Back from the small window").click()
    await tab.until(page, "document.pictureInPictureElement === null")
    await page.click("#floating")
    await page.click("#leave")
    await tab.until(page, "document.pictureInPictureElement === null")


async def test_a_browser_that_cannot_has_no_buttons_for_it(page: Page, standin: StandIn) -> None:
    await page.add_init_script("""
        for (const name of ["fullscreenEnabled", "pictureInPictureEnabled"])
            Object.defineProperty(Document.prototype, name, { get: () => false });
    """)
    await scenes.listening(page, standin)
    await expect(page.locator("#whole")).to_be_hidden()
    await expect(page.locator("#floating")).to_be_hidden()
    await expect(page.locator("#captions")).to_be_visible()


async def test_what_the_browser_refuses_is_said(page: Page, standin: StandIn) -> None:
    await page.add_init_script("Element.prototype.requestFullscreen = () => Promise.reject(new TypeError('no'))")
    await scenes.listening(page, standin)
    await page.click("#whole")
    await expect(page.locator(".notice")).to_contain_text("does not let this page fill the screen")


# --- passing it on ---


async def test_a_link_leads_to_the_same_person(page: Page, standin: StandIn) -> None:
    standin.script.personas = [JUNE, WALT]
    await scenes.start(page, standin)
    await page.get_by_label("Walt Merrow").check(force=True)
    await page.click("#open-share")
    await expect(page.get_by_role("heading", name="Share Walt")).to_be_visible()
    await page.click("#copy-link")
    await expect(page.locator("#copy-link")).to_have_text("Copied")
    await expect(page.locator("#announcer")).to_have_text("Copied.")
    link = await page.evaluate("navigator.clipboard.readText()")
    assert link == f"{standin.url}?persona=walt"
    await expect(page.locator("#share-here")).to_be_visible()
    await page.evaluate("localStorage.clear()")
    await page.goto(link)
    await expect(page.get_by_role("heading", name="Walt Merrow")).to_be_visible()


async def test_the_lines_for_another_page_put_the_person_there(page: Page, standin: StandIn) -> None:
    await scenes.share(page, standin)
    await page.locator("#copy-embed").click()
    await expect(page.locator("#copy-embed")).to_have_text("Copied")
    lines = await page.evaluate("navigator.clipboard.readText()")
    address = standin.url.rstrip("/")
    assert lines.splitlines() == [
        f'<script type="module" src="{address}/vivant-person.js"></script>',
        f'<vivant-person src="{address}" persona="june" greeting></vivant-person>',
    ]


async def test_where_nothing_may_be_copied_it_is_selected(page: Page, standin: StandIn) -> None:
    await page.add_init_script("navigator.clipboard.writeText = () => Promise.reject(new DOMException('', 'NotAllowedError'))")
    await scenes.share(page, standin)
    await page.click("#copy-link")
    await expect(page.locator("#copy-link")).to_have_text("Selected")
    assert await page.evaluate("link.value.slice(link.selectionStart, link.selectionEnd)") == f"{standin.url}?persona=june"
