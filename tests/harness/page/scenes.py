"""Everything that the page can look like: one function for each state, which brings a fresh page into it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from playwright.async_api import Page

from tests.harness.page.people import JUNE, WALT
from tests.harness.page.standin import StandIn
from tests.harness.page.tab import live, no_microphone, until

REPLY: Final = "In a white house by the harbor, with my brother Cal and a piano that nobody could play."
WORDS: Final = [[word, index * 200, index * 200 + 180] for index, word in enumerate(REPLY.split())]
Scene = Callable[[Page, StandIn], Awaitable[None]]


async def loading(page: Page, standin: StandIn) -> None:
    standin.script.missing = [
        {"service": "llm", "reason": "loading its model"},
        {"service": "tts", "reason": "loading its model"},
        {"service": "face", "reason": "drawing the portrait"},
    ]
    await page.goto(standin.url)
    await page.get_by_text("3 of 6 parts").wait_for()


async def start(page: Page, standin: StandIn) -> None:
    await page.goto(standin.url)
    await page.wait_for_selector("#start-talking:visible")
    await until(page, "document.getElementById('portrait').complete")


async def start_two(page: Page, standin: StandIn) -> None:
    standin.script.personas = [JUNE, WALT]
    await start(page, standin)


async def start_faceless(page: Page, standin: StandIn) -> None:
    standin.script.personas = [{name: value for name, value in JUNE.items() if name != "portrait"}]
    await start(page, standin)


async def denied(page: Page, standin: StandIn) -> None:
    await no_microphone(page, "NotAllowedError")
    await start(page, standin)
    await page.click("#start-talking")
    await page.wait_for_selector("#microphone-title:visible")


async def connecting(page: Page, standin: StandIn) -> None:
    standin.script.udp = False
    await start(page, standin)
    await page.click("#start-typing")
    await page.wait_for_selector("body[data-screen=connecting]")


async def listening(page: Page, standin: StandIn) -> None:
    await start(page, standin)
    await page.click("#start-talking")
    await live(page)


async def typing(page: Page, standin: StandIn) -> None:
    await start(page, standin)
    await page.click("#start-typing")
    await live(page)
    await page.fill("#words", "What do you do in the winter?")


async def hearing(page: Page, standin: StandIn) -> None:
    await listening(page, standin)
    standin.send(
        "transcript",
        utterance_id="u1",
        participant_id="me",
        final=False,
        text="where did you grow",
        stable_text="where did you",
        typed=False,
    )
    await page.wait_for_selector("#you:visible")


async def thinking(page: Page, standin: StandIn) -> None:
    await listening(page, standin)
    standin.send(
        "transcript",
        utterance_id="u1",
        participant_id="me",
        final=True,
        text="Where did you grow up?",
        stable_text="",
        typed=False,
    )
    standin.send("state", state="thinking", turn_id=1)
    await page.wait_for_selector("[data-floor=thinking]")


async def speaking(page: Page, standin: StandIn) -> None:
    await thinking(page, standin)
    standin.sounding = True
    stages = [["end_of_turn", 212], ["llm_first_text", 305], ["tts_first_audio", 412], ["first_unit", 498]]
    standin.send("metrics", turn_id=1, stages=stages)
    standin.send("caption", turn_id=1, text=REPLY, words=WORDS)
    standin.send("state", state="speaking", turn_id=1)
    standin.send_clock(turn_id=1, turn_ms=1500)
    await page.wait_for_selector("#reply .begun:nth-child(8)")


async def paused(page: Page, standin: StandIn) -> None:
    await speaking(page, standin)
    standin.send("state", state="paused", turn_id=1)
    standin.send_clock()
    await page.wait_for_selector("[data-floor=paused]")


async def stopped(page: Page, standin: StandIn) -> None:
    await speaking(page, standin)
    standin.send("state", state="listening", turn_id=2)
    standin.send("turn", turn_id=1, heard_text="In a white house by the harbor,", full_text=REPLY, interrupted=True)
    await page.wait_for_selector("[data-floor=stopped]")


async def silent(page: Page, standin: StandIn) -> None:
    await talked(page, standin)
    standin.send("state", state="silent", turn_id=2)
    await page.wait_for_selector("[data-floor=silent]")


PASSAGES: Final = [
    {"id": "story#14", "question": "Where did you grow up?", "text": "I grew up in a white house by the harbor."},
    {"id": "story#31", "question": "Does anybody in your family play?", "text": "There was a piano that nobody could play."},
]


async def talked(page: Page, standin: StandIn) -> None:
    """A conversation that has gone on for a while, with the log open."""
    await speaking(page, standin)
    standin.send("turn", turn_id=1, heard_text=REPLY, full_text=REPLY, interrupted=False, sources=PASSAGES)
    standin.send(
        "transcript",
        utterance_id="u2",
        participant_id="me",
        final=True,
        text="And what was it like?",
        stable_text="",
        typed=True,
    )
    heard = "Cold. The snow came up to the sills, and my father drove the plow,"
    standin.send("turn", turn_id=2, heard_text=heard, full_text=f"{heard} all night.", interrupted=True, sources=[])
    await page.wait_for_selector("#log li:nth-child(4)", state="attached")
    standin.send("state", state="listening", turn_id=2)
    await page.wait_for_selector("[data-floor=listening], [data-floor=stopped]")
    if await page.get_attribute("#open-log", "aria-expanded") == "false":
        await page.click("#open-log")


async def noticed(page: Page, standin: StandIn) -> None:
    await listening(page, standin)
    standin.send(
        "notice", severity="warning", reason="tts_unavailable", ability="tts", message="June has lost her voice for a moment."
    )
    standin.send(
        "notice", severity="info", reason="fallback", ability="", message="This is the plain stream: it answers a little later."
    )
    await page.wait_for_selector(".notice:nth-child(2)")


async def muted(page: Page, standin: StandIn) -> None:
    await listening(page, standin)
    await page.click("#mute")


async def numbers(page: Page, standin: StandIn) -> None:
    await speaking(page, standin)
    await page.click("#open-numbers")
    standin.send_clock(turn_id=1, turn_ms=1500)
    await until(page, "document.querySelector('[data-figure=av]').textContent.includes('ms')")


async def reconnecting(page: Page, standin: StandIn) -> None:
    await talked(page, standin)
    standin.script.reachable = False
    await standin.hang_up()
    await page.wait_for_selector("body[data-screen=reconnecting]")


async def full(page: Page, standin: StandIn) -> None:
    standin.script.refuse = (429, "full", "All places are taken.")
    await start(page, standin)
    await page.click("#start-talking")
    await page.get_by_text("All places are taken").wait_for()


async def unreachable(page: Page, standin: StandIn) -> None:
    await start(page, standin)
    standin.script.reachable = False
    await page.click("#start-typing")
    await page.get_by_text("cannot be reached").wait_for()


async def ended(page: Page, standin: StandIn) -> None:
    await listening(page, standin)
    standin.send("bye", reason="idle", message="Nobody has spoken for a while.")
    await page.wait_for_selector("#ended-title:visible")


async def settings(page: Page, standin: StandIn) -> None:
    standin.script.personas = [JUNE, WALT]
    await listening(page, standin)
    await page.click("#open-settings")
    await page.wait_for_selector("#settings[open]")


async def share(page: Page, standin: StandIn) -> None:
    await start(page, standin)
    await page.click("#open-share")
    await page.wait_for_selector("#share[open]")


async def invited(page: Page, standin: StandIn) -> None:
    await page.goto(f"{standin.url}?persona=june&join=conversation-1")
    await page.wait_for_selector("#invited:visible")


async def joined(page: Page, standin: StandIn) -> None:
    """A conversation of several, one of whom speaks, and the invitation to more of them."""
    standin.script.others = [{"id": "p1", "name": "Ann", "kind": "person"}, {"id": "p2", "name": None, "kind": "person"}]
    await invited(page, standin)
    await page.click("#start-talking")
    await live(page)
    said = {"participant_id": "p1", "stable_text": "", "typed": False}
    standin.send("transcript", utterance_id="u1", final=True, text="Where did you grow up?", **said)
    await page.wait_for_selector("#company:visible")


async def inviting(page: Page, standin: StandIn) -> None:
    await joined(page, standin)
    await page.click("#open-share")
    await page.wait_for_selector("#invite:visible")


async def founded(page: Page, standin: StandIn) -> None:
    """What the lines of the log rest on."""
    await talked(page, standin)
    for summary in await page.locator(".sources summary").all():
        await summary.click()


async def captionless(page: Page, standin: StandIn) -> None:
    await speaking(page, standin)
    await page.click("#captions")


async def greeted(page: Page, standin: StandIn) -> None:
    """The persona has begun, and the user has not yet said anything."""
    await listening(page, standin)
    standin.send("caption", turn_id=1, text=REPLY, words=WORDS)
    standin.send("state", state="speaking", turn_id=1)
    standin.send_clock(turn_id=1, turn_ms=1500)
    await page.wait_for_selector("#reply .begun:nth-child(8)")


async def crowded(page: Page, standin: StandIn) -> None:
    """As much at once as there can be: both say something long, and four notices."""
    await speaking(page, standin)
    long = "And what was it like in the winter, when the snow came up to the sills and your father was out on the plow?"
    standin.send("transcript", utterance_id="u2", participant_id="me", final=False, text=long, stable_text=long, typed=False)
    for name in ("asr", "tts", "face", "turn"):
        message = f"June has lost her {name} for a moment: it is being started again, and comes back by itself."
        standin.send("notice", severity="warning", reason=f"{name}_unavailable", ability=name, message=message)
    await page.wait_for_selector(".notice:nth-child(4)")


async def left(page: Page, standin: StandIn) -> None:
    await talked(page, standin)
    await page.click("#leave")
    await page.wait_for_selector("#ended-title:visible")


async def keys(page: Page, standin: StandIn) -> None:
    await listening(page, standin)
    await page.click("#open-keys")


async def disclosure(page: Page, standin: StandIn) -> None:
    await start(page, standin)
    await page.click("#open-ai")


async def largest(page: Page, standin: StandIn) -> None:
    """The largest text."""
    await page.add_init_script("localStorage.setItem('vivant', JSON.stringify({size: '150'}))")
    await speaking(page, standin)


async def person(page: Page, standin: StandIn) -> None:
    """The web component on the example page."""
    await page.goto(f"{standin.url}example.html")
    await page.get_by_role("button", name="Start talking").click()
    await page.get_by_text("Listening").wait_for()
    standin.send(
        "transcript",
        utterance_id="u1",
        participant_id="me",
        final=True,
        text="Where did you grow up?",
        stable_text="",
        typed=False,
    )
    standin.send("caption", turn_id=1, text=REPLY, words=WORDS)
    standin.send("state", state="speaking", turn_id=1)
    standin.send_clock(turn_id=1, turn_ms=1500)
    await page.get_by_text("house").wait_for()


SCENES: Final[tuple[Scene, ...]] = (
    loading,
    start,
    start_two,
    start_faceless,
    denied,
    connecting,
    listening,
    typing,
    hearing,
    thinking,
    speaking,
    paused,
    stopped,
    silent,
    talked,
    noticed,
    muted,
    numbers,
    reconnecting,
    full,
    unreachable,
    ended,
    settings,
    share,
    invited,
    joined,
    inviting,
    founded,
    captionless,
    greeted,
    crowded,
    left,
    keys,
    disclosure,
    largest,
    person,
)
