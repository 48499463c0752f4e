"""Words in a sound that is still being made: what is known of them when, and how near they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from services.tts.engine import Speech, Word
from services.tts.engines.pocket.placing import Clause, Pace, Placing, clause_of
from services.tts.spoken import spoken_words

CHUNK = 1_920
#: The words of five letters each and the gap, at the pace to begin with.
WORD = 6 * 1_400


def clause(text: str) -> Clause:
    return clause_of(spoken_words(text), "en")


def sound(samples: int, quiet: int = 0) -> np.ndarray:
    """Sound after so much silence."""
    return np.concatenate([np.zeros(quiet), np.full(samples, 0.3)]).astype(np.float32)


def placed(text: str, heard: np.ndarray, pace: Pace | None = None, first_sample: int = 0) -> list[Speech]:
    placing = Placing(clause(text), pace or Pace(), first_sample)
    stretches = [placing.take(heard[at : at + CHUNK]) for at in range(0, len(heard) - CHUNK, CHUNK)]
    return [*stretches, placing.end(heard[len(stretches) * CHUNK :])]


def told(stretches: Sequence[Speech]) -> list[Word]:
    """All words, each of which must come no later than its sound, and in order."""
    words: list[Word] = []
    at = 0
    for stretch in stretches:
        for word in stretch.words:
            assert max(at, words[-1].end_sample if words else 0) <= word.start_sample <= word.end_sample
            words.append(word)
        at += len(stretch.pcm) // 2
    assert words[-1].end_sample <= at
    return words


def test_a_word_is_as_long_as_it_has_letters() -> None:
    words = told(placed("apple lemon, fig", sound(4 * WORD)))
    assert [(word.text, word.start_sample, word.end_sample) for word in words] == [
        ("apple", 0, WORD),
        ("lemon,", WORD, 2 * WORD),
        ("fig", 2 * WORD, 2 * WORD + 4 * 1_400),
    ]


def test_the_first_word_begins_with_the_first_sound() -> None:
    words = told(placed("apple", sound(2 * WORD, quiet=5_000)))
    assert (words[0].start_sample, words[0].end_sample) == (5_000, 5_000 + WORD)


def test_a_sound_that_ends_early_ends_all_words() -> None:
    stretches = placed("apple lemon grape", sound(WORD + 100))
    assert [(word.start_sample, word.end_sample) for word in told(stretches)] == [
        (0, WORD),
        (WORD, 2 * WORD),
        (2 * WORD, 2 * WORD),
    ]
    # The second word was told when it began, so the clause is as long as it is.
    assert sum(len(each.pcm) for each in stretches) == 2 * 2 * WORD


def test_a_long_word_stretches_its_clause_by_half_a_second_at_most() -> None:
    stretches = placed("abcdefghijk" * 5, sound(WORD))
    assert sum(len(each.pcm) for each in stretches) == 2 * 12_000
    assert [(word.start_sample, word.end_sample) for word in told(stretches)] == [(0, 12_000)]


def test_silence_alone_has_all_words_at_its_end() -> None:
    words = told(placed("apple lemon", np.zeros(WORD, np.float32)))
    assert [(word.start_sample, word.end_sample) for word in words] == [(WORD, WORD)] * 2


def test_the_pace_of_a_voice_is_learnt() -> None:
    """Half as fast as it is taken to be at first: after some clauses its words are where they are."""
    pace = Pace()
    errors = []
    for _ in range(20):
        last = told(placed("apple lemon grape mango peach", sound(10 * WORD), pace))[-1]
        errors.append(abs(last.start_sample - 8 * WORD) / WORD)
    assert errors[0] == 4
    assert errors[-1] < 0.5
    assert errors == sorted(errors, reverse=True)


def test_words_lie_where_the_clause_does_in_its_reply() -> None:
    assert told(placed("apple", sound(2 * WORD), first_sample=0))[0].start_sample == 0
    stretches = placed("apple lemon", sound(3 * WORD), first_sample=7_000)
    assert [word.start_sample for each in stretches for word in each.words] == [7_000, 7_000 + WORD]


def test_a_word_of_which_nothing_is_said_takes_no_time_and_its_script_is_told() -> None:
    stretches = placed("apple 寿司 lemon", sound(3 * WORD))
    assert [(word.text, word.start_sample, word.end_sample) for word in told(stretches)] == [
        ("apple", 0, WORD),
        ("寿司", WORD, WORD),
        ("lemon", WORD, 2 * WORD),
    ]
    assert [each.unspoken_scripts for each in stretches if each.unspoken_scripts] == [("Han",)]


@pytest.mark.parametrize(("language", "said"), [("en", "twenty five percent of Doctor Smith."), ("de", "25% of Dr. Smith.")])
def test_english_is_put_into_words_and_other_languages_are_left_to_the_model(language: str, said: str) -> None:
    made = clause_of(spoken_words("25% of Dr. Smith."), language)
    assert made.text == said
    assert made.sounds
    assert [word.text for word in made.words] == ["25%", "of", "Dr.", "Smith."]
