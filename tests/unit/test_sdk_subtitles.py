"""Words appear when their sound begins."""

from __future__ import annotations

from vivant.events import Caption, Notice, Severity, Turn, Unit, Word
from vivant.subtitles import Subtitles


def caption(turn_id: int, *words: str, start: int = 0) -> Caption:
    timed = tuple(Word(word, start + i * 2400, start + (i + 1) * 2400) for i, word in enumerate(words))
    return Caption(turn_id, " ".join(words), timed)


def unit(turn_id: int, position: int) -> Unit:
    return Unit(0, 0, bytes(1920), None, turn_id, position)


def turn(turn_id: int, *, interrupted: bool = False) -> Turn:
    return Turn(turn_id, "", "", interrupted)


def test_words_wait_for_their_sound() -> None:
    subtitles = Subtitles()
    assert subtitles.feed(caption(1, "In", "a", "house,")) == ""
    assert subtitles.feed(unit(0, 0)) == ""
    shown = [subtitles.feed(unit(1, position)) for position in range(0, 7200, 960)]
    assert shown == ["In", "", " a", "", "", " house,", "", ""]
    assert subtitles.feed(caption(1, "by", "sea.", start=7200)) == ""
    assert subtitles.feed(unit(1, 7200)) == " by"
    assert subtitles.feed(turn(1)) == " sea."


def test_what_was_cut_off_is_never_shown() -> None:
    subtitles = Subtitles()
    subtitles.feed(caption(1, "In", "a", "house."))
    subtitles.feed(unit(1, 0))
    assert subtitles.feed(turn(1, interrupted=True)) == ""
    assert subtitles.feed(unit(1, 7200)) == ""


def test_a_newer_reply_drops_the_older_one() -> None:
    subtitles = Subtitles()
    subtitles.feed(caption(1, "Old", "words"))
    subtitles.feed(caption(2, "New", "words"))
    assert subtitles.feed(caption(1, "late")) == ""
    assert subtitles.feed(unit(1, 9600)) == ""
    assert subtitles.feed(unit(2, 0)) == "New"


def test_a_reply_without_a_voice_is_shown_at_once() -> None:
    subtitles = Subtitles()
    assert subtitles.feed(Caption(3, "In a house. ", ())) == "In a house."
    assert subtitles.feed(Caption(3, "By the sea.", ())) == " By the sea."
    assert subtitles.feed(turn(3)) == ""


def test_a_voice_that_fails_midway_shows_what_is_left() -> None:
    subtitles = Subtitles()
    subtitles.feed(caption(1, "In", "a"))
    subtitles.feed(unit(1, 0))
    assert subtitles.feed(Caption(1, "house.", ())) == " a house."


def test_other_events_are_nothing_to_show() -> None:
    assert Subtitles().feed(Notice(Severity.INFO, "x", "y", None, retryable=False)) == ""
