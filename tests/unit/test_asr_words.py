"""Stability of words, the transcript that grows, who spoke, and the loop guard."""

from __future__ import annotations

import pytest

from services.asr.engines.stability import agreed, covered
from services.asr.engines.whisper_text import TimedWord, TokenWord, looks_looped
from services.asr.engines.whisper_transcript import Transcript, place_to_cut
from services.common.labels import Labels


def words(text: str) -> list[TokenWord]:
    return [TokenWord(f" {word}", (index,)) for index, word in enumerate(text.split())]


def timed(text: str, start: float = 0.0, pause_after: int = -1) -> list[TimedWord]:
    """Words of 30 columns each, 10 apart; 80 apart after the word `pause_after`."""
    found, at = [], start
    for index, word in enumerate(text.split()):
        found.append(TimedWord(f" {word}", (index,), at, at + 30, 0.9))
        at += 110 if index == pause_after else 40
    return found


@pytest.mark.parametrize(
    ("previous", "current", "count"),
    [
        ("", "where", 0),
        ("where did", "where did you", 2),
        ("Where did.", "where did you", 2),
        ("where did you", "where did you", 2),
        ("where is it now", "where did it go", 1),
        ("it's", "its cold today", 0),
    ],
)
def test_two_hypotheses_must_agree(previous: str, current: str, count: int) -> None:
    assert agreed(previous.split(), current.split()) == count


@pytest.mark.parametrize(
    ("said", "other", "count"),
    [
        ("", "where did you", 0),
        ("where did", "Where did you go", 2),
        ("I ask him", "He asked himself something warm", 3),
        ("where did", "well where did you", 3),
        ("well where did", "where did you", 2),
    ],
)
def test_what_one_hypothesis_covers_of_another(said: str, other: str, count: int) -> None:
    assert covered(said.split(), other.split()) == count


def test_stable_text_only_grows() -> None:
    transcript = Transcript()
    stable = []
    for text in (
        "where",
        "where did",
        "where did you",
        "where did you grow",
        "where did you throw",
        "where did you grow up now",
    ):
        transcript.hear(words(text))
        stable.append(transcript.stable_text)
    assert stable == ["", "where", "where did", "where did you", "where did you", "where did you"]
    assert transcript.unstable_text == "grow up now"


def test_a_careful_hypothesis_shows_its_further_words_only() -> None:
    transcript = Transcript()
    transcript.hear(words("I ask him some"))
    transcript.hear(words("I ask him some thing"))
    transcript.show(words("He asked himself something warm"))
    assert transcript.stable_text == "I ask him some"
    assert transcript.unstable_text == "warm"


def test_words_leave_the_quick_audio_at_a_pause_and_stay_in_the_text() -> None:
    transcript = Transcript()
    spoken = "one two three four five six"
    for _ in range(2):
        transcript.hear(words(spoken))
    moved_to = transcript.advance(timed(spoken, pause_after=2), until=400)
    assert moved_to == 110 + 40
    assert transcript.prefix == (3, 4)
    assert transcript.stable_text == "one two three four five"


def test_committed_words_are_final_and_the_shown_text_stays() -> None:
    transcript = Transcript()
    for _ in range(2):
        transcript.hear(words("won two three four five"))
    transcript.advance(timed("won two three four five", pause_after=1), until=400)
    cut = transcript.commit(timed("one two three four five", pause_after=1), until=140)
    assert cut == 110
    assert [word.text for word in transcript.committed] == [" one", " two"]
    assert transcript.stable_text == "won two three four"
    transcript.close(timed("three four five six", start=150))
    assert transcript.stable_text == "won two three four five six"
    assert "".join(word.text for word in transcript.committed) == " one two three four five six"


def test_speech_is_cut_at_the_end_of_a_sentence_rather_than_inside() -> None:
    assert place_to_cut(timed("it was late. we went home again"), until=180) == 3
    assert place_to_cut(timed("one two"), until=10) == 0
    assert place_to_cut([], until=10) == 0


@pytest.mark.parametrize(
    ("text", "seconds", "looped"),
    [
        ("What's the weather like?", 1.4, False),
        ("Yes.", 0.3, False),
        ("I ask him I ask him I ask him I ask him I ask him I ask him", 9.0, True),
        ("Computer, what's the weather like? Computer, what's the weather like?", 2.9, True),
        ("I think that, I think that we should go, we should go", 4.0, False),
        ("far more words than anybody is able to say in this time", 1.0, True),
    ],
)
def test_the_loop_guard(text: str, seconds: float, looped: bool) -> None:
    assert looks_looped(text, seconds) is looped


def test_the_speaker_of_a_stretch_is_who_spoke_most_of_it() -> None:
    speakers = Labels[str]()
    for chunk in (("ann", 0, 100), ("ann", 100, 200), ("", 200, 300), ("ben", 300, 500)):
        speakers.heard(*chunk)
    assert speakers.during(0, 150) == "ann"
    assert speakers.during(150, 500) == "ben"
    assert speakers.during(200, 300) is None
