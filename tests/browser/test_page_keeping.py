"""What the log keeps: what each line rests on, and a file to take home."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Page, expect

from tests.harness.page import scenes
from tests.harness.page.people import JUNE
from tests.harness.page.standin import StandIn

#: Subtitles as the browser reads them.
_CUES: Final = """async (text) => {
    const track = Object.assign(document.createElement("track"), { kind: "captions", default: true });
    track.src = URL.createObjectURL(new Blob([text], { type: "text/vtt" }));
    const video = document.createElement("video");
    video.append(track);
    document.body.append(video);
    track.track.mode = "showing";
    await new Promise((resolve, reject) => Object.assign(track, { onload: resolve, onerror: reject }));
    const plain = (cue) => cue.getCueAsHTML().textContent;
    return [...track.track.cues].map((cue) => ({ from: cue.startTime, to: cue.endTime, text: plain(cue), marked: cue.text }));
}"""


async def saved(page: Page, button: str) -> tuple[str, str]:
    """The name and the content of the file that a button gives."""
    async with page.expect_download() as download:
        await page.locator(button).click()
    file = await download.value
    return file.suggested_filename, await asyncio.to_thread(Path(await file.path()).read_text, "utf-8")


# --- what a line rests on ---


async def test_a_line_shows_the_passages_that_it_rests_on(page: Page, standin: StandIn) -> None:
    await scenes.talked(page, standin)
    first, second = await page.locator("#log li.persona details").all()
    await expect(first.locator("summary")).to_have_text("Rests on 2 passages")
    await expect(first.locator("blockquote").first).to_be_hidden()
    await first.locator("summary").click()
    for passage, quote in zip(scenes.PASSAGES, await first.locator("blockquote").all(), strict=True):
        await expect(quote).to_have_text(passage["question"] + passage["text"])
        await expect(quote).to_be_visible()
    await second.locator("summary").focus()
    await page.keyboard.press("Space")
    await expect(second).to_contain_text("No passage of the life story")
    await expect(page.locator("#mute")).to_have_attribute("aria-pressed", "false")


async def test_where_the_server_does_not_tell_nothing_is_claimed(page: Page, standin: StandIn) -> None:
    await scenes.speaking(page, standin)
    standin.send("turn", turn_id=1, heard_text=scenes.REPLY, full_text=scenes.REPLY, interrupted=False)
    await expect(page.locator("#log li.persona")).to_have_count(1)
    await expect(page.locator("#log details")).to_have_count(0)


# --- a file to keep ---


async def test_the_talk_can_be_kept_as_text_also_when_it_is_over(page: Page, standin: StandIn) -> None:
    await scenes.left(page, standin)
    name, text = await saved(page, "#save-ended")
    assert re.fullmatch(r"june-\d{4}-\d\d-\d\d-\d\d-\d\d\.txt", name)
    lines = text.splitlines()
    assert lines[:2] == ["A conversation with June Merrow, who is an AI.", JUNE["disclosure"]]
    assert re.fullmatch(r"Begun \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.", lines[2])
    times = re.compile(r"^\[\d\d:\d\d:\d\d\] ")
    assert [times.sub("", line).strip() for line in lines[4:]] == [
        "You: Where did you grow up?",
        f"June Merrow (AI): {scenes.REPLY}",
        "rests on: Where did you grow up? / Does anybody in your family play?",
        "You: And what was it like?",
        "June Merrow (AI): Cold. The snow came up to the sills, and my father drove the plow, —",
    ]
    assert all(times.match(line) for line in lines[4:] if not line.strip().startswith("rests on"))
    assert (await saved(page, "[data-save=txt]"))[1] == text


async def test_the_talk_can_be_kept_as_subtitles(page: Page, standin: StandIn) -> None:
    await scenes.talked(page, standin)
    standin.send(
        "transcript", utterance_id="u3", participant_id="me", final=True, text="1 < 2 & 3 --> 4?", stable_text="", typed=True
    )
    await expect(page.locator("#log li")).to_have_count(5)
    name, text = await saved(page, "[data-save=vtt]")
    assert name.endswith(".vtt")
    read: list[dict[str, Any]] = await page.evaluate(_CUES, text)
    assert [cue["text"] for cue in read][-1] == "1 < 2 & 3 --> 4?"
    assert len(read) == 5
    assert read[0]["from"] == 0
    assert all(cue["to"] - cue["from"] >= 0.999 for cue in read)
    assert [cue["from"] for cue in read] == sorted(cue["from"] for cue in read)
    assert read[1]["marked"].startswith("<v June Merrow (AI)>In a white house")
    assert "who is an AI" in text


async def test_the_talk_can_be_kept_as_data(page: Page, standin: StandIn) -> None:
    await scenes.talked(page, standin)
    _, text = await saved(page, "[data-save=json]")
    kept = json.loads(text)
    assert kept["persona"] == {"id": "june", "name": "June Merrow", "ai": True, "disclosure": JUNE["disclosure"]}
    assert kept["conversation_id"] == "conversation-1"
    assert [line["who"] for line in kept["lines"]] == ["you", "persona", "you", "persona"]
    assert kept["lines"][1]["sources"] == scenes.PASSAGES
    assert [line.get("interrupted") for line in kept["lines"]] == [None, False, None, True]
    assert [line.get("typed") for line in kept["lines"]] == [False, None, True, None]
    assert all(line["from"] <= line["to"] for line in kept["lines"])


async def test_where_nothing_was_said_there_is_nothing_to_keep(page: Page, standin: StandIn) -> None:
    await scenes.listening(page, standin)
    await expect(page.locator("#save")).to_be_hidden()
    await page.click("#leave")
    await expect(page.locator("#save-ended")).to_be_hidden()
