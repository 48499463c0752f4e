"""The policy of ending turns that the one in use is measured against."""

from __future__ import annotations

import numpy as np
import pytest

from bench.turn.baseline.endings import Endings, endings
from bench.turn.baseline.evidence import WORDS, of_words, probability
from bench.turn.baseline.rules import silence_needed_s
from services.common.reading.reading import Reading
from services.turn.engines.evidence import HEARD


def test_endings_know_pairs_before_words_before_nothing() -> None:
    table = Endings({"of": -3.0, "kind of": 0.5}, otherwise=0.2)
    assert [table.log_odds(words) for words in (["full", "of"], ["kind", "of"], ["quixotic"], [])] == [-3.0, 0.5, 0.2, 0.0]


def test_counted_endings_are_those_of_english() -> None:
    table = endings()
    for last in ("the", "and", "my", "because", "of"):
        assert table.log_odds(["said", last]) < -1
    for last in ("too", "yet", "today", "though"):
        assert table.log_odds(["zebra", last]) > 0.5


def test_words_are_numbers() -> None:
    found = dict(zip(WORDS, of_words("Where are you from?"), strict=True))
    assert (found["known"], found["rule"], found["question"], found["full_stop"], found["filler"]) == (1, 0.8, 1, 0, 0)
    found = dict(zip(WORDS, of_words("I went to the store, um..."), strict=True))
    assert (found["rule"], found["open_mark"], found["filler"]) == (-0.8, 1, 1)
    assert [of_words(text)[-1] * 8 for text in ("Yes.", "I do. We went home.", "So I went to the market. Um")] == [1, 3, 1]
    assert not of_words("").any()


def test_the_silence_and_what_sounds_finished_make_an_end_likelier() -> None:
    heard = np.zeros(len(HEARD))
    rising = [probability(heard, "I went to the lake.", float(silence_s)) for silence_s in np.arange(0.3, 2.4, 0.1)]
    assert rising == sorted(rising)
    assert probability(heard, "What is your name?", 0.5) > probability(heard, "I went to see my", 0.5)


@pytest.mark.parametrize(
    ("reading", "probable", "needed_s"),
    [
        (Reading(asks=1.0, begins=1.0), 0.4, 0.45),
        (Reading(begins=1.0), 0.85, 1.7),
        (Reading(), 0.85, 0.76),
        (Reading(looks_for_words=1.0), 0.99, 2.5),
        (Reading(tells_a_story=1.0), 0.99, 2.0),
        (None, 0.75, 1.7),
    ],
)
def test_tables_say_how_much_silence_is_enough(reading: Reading | None, probable: float, needed_s: float) -> None:
    assert silence_needed_s(reading, probable) == needed_s
