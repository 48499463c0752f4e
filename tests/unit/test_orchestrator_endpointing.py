"""When a turn is over: once waiting costs more than breaking in, and after the longest pause in any case. In virtual time."""

from __future__ import annotations

import math

import pytest
from structlog.testing import capture_logs

from services.common.reading.readers import english
from services.common.reading.reading import Reading
from services.orchestrator.dialog import decisions
from services.orchestrator.dialog import effects as fx
from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.endpointing import silence_needed
from services.orchestrator.dialog.events import ms
from services.orchestrator.dialog.state import State, Style
from tests.harness.virtual_talk import Talk

STYLE = Style(breaking_in_cost_s=4.0, longest_pause=ms(2500), awaited_costs=10.0, story_silence=ms(2000))
LONG = "I am from the lake in the north of Maine"


def over(waiting_cost_s: float, reading: Reading | None, silence: int, style: Style) -> bool:
    """Whether a turn ends by then."""
    return silence >= silence_needed(waiting_cost_s, reading, style)


@pytest.mark.parametrize(
    ("waiting_cost_s", "silence_ms", "ended"),
    [(0.0, 400, False), (3.9, 400, False), (4.0, 400, True), (math.inf, 0, True), (0.0, 2499, False), (0.0, 2500, True)],
)
@pytest.mark.parametrize("reading", [None, Reading()])
def test_a_turn_is_over_when_waiting_costs_more_than_breaking_in(
    reading: Reading | None, waiting_cost_s: float, silence_ms: int, ended: bool
) -> None:
    assert over(waiting_cost_s, reading, ms(silence_ms), STYLE) is ended


@pytest.mark.parametrize(
    ("text", "enough_s"),
    [
        ("Where are you from?", 0.4),
        ("I am from the lake.", 4.0),
        ("I am from the lake. It is cold there.", 4.0),
        ("I think you know the answer to that already.", 4.0),
        ("Let me tell you what happened. Do you have time?", 0.4),
    ],
)
def test_what_a_second_costs_depends_on_what_was_said(text: str, enough_s: float) -> None:
    reading = english().read(text)
    assert not over(0.99 * enough_s, reading, ms(400), STYLE)
    assert over(1.01 * enough_s, reading, ms(400), STYLE)


@pytest.mark.parametrize(("silence_ms", "enough_s"), [(400, 4.0), (500, 4.0), (1000, 2.0), (1500, 4 / 3), (2400, 4 / 4.8)])
def test_in_a_gap_a_second_of_waiting_costs_more_and_more(silence_ms: int, enough_s: float) -> None:
    assert not over(0.99 * enough_s, None, ms(silence_ms), STYLE)
    assert over(1.01 * enough_s, None, ms(silence_ms), STYLE)


@pytest.mark.parametrize("text", ["I am from, let me see.", "Where is, you know, the", "And"])
@pytest.mark.parametrize("waiting_cost_s", [0.0, 100.0, math.inf])
def test_who_looks_for_words_has_the_longest_pause(text: str, waiting_cost_s: float) -> None:
    reading = english().read(text)
    assert not over(waiting_cost_s, reading, ms(2499), STYLE)
    assert over(waiting_cost_s, reading, ms(2500), STYLE)


@pytest.mark.parametrize("read", [0.4, 0.6])
def test_what_is_read_counts_from_where_it_is_likely(read: float) -> None:
    """A reader that knows degrees is asked in the same way."""
    likely = read >= 0.5
    assert over(0.5, Reading(asks=read), 0, STYLE) == likely
    assert over(4.5, Reading(tells_a_story=read), 0, STYLE) != likely
    assert over(4.5, Reading(looks_for_words=read), 0, STYLE) != likely


@pytest.mark.parametrize("text", ["Let me tell you what happened.", "You know that house on the hill."])
def test_a_story_is_listened_to_for_a_while_however_whole_it_sounds(text: str) -> None:
    reading = english().read(text)
    assert not over(math.inf, reading, ms(1999), STYLE)
    assert over(9.0, reading, ms(2000), STYLE)
    assert not over(0.5, reading, ms(2499), STYLE)


def test_a_request_in_a_story_may_go_on() -> None:
    assert not over(9.0, Reading(asks=1.0, tells_a_story=1.0), ms(1999), STYLE)
    assert over(0.5, Reading(asks=1.0, tells_a_story=1.0), ms(2000), STYLE)
    assert over(0.5, Reading(asks=1.0, begins=1.0), 0, STYLE)


