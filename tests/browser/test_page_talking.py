"""A conversation on the page: what it sends, what it shows, and when."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.harness.page import scenes, tab
from tests.harness.page.standin import WEB, StandIn

#: Clocks, all known 500 ms before they are heard, and when to ask for which turn -> positions.
_BY_CLOCKS = """async ([clocks, asked]) => {
    const { Playhead } = await import("./playhead.js");
    const playhead = new Playhead();
    return asked.map(([at, turn]) => {
        const elapsed = ({ ms }) => at - ms;
        while (clocks.length && clocks[0][0] <= at + 500) {
            const [ms, turn_id, turn_ms] = clocks.shift();
            playhead.feed({ type: "clock", ms, turn_id, turn_ms }, at, elapsed, 100);
        }
        return playhead.turnMs(turn, at, elapsed);
    });
}"""
#: States, and when to ask; sound is heard 100 ms after it was sent -> positions.
_BY_STATES = """async ([states, asked]) => {
    const { Playhead } = await import("./playhead.js");
    const playhead = new Playhead();
    const unknown = () => null;
    return asked.map((at) => {
        while (states.length && states[0][0] <= at) {
            const [now, state] = states.shift();
            playhead.feed({ type: "state", state, turn_id: 1 }, now, unknown, 100);
        }
        return playhead.turnMs(1, at, unknown);
    });
}"""

#: Offsets of sound and picture, second by second -> by how much the sound is held back.
_TRIMMED = """async (offsets) => {
    const { Trim } = await import("./lip-sync.js");
    const trim = new Trim();
    return offsets.map((offset) => trim.note(offset) || 0);
}"""


async def test_the_microphone_and_the_persona_are_offered(page: Page, standin: StandIn) -> None:
    await scenes.listening(page, standin)
    [offer] = standin.offers
    assert offer["persona"] == "june"
    assert offer["greeting"] is True
    assert offer["token"] == offer["conversation_id"] == ""
    assert "a=sendrecv" in offer["sdp"]
    assert "a=candidate" in offer["sdp"]
    await expect(page.locator("#mute")).to_have_attribute("aria-pressed", "false")


async def test_who_types_offers_no_microphone(page: Page, standin: StandIn) -> None:
    await scenes.typing(page, standin)
    assert "a=sendrecv" not in standin.offers[0]["sdp"]
    await page.keyboard.press("Enter")
    await standin.until(lambda: bool(standin.of_type("text")))
    assert standin.of_type("text") == [{"type": "text", "text": "What do you do in the winter?"}]
    await expect(page.locator("#words")).to_have_value("")


async def test_a_microphone_can_join_later_in_the_same_conversation(page: Page, standin: StandIn) -> None:
    await scenes.typing(page, standin)
    await page.click("#mute")
    await standin.until(lambda: len(standin.offers) == 2)
    assert "a=sendrecv" in standin.offers[1]["sdp"]
    assert standin.offers[1]["token"] == "token-1"
    assert standin.offers[1]["greeting"] is False
    await tab.live(page)


async def test_what_was_played_is_reported(page: Page, standin: StandIn) -> None:
    await scenes.listening(page, standin)
    await standin.until(lambda: len(standin.of_type("played")) >= 3)
    first, *_, last = (message["audio_rtp"] for message in standin.of_type("played"))
    assert 0 < (last - first) % 2**32 < 60 * 48_000


async def test_words_appear_as_they_are_spoken(page: Page, standin: StandIn) -> None:
    await scenes.thinking(page, standin)
    standin.send("caption", turn_id=1, text="In a", words=[["In", 0, 100], ["a", 120, 200]])
    standin.send("caption", turn_id=1, text="white house.", words=[["white", 210, 400], ["house.", 600_000, 600_400]])
    standin.send("state", state="speaking", turn_id=1)
    standin.send_clock(turn_id=1, turn_ms=0)
    await expect(page.locator("#reply .begun")).to_have_text(["In", "a", "white"])
    standin.send_clock(turn_id=1, turn_ms=600_000)
    await expect(page.locator("#reply .begun")).to_have_text(["In", "a", "white", "house."])
    await expect(page.locator("#log li")).to_have_count(1)
    standin.send("turn", turn_id=1, heard_text="In a white house.", full_text="In a white house.", interrupted=False)
    await expect(page.locator("#log li").last).to_have_text("June In a white house.")


async def test_a_pause_holds_the_words(page: Page, standin: StandIn) -> None:
    await scenes.paused(page, standin)
    await a_second(standin)
    begun = await page.locator("#reply .begun").count()
    assert 8 <= begun < len(scenes.WORDS)
    await a_second(standin)
    assert await page.locator("#reply .begun").count() == begun
    standin.send("state", state="speaking", turn_id=1)
    standin.send_clock(turn_id=1, turn_ms=begun * 200)
    await expect(page.locator("#reply .begun")).to_have_count(begun + 1)
    standin.send_clock(turn_id=1, turn_ms=60_000)
    await expect(page.locator("#reply .begun")).to_have_count(len(scenes.WORDS))


async def test_the_position_in_a_reply_follows_the_clocks_that_are_heard_and_without_any_the_states(
    page: Page, standin: StandIn
) -> None:
    await scenes.start(page, standin)
    clocks = [[0, 0, 0], [1000, 1, 0], [1400, 0, 0], [3000, 1, 400], [3200, 1, 900], [3300, 0, 0], [5000, 2, 0]]
    asked = [[900, 1], [1100, 1], [1399, 1], [2900, 1], [3050, 1], [3210, 1], [4000, 1], [5020, 2], [5040, 1]]
    heard = await page.evaluate(_BY_CLOCKS, [clocks, asked])
    # Turn 1 is over when it is asked for last.
    assert heard == [None, 100, 399, 399, 450, 910, 910, 20, None]
    states = [[1000, "speaking"], [1500, "paused"], [4000, "speaking"]]
    assert await page.evaluate(_BY_STATES, [states, [1050, 1400, 2000, 3900, 4050, 4300]]) == [-50, 300, 500, 500, 500, 700]


async def a_second(standin: StandIn) -> None:
    """As long as the page needs to tell five times what it has played."""
    count = len(standin.of_type("played"))
    await standin.until(lambda: len(standin.of_type("played")) >= count + 5)


async def test_an_interrupted_reply_keeps_only_what_was_heard(page: Page, standin: StandIn) -> None:
    await scenes.stopped(page, standin)
    await expect(page.locator("#reply")).to_have_class("said persona cut")
    await expect(page.locator("#reply .begun").last).to_have_text("harbor,")
    await expect(page.locator("#log li").last).to_contain_text("by the harbor, – stopped here")
    await expect(page.locator("#floor-text")).to_have_text("Stopped. Listening")


async def test_what_interrupts_a_reply_stands_behind_it(page: Page, standin: StandIn) -> None:
    await scenes.speaking(page, standin)
    standin.send("transcript", utterance_id="u2", participant_id="me", final=True, text="Wait.", stable_text="", typed=False)
    await expect(page.locator("#log li")).to_have_count(2)
    standin.send("turn", turn_id=1, heard_text="In a white", full_text=scenes.REPLY, interrupted=True)
    await expect(page.locator("#log li span")).to_have_text(["Where did you grow up?", "In a white", "Wait."])


async def test_own_words_are_grey_until_they_are_sure(page: Page, standin: StandIn) -> None:
    await scenes.hearing(page, standin)
    await expect(page.locator("#you-stable")).to_have_text("where did you")
    await expect(page.locator("#you-rest")).to_have_text("grow")
    await expect(page.locator("#log li")).to_have_count(0)
    standin.send(
        "transcript",
        utterance_id="u1",
        participant_id="me",
        final=True,
        text="Where did you grow up?",
        stable_text="",
        typed=False,
    )
    await expect(page.locator("#you")).to_have_class("said you final")
    await expect(page.locator("#log li")).to_have_text(["You Where did you grow up?"])


async def test_keys_mute_stop_type_and_help(page: Page, standin: StandIn) -> None:
    await scenes.speaking(page, standin)
    await page.evaluate("document.activeElement.blur()")
    await page.keyboard.press("Space")
    await expect(page.locator("#mute")).to_have_attribute("aria-pressed", "true")
    await page.keyboard.press("Space")
    await expect(page.locator("#mute")).to_have_attribute("aria-pressed", "false")
    await page.keyboard.press("Escape")
    await standin.until(lambda: bool(standin.of_type("interrupt")))
    await page.keyboard.press("?")
    await expect(page.locator("#keys")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#keys")).to_be_hidden()
    assert len(standin.of_type("interrupt")) == 1
    await page.evaluate("document.activeElement.blur()")
    await page.keyboard.type("Hello there")
    await expect(page.locator("#words")).to_have_value("Hello there")


async def test_single_keys_can_be_switched_off(page: Page, standin: StandIn) -> None:
    await scenes.keys(page, standin)
    await page.get_by_label("Single keys do this").uncheck()
    await page.keyboard.press("Escape")
    await page.evaluate("document.activeElement.blur()")
    await page.keyboard.press("Space")
    await page.keyboard.type("hello")
    await expect(page.locator("#mute")).to_have_attribute("aria-pressed", "false")
    await expect(page.locator("#words")).to_have_value("")


async def test_the_stop_button_stops(page: Page, standin: StandIn) -> None:
    await scenes.listening(page, standin)
    await expect(page.get_by_role("button", name="Stop June")).to_be_disabled()
    standin.send("state", state="speaking", turn_id=1)
    await page.get_by_role("button", name="Stop June").click()
    await standin.until(lambda: bool(standin.of_type("interrupt")))


async def test_leaving_is_said_and_can_be_undone(page: Page, standin: StandIn) -> None:
    await scenes.listening(page, standin)
    await page.click("#leave")
    await standin.until(lambda: bool(standin.of_type("leave")))
    await expect(page.get_by_role("heading", name="Goodbye")).to_be_focused()
    await page.click("#again")
    await tab.live(page)
    assert standin.offers[1]["token"] == ""


async def test_the_log_can_be_copied(page: Page, standin: StandIn) -> None:
    await scenes.talked(page, standin)
    await page.get_by_role("button", name="Copy").click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    text = await page.evaluate("navigator.clipboard.readText()")
    assert text.splitlines()[:2] == ["You: Where did you grow up?", f"June Merrow: {scenes.REPLY}"]


async def test_somebody_else_is_a_new_conversation(page: Page, standin: StandIn) -> None:
    await scenes.settings(page, standin)
    await page.select_option("#persona", "walt")
    await standin.until(lambda: len(standin.offers) == 2)
    assert standin.offers[1]["persona"] == "walt"
    assert standin.offers[1]["token"] == ""


async def test_choices_of_light_and_size_are_remembered(page: Page, standin: StandIn) -> None:
    await scenes.settings(page, standin)
    await page.get_by_label("Dark").check(force=True)
    await page.get_by_label("Largest").check(force=True)
    await page.reload()
    root = page.locator("html")
    await expect(root).to_have_attribute("data-theme", "dark")
    await expect(root).to_have_attribute("data-size", "150")


async def test_it_says_what_it_is(page: Page, standin: StandIn) -> None:
    await scenes.listening(page, standin)
    await page.get_by_role("button", name="June is an AI").click()
    await expect(page.get_by_role("dialog")).to_contain_text("June Merrow is an AI")
    await expect(page.get_by_role("dialog")).to_contain_text("nobody real is portrayed")


async def test_numbers_for_the_curious(page: Page, standin: StandIn) -> None:
    await scenes.speaking(page, standin)
    standin.send_clock(turn_id=1, turn_ms=1500)
    await tab.until(page, "vivantStats().then((stats) => stats.heard_at.length && stats.av_offset_ms !== null)")
    stats = await page.evaluate("vivantStats()")
    assert stats["transport"] == "WebRTC"
    assert stats["fps"] > 0
    assert stats["heard_at"][0]["turn_id"] == 1
    assert abs(stats["av_offset_ms"]) < 1000
    assert stats["lost_pct"] >= 0


async def test_it_is_light_and_asks_nobody_else(page: Page, standin: StandIn) -> None:
    urls: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    await scenes.listening(page, standin)
    assert sum(path.stat().st_size for path in WEB.iterdir() if path.is_file()) < 300_000
    assert all(url.startswith((standin.url, "blob:", "data:")) for url in urls)


async def test_a_person_on_another_page(page: Page, standin: StandIn) -> None:
    await page.goto(f"{standin.url}example.html")
    await page.evaluate("""() => {
        window.seen = [];
        for (const name of ["state", "caption", "transcript", "error"])
            addEventListener(`vivant-${name}`, ({detail}) => window.seen.push([name, detail]));
        document.querySelector("vivant-person").say("Hello");
    }""")
    await standin.until(lambda: bool(standin.of_type("text")))
    standin.send("transcript", utterance_id="u1", participant_id="me", final=True, text="Hello", stable_text="", typed=True)
    standin.send("caption", turn_id=1, text="Morning.", words=[])
    await tab.until(page, "seen.some(([name, {text}]) => name === 'caption' && text === 'Morning.')")
    assert await page.evaluate("seen.some(([name, {final}]) => name === 'transcript' && final)")
    assert await page.evaluate("seen.some(([name, {phase}]) => name === 'state' && phase === 'live')")
    await expect(page.get_by_text("Morning.")).to_be_visible()
    await page.evaluate("document.querySelector('vivant-person').stop()")
    await standin.until(lambda: bool(standin.of_type("leave")))
    await expect(page.get_by_role("button", name="Start talking")).to_be_visible()


async def test_what_lasts_of_an_offset_is_made_good_once(page: Page, standin: StandIn) -> None:
    await page.goto(standin.url)
    assert await page.evaluate(_TRIMMED, [-40, -37, -3, 2]) == [0, 37, 0, 0], "sound that is early is held back"
    assert await page.evaluate(_TRIMMED, [30, 45, 12]) == [0, -30, 0], "the picture, when it is late; no more than both say"
    assert await page.evaluate(_TRIMMED, [-60, 2, -60, 70]) == [0, 0, 0, 0], "one second may have had a stutter in it"
    assert await page.evaluate(_TRIMMED, [None, 20, None, 20]) == [0, 0, 0, 0]


async def test_a_little_word_is_shown_beside_the_state_and_passes(page: Page, standin: StandIn) -> None:
    await scenes.hearing(page, standin)
    standin.send("backchannel", text="", nod=True)
    standin.send("backchannel", text="Mm-hm.", nod=True)
    await expect(page.locator("#backchannel")).to_have_text("Mm-hm.")
    await expect(page.locator("#floor-text")).to_have_text("Listening")
    await expect(page.locator("#backchannel")).to_be_empty()
    await expect(page.locator("#log li.persona")).to_have_count(0)
