"""What the dialog machine does with words before they are read, after, and when nobody reads them. In virtual time."""

from __future__ import annotations

import pytest

from services.common.reading.reading import Reading
from services.orchestrator.dialog import effects as fx
from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.events import OverlapKind, Phase, ms
from services.orchestrator.dialog.state import Style
from tests.harness.virtual_talk import Talk

QUESTION = "where did you grow up"
ASKS = Reading(asks=1.0)
STORY = Reading(tells_a_story=1.0)


def said(talk: Talk, text: str = QUESTION, end: float = 1000.0, p: float = 0.9) -> None:
    """Somebody has said this up to `end`; the detector is sure at once, the final words come 0.3 s later."""
    talk(ev.SpeechStarted, end - 1000, "Spk1")
    talk(ev.SpeechStopped, end + 200, "Spk1", last_speech_at=ms(end))
    talk.told(end + 240, "Spk1", p)
    talk(ev.WordsFinal, end + 300, "Spk1", talk.state.flushes, text)


@pytest.fixture
def talk() -> Talk:
    return Talk(reads=False)


def test_words_that_are_not_read_are_neither_drafted_on_nor_answered(talk: Talk) -> None:
    said(talk)
    talk.until(1900)
    assert not talk.of(fx.Prefill) + talk.of(fx.Commit)
    talk.told(1950, "Spk1", 0.9, QUESTION, ASKS)
    assert [prefill.draft for prefill in talk.of(fx.Prefill)] == [True]
    assert len(talk.of(fx.Commit)) == 1


def test_the_reading_itself_ends_the_turn_when_waiting_costs_enough(talk: Talk) -> None:
    said(talk)
    talk.until(1450)
    assert [type(effect) for effect in talk.told(1452, "Spk1", 0.9, QUESTION, ASKS)] == [
        fx.Prefill,
        fx.Commit,
        fx.Show,
    ]


def test_what_was_read_of_other_words_does_not_count(talk: Talk) -> None:
    said(talk)
    talk.told(1310, "Spk1", 0.9, "where did you", Reading(looks_for_words=1.0))
    talk.told(1600, "Spk1", 0.95)
    talk.until(2000)
    assert not talk.of(fx.Commit)
    talk.told(2010, "Spk1", 0.95, QUESTION, ASKS)
    assert len(talk.of(fx.Commit)) == 1


def test_a_reading_outlives_news_of_the_silence_and_not_other_words(talk: Talk) -> None:
    said(talk, p=0.1)
    talk.told(1310, "Spk1", 0.1, QUESTION, ASKS)
    talk(ev.SpeechStarted, 1400, "Spk1")
    talk(ev.SpeechStopped, 2200, "Spk1", last_speech_at=ms(2000))
    talk(ev.WordsFinal, 2300, "Spk1", talk.state.flushes, "and the")
    talk.told(2400, "Spk1", 0.9)
    talk.until(3000)
    assert not talk.of(fx.Commit), "the question alone was read"
    talk.told(3010, "Spk1", 0.9, f"{QUESTION} and the", Reading(looks_for_words=1.0))
    talk.until(4490)
    assert not talk.of(fx.Commit)
    talk.until(4510)
    assert len(talk.of(fx.Commit)) == 1


def test_words_that_were_read_before_they_were_final_are_answered_at_once(talk: Talk) -> None:
    talk(ev.SpeechStarted, 0, "Spk1")
    talk(ev.WordsHeard, 900, "Spk1", QUESTION)
    talk(ev.SpeechStopped, 1200, "Spk1", last_speech_at=ms(1000))
    talk.told(1210, "Spk1", 0.9, QUESTION, ASKS)
    assert [prefill.draft for prefill in talk.of(fx.Prefill)] == [False]
    talk(ev.WordsFinal, 1450, "Spk1", talk.state.flushes, QUESTION)
    assert [prefill.draft for prefill in talk.of(fx.Prefill)] == [False, True]
    assert len(talk.of(fx.Commit)) == 1


def test_a_sound_that_the_turn_service_says_nothing_of_is_answered_after_the_longest_pause(talk: Talk) -> None:
    said(talk, p=0.0)
    longest = talk.style.longest_pause / 16
    talk.until(1000 + longest - 5)
    assert not talk.of(fx.Commit)
    talk.until(1000 + longest + 5)
    assert len(talk.of(fx.Commit)) == 1


@pytest.mark.parametrize("lost_at", [900, 1350])
def test_a_service_that_is_lost_is_not_waited_for(talk: Talk, lost_at: float) -> None:
    talk(ev.SpeechStarted, 0, "Spk1")
    talk(ev.WordsHeard, 800, "Spk1", QUESTION)
    if lost_at < 1000:
        talk(ev.AbilityChanged, lost_at, "turn", available=False)
        talk.until(2010)
        talk(ev.WordsFinal, 2100, "Spk1", talk.state.flushes, QUESTION)
        talk.until(2101)
    else:
        talk(ev.SpeechStopped, 1200, "Spk1", last_speech_at=ms(1000))
        talk.told(1240, "Spk1", 0.9)
        talk(ev.WordsFinal, 1300, "Spk1", talk.state.flushes, QUESTION)
        talk(ev.AbilityChanged, lost_at, "turn", available=False)
    assert len(talk.of(fx.Commit)) == 1


