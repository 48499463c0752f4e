"""What the page does when something is missing, refused, lost or over."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from playwright.async_api import Page, expect

from services.gateway.webm import WebmStream
from tests.harness import media
from tests.harness.page import scenes, tab
from tests.harness.page.standin import StandIn

#: Seconds of a stream -> after each: where what is kept begins, where it is played, where it ends.
_PLAYED_THROUGH = """async (parts) => {
    const { LiveSource } = await import("./live-source.js");
    const video = Object.assign(document.createElement("video"), { muted: true });
    const source = new LiveSource(video);
    const kept = [];
    for (const part of parts) {
        source.append(Uint8Array.from(atob(part), (letter) => letter.charCodeAt(0)).buffer);
        const { length } = kept;
        const there = () => video.buffered.length && video.buffered.end(0) >= length + 0.9;
        for (let tries = 0; !there() && tries < 200; tries += 1) await new Promise((then) => setTimeout(then, 5));
        if (!there()) return [...kept, [length, video.currentTime, length]];
        // The next one finds it at the edge.
        video.currentTime = length + 0.8;
        kept.push([video.buffered.start(0), video.currentTime, video.buffered.end(video.buffered.length - 1)]);
    }
    source.close();
    return kept;
}"""


async def test_it_waits_for_what_is_still_loading(page: Page, standin: StandIn) -> None:
    await scenes.loading(page, standin)
    await expect(page.locator("#awaited li.waiting")).to_have_count(3)
    await expect(page.locator("#awaited")).to_contain_text("Voice")
    standin.script.missing = []
    await expect(page.get_by_role("button", name="Start talking")).to_be_visible()


@pytest.mark.parametrize(
    ("error", "title"),
    [
        ("NotAllowedError", "The microphone is blocked"),
        ("NotFoundError", "No microphone was found"),
        ("NotReadableError", "The microphone cannot be opened"),
    ],
)
async def test_without_a_microphone_one_can_type(page: Page, standin: StandIn, error: str, title: str) -> None:
    await tab.no_microphone(page, error)
    await scenes.start(page, standin)
    await page.click("#start-talking")
    await expect(page.get_by_role("heading", name=title)).to_be_focused()
    await page.get_by_role("button", name="Type instead").click()
    await tab.live(page)
    await expect(page.locator("#words")).to_be_focused()


async def test_a_silent_microphone_is_noticed(page: Page, standin: StandIn) -> None:
    await page.add_init_script("""navigator.mediaDevices.getUserMedia = async () =>
        new AudioContext().createMediaStreamDestination().stream""")
    await scenes.listening(page, standin)
    await expect(page.locator(".notice")).to_contain_text("Nothing comes from", timeout=20_000)
    await page.locator(".notice button").click()
    await expect(page.locator(".notice")).to_have_count(0)


async def test_a_lost_connection_goes_on_with_the_same_conversation(page: Page, standin: StandIn) -> None:
    await scenes.reconnecting(page, standin)
    await expect(page.locator("#floor-text")).to_have_text("Connection lost. Trying again")
    standin.script.reachable = True
    await tab.live(page)
    assert standin.offers[-1]["token"] == "token-1"
    assert standin.offers[-1]["conversation_id"] == "conversation-1"
    assert standin.offers[-1]["greeting"] is False
    await expect(page.locator("#log li")).to_have_count(4)
    await expect(page.locator(".notice")).to_have_count(0)


async def test_a_server_that_forgot_begins_anew_and_says_so(page: Page, standin: StandIn) -> None:
    await scenes.reconnecting(page, standin)
    standin.script.resume = False
    standin.script.reachable = True
    await tab.live(page)
    await expect(page.locator("#log li").last).to_have_text("A new conversation")


async def test_a_connection_that_is_dead_without_a_word_is_noticed(page: Page, standin: StandIn) -> None:
    await scenes.listening(page, standin)
    standin.mute = True
    await standin.until(lambda: len(standin.offers) == 2)
    standin.mute = False
    await tab.live(page)


async def test_what_was_typed_into_a_dead_connection_is_said_on_the_next(page: Page, standin: StandIn) -> None:
    await scenes.listening(page, standin)
    for text in ("Hello", "Are you there?"):
        await page.fill("#words", text)
        await page.keyboard.press("Enter")
        await standin.until(lambda text=text: standin.of_type("text")[-1:] == [{"type": "text", "text": text}])
        if text == "Hello":
            standin.send(
                "transcript", utterance_id="u1", participant_id="me", final=True, text=text, stable_text="", typed=True
            )
    await standin.hang_up()
    await standin.until(lambda: len(standin.of_type("text")) == 3)
    assert standin.of_type("text")[-1]["text"] == "Are you there?"
    assert len(standin.offers) == 2


async def test_full_tries_again_and_gets_in(page: Page, standin: StandIn) -> None:
    await scenes.full(page, standin)
    await expect(page.locator("#refused-text")).to_contain_text("16 people")
    await expect(page.locator("#refused-countdown")).to_contain_text("Trying again in")
    standin.script.refuse = None
    await page.get_by_role("button", name="Try again now").click()
    await tab.live(page)


async def test_a_server_that_comes_back_is_found(page: Page, standin: StandIn) -> None:
    await scenes.unreachable(page, standin)
    standin.script.reachable = True
    await tab.live(page)


async def test_where_webrtc_is_blocked_the_stream_takes_over(page: Page, standin: StandIn) -> None:
    standin.script.udp = False
    standin.script.stream = True
    await scenes.listening(page, standin)
    await expect(page.locator(".notice")).to_contain_text("plain stream")
    await tab.until(page, "document.getElementById('video').currentTime > 1")
    await standin.until(lambda: len(standin.sound) > 16_000)
    await standin.until(lambda: len(standin.of_type("played")) > 3)
    assert all(message["ms"] >= 0 for message in standin.of_type("played"))
    assert len(standin.offers) == 1
    standin.send("caption", turn_id=1, text=scenes.REPLY, words=scenes.WORDS)
    standin.send("state", state="speaking", turn_id=1)
    await expect(page.locator("#reply .begun")).not_to_have_count(0)
    standin.send_clock(turn_id=1, turn_ms=60_000)
    await expect(page.locator("#reply .begun")).to_have_count(len(scenes.WORDS))
    await page.fill("#words", "Hello")
    await page.keyboard.press("Enter")
    await standin.until(lambda: bool(standin.of_type("text")))


async def test_a_long_stream_forgets_what_was_shown_and_nothing_else(page: Page, standin: StandIn) -> None:
    await page.goto(standin.url)
    stream = WebmStream(media.RATE_HZ, 64)
    # The most that may lie between two keyframes.
    units = [stream.add(unit.index, unit) for unit in media.units(59 * 25, "vp8", keyframe_every=250)]
    parts = [b"".join(units[at : at + 25]) for at in range(0, len(units), 25)]
    kept = await page.evaluate(_PLAYED_THROUGH, [base64.b64encode(part).decode() for part in parts])
    assert all(begin <= now <= end for begin, now, end in kept)
    assert kept[-1][0] > 10


async def test_where_pictures_are_missing_the_stream_goes_on(page: Page, standin: StandIn) -> None:
    await page.goto(standin.url)
    stream = WebmStream(media.RATE_HZ, 64)
    # A face that is short of time draws none for a while, and needs no keyframe after that.
    units = [replace(unit, frame=None) if unit.index % 25 in range(8, 18) else unit for unit in media.units(8 * 25, "vp8")]
    parts = [b"".join(stream.add(unit.index, unit) for unit in units[at : at + 25]) for at in range(0, len(units), 25)]
    kept = await page.evaluate(_PLAYED_THROUGH, [base64.b64encode(part).decode() for part in parts])
    assert len(kept) == len(parts)
    assert all(end > at + 0.9 for at, (_, _, end) in enumerate(kept))


async def test_where_nothing_gets_through_it_says_so(page: Page, standin: StandIn) -> None:
    standin.script.udp = False
    await scenes.start(page, standin)
    await page.click("#start-typing")
    await expect(page.locator("#refused-title")).to_be_visible(timeout=20_000)


@pytest.mark.parametrize(
    ("reason", "title"),
    [("idle", "It has been quiet"), ("replaced", "another window"), ("anything", "The conversation has ended")],
)
async def test_an_end_is_explained(page: Page, standin: StandIn, reason: str, title: str) -> None:
    await scenes.listening(page, standin)
    standin.send("bye", reason=reason, message="So it is.")
    await expect(page.get_by_role("heading", level=1)).to_contain_text(title)


async def test_a_restart_is_waited_for(page: Page, standin: StandIn) -> None:
    await scenes.listening(page, standin)
    standin.script.reachable = standin.script.resume = False
    standin.send("bye", reason="shutdown", message="The server is stopping.")
    await expect(page.locator(".notice")).to_contain_text("The server is being restarted. June will know")
    standin.script.reachable = True
    await tab.live(page)
    assert standin.offers[-1]["conversation_id"] == "conversation-1"
    assert standin.offers[-1]["greeting"] is False
    await expect(page.locator(".notice")).to_have_count(0)


async def test_lost_and_found_abilities(page: Page, standin: StandIn) -> None:
    await scenes.listening(page, standin)
    standin.send("notice", severity="warning", reason="tts_unavailable", ability="tts", message="No voice.")
    await expect(page.locator(".notice")).to_have_count(1)
    standin.send("notice", severity="info", reason="tts_restored", ability="tts", message="The voice is back.")
    await expect(page.locator(".notice")).to_have_text(["The voice is backDismiss".replace("back", "back.")])


async def test_a_page_that_is_closed_gives_its_place_back(page: Page, standin: StandIn) -> None:
    await scenes.listening(page, standin)
    await page.reload()
    await standin.until(lambda: len(standin.left) == 1)
    assert standin.left[0] == {"token": "token-1", "visit": standin.offers[0]["visit"]}
    # Also one that was never connected.
    standin.script.udp = False
    await page.click("#start-typing")
    await standin.until(lambda: len(standin.offers) == 2)
    await page.goto("about:blank")
    await standin.until(lambda: len(standin.left) == 2)
    assert standin.left[1]["visit"] == standin.offers[1]["visit"] != standin.offers[0]["visit"]


async def test_strange_messages_are_ignored(page: Page, standin: StandIn) -> None:
    await scenes.listening(page, standin)
    standin.send("surprise", what="?")
    line = standin.lines[-1]
    assert line.channel
    line.channel.send("{not json")
    line.channel.send("null")
    standin.send("state", state="thinking", turn_id=1)
    await expect(page.locator("#floor-text")).to_have_text("Thinking")