def paused(style: Style = STYLE, text: str = LONG) -> Talk:
    """Somebody has said this up to 1 s; its words are known, and read, from 1.3 s on."""
    talk = Talk(style)
    talk(ev.SpeechStarted, 0, "Spk1")
    talk(ev.SpeechStopped, 1200, "Spk1", last_speech_at=ms(1000))
    talk(ev.WordsFinal, 1300, "Spk1", talk.state.flushes, text)
    return talk


@pytest.mark.parametrize(
    ("text", "ended_ms"),
    [("where are you from", 1350), (LONG, 1630), ("let me tell you what happened", 3000)],
)
def test_the_turn_ends_when_the_cost_of_waiting_has_grown_enough(text: str, ended_ms: int) -> None:
    """It grows by one in 100 ms, and from half a second on it counts more."""
    talk, at = paused(text=text), 1310
    while not talk.of(fx.Commit):
        at += 10
        talk(ev.EndOfTurn, at, "Spk1", 0.5, (at - 1310) / 100)
    assert at == ended_ms


def test_what_is_told_last_counts() -> None:
    talk = Talk(STYLE, reads=False)
    talk(ev.SpeechStarted, 0, "Spk1")
    talk(ev.SpeechStopped, 1200, "Spk1", last_speech_at=ms(1000))
    talk(ev.EndOfTurn, 1240, "Spk1", 0.9, 9.0)
    talk(ev.WordsFinal, 1300, "Spk1", talk.state.flushes, LONG)
    talk(ev.EndOfTurn, 1310, "Spk1", 0.1, 0.1, LONG, Reading())
    talk.until(3499)
    assert not talk.of(fx.Commit), "its words make the end less likely"
    talk.until(3501)
    assert len(talk.of(fx.Commit)) == 1


def test_what_was_told_of_a_silence_says_nothing_of_the_next() -> None:
    talk = paused()
    talk(ev.EndOfTurn, 1310, "Spk1", 0.5, 3.0)
    talk(ev.SpeechStarted, 1600, "Spk1")
    assert talk.state.people["Spk1"].waiting_cost_s == 0
    talk(ev.EndOfTurn, 1610, "Spk1", 0.9, 9.0)
    talk(ev.SpeechStopped, 2200, "Spk1", last_speech_at=ms(2000))
    assert talk.state.people["Spk1"].waiting_cost_s == 0
    talk(ev.WordsFinal, 2300, "Spk1", talk.state.flushes, "where it is cold")
    assert not talk.of(fx.Commit)
    talk(ev.EndOfTurn, 2310, "Spk1", 0.9, 9.0)
    (commit,) = talk.of(fx.Commit)
    assert commit.contribution.text == f"{LONG} where it is cold"


def test_a_turn_that_is_over_is_answered_when_its_last_words_are_read() -> None:
    talk = Talk(STYLE, reads=False)
    talk(ev.SpeechStarted, 0, "Spk1")
    talk(ev.SpeechStopped, 1200, "Spk1", last_speech_at=ms(1000))
    talk(ev.EndOfTurn, 1240, "Spk1", 1.0, math.inf)
    talk(ev.WordsFinal, 1300, "Spk1", talk.state.flushes, LONG)
    assert not talk.of(fx.Commit)
    talk(ev.EndOfTurn, 1310, "Spk1", 1.0, math.inf, LONG, Reading())
    assert len(talk.of(fx.Commit)) == 1


def test_where_nothing_is_told_the_longest_pause_ends_the_turn() -> None:
    talk = paused()
    talk.until(3499)
    assert not talk.of(fx.Commit)
    talk.until(3501)
    assert len(talk.of(fx.Commit)) == 1


@pytest.mark.parametrize(("price_s", "committed"), [(4.0, 1), (8.0, 0)])
def test_whom_breaking_in_costs_more_waits_longer(price_s: float, committed: int) -> None:
    talk = paused(Style(breaking_in_cost_s=price_s))
    talk(ev.EndOfTurn, 1500, "Spk1", 0.8, 6.0)
    assert len(talk.of(fx.Commit)) == committed


@pytest.mark.parametrize(("waiting_cost_s", "logged"), [(0.0, 0.0), (3.456, 3.46), (math.inf, None)])
def test_the_log_says_what_waiting_costs(waiting_cost_s: float, logged: float | None) -> None:
    with capture_logs() as logs:
        decisions.log(ev.EndOfTurn(ms(1310), "Spk1", 0.5, waiting_cost_s), State(), [])
    assert [(entry["event"], entry["waiting_cost_s"]) for entry in logs] == [("decided", logged)]