def test_a_microphone_that_goes_quiet_is_not_waited_for(talk: Talk) -> None:
    """Nobody hears a silence in it: what was said is answered as soon as it is known."""
    talk(ev.SpeechStarted, 0, "Spk1")
    talk(ev.WordsHeard, 800, "Spk1", QUESTION)
    talk(ev.SpeechStopped, 2000, "Spk1", last_speech_at=ms(1000), unheard=True)
    talk(ev.WordsFinal, 2300, "Spk1", talk.state.flushes, QUESTION)
    assert [prefill.draft for prefill in talk.of(fx.Prefill)] == [False, True]
    assert len(talk.of(fx.Commit)) == 1
    said(talk, end=5000.0)
    talk.until(5900)
    assert len(talk.of(fx.Commit)) == 1, "the next silence is heard again"


def test_without_the_turn_service_a_draft_is_made_of_final_words(talk: Talk) -> None:
    talk(ev.AbilityChanged, 0, "turn", available=False)
    talk(ev.WordsHeard, 500, "Spk1", QUESTION)
    talk.until(1710)
    talk(ev.WordsFinal, 1800, "Spk1", talk.state.flushes, QUESTION)
    assert [prefill.draft for prefill in talk.of(fx.Prefill)] == [False, True]


def test_a_language_that_nobody_reads_is_judged_by_sound_and_silence(talk: Talk) -> None:
    said(talk, "wo bist du aufgewachsen", p=0.8)
    talk.told(1302, "Spk1", 0.8, "wo bist du aufgewachsen", None)
    assert [prefill.draft for prefill in talk.of(fx.Prefill)] == [True]
    talk.until(1401)
    assert len(talk.of(fx.Commit)) == 1


def test_who_says_that_the_turn_is_over_waits_for_no_reading() -> None:
    talk = Talk(Style(manual_turns=True, interruptible=False), reads=False)
    talk(ev.SpeechStarted, 0, "Spk1")
    talk(ev.TurnEnded, 1000, "Spk1")
    talk(ev.WordsFinal, 1050, "Spk1", talk.state.flushes, QUESTION)
    assert [prefill.draft for prefill in talk.of(fx.Prefill)] == [True]
    assert len(talk.of(fx.Commit)) == 1


def test_a_story_is_one_whoever_reads_it(talk: Talk) -> None:
    """The machine goes by what it is told, not by the words."""
    said(talk, "es war einmal")
    talk.told(1302, "Spk1", 0.95, "es war einmal", STORY)
    assert [prefill.draft for prefill in talk.of(fx.Prefill)] == [False]
    talk.until(2990)
    assert not talk.of(fx.Commit)
    talk.until(3010)
    assert len(talk.of(fx.Commit)) == 1


def test_a_pause_in_which_nothing_new_was_said_may_be_drafted_in_again(talk: Talk) -> None:
    said(talk, p=0.0)
    talk.told(1310, "Spk1", 0.0, QUESTION, Reading())
    talk(ev.SpeechStarted, 1500, "Spk1")
    talk(ev.WordsHeard, 1600, "Spk1", "hm")
    talk(ev.SpeechStopped, 1900, "Spk1", last_speech_at=ms(1700))
    talk(ev.WordsFinal, 2000, "Spk1", talk.state.flushes, "")
    talk.told(2010, "Spk1", 0.0, QUESTION, Reading())
    talk.told(2050, "Spk1", 0.1)
    assert [(prefill.text, prefill.draft) for prefill in talk.of(fx.Prefill)] == [
        (QUESTION, True),
        (f"{QUESTION} hm", False),
        (QUESTION, True),
    ]


def test_words_that_come_back_when_the_persona_was_broken_in_on_are_read_as_a_whole() -> None:
    talk = Talk()
    talk.say("do you still play", 0, 1000)
    talk.answered(1460, "I play every day. ")
    talk(ev.SpeechStarted, 1700, "Spk1")
    talk(ev.SpeechStopped, 2400, "Spk1", last_speech_at=ms(2200))
    talk(ev.WordsFinal, 2500, "Spk1", talk.state.flushes, "your grandmother's piano")
    assert talk.state.people["Spk1"].read == "your grandmother's piano"
    assert talk.state.phase is Phase.PAUSED
    talk(ev.Overlapped, 2600, "Spk1", OverlapKind.INTERRUPTION)
    assert talk.state.people["Spk1"].read == "do you still play your grandmother's piano"
