"""What `bench.asr` counts and chooses, with recognisers that are known to be right or wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from bench.asr.material import RATE_HZ, development, further, librispeech
from bench.asr.scoring import Score, Side, best, cross_validated, likely_difference, score

SPEAKERS = ["a", "a", "b", "b", "c", "c"]
WORDS = [10] * 6


def side(errors: list[int], seconds: float) -> Score:
    return Score(np.array(errors), np.array(WORDS), np.full(len(errors), seconds))


STOCK = side([2] * 6, 3.0)


def test_errors_are_words_replaced_left_out_or_put_in() -> None:
    heard = Side("x", ["the bat sat", "", "well well said"], [1.0, 1.0, 2.0])
    found = score(heard, ["The cat sat.", "yes", "well said"], lambda text: text.lower().strip("."))
    assert found.errors.tolist() == [1, 1, 1]
    assert found.words.tolist() == [3, 1, 2]
    assert found.wer == pytest.approx(50.0)


def test_the_fewest_errors_win_among_those_that_are_fast_enough() -> None:
    slow_but_right, fast, fast_and_better = side([0] * 6, 2.0), side([2] * 6, 1.0), side([1] * 6, 1.0)
    assert best([slow_but_right, fast, fast_and_better], STOCK) == 2
    assert best([slow_but_right, side([0] * 6, 2.5)], STOCK) == 0


def test_nobody_has_a_say_in_how_they_are_recognised() -> None:
    # The first choice is perfect for "a" and bad for the others; without "a" nothing speaks for it.
    for_a, for_others = side([0, 0, 9, 9, 9, 9], 1.0), side([5, 5, 1, 1, 1, 1], 1.0)
    held_out, chosen = cross_validated([for_a, for_others], STOCK, SPEAKERS)
    assert held_out.errors.tolist() == [5, 5, 1, 1, 1, 1]
    assert chosen == {1: 3}


def test_one_speaker_alone_may_turn_the_choice_for_the_others() -> None:
    tuned_on_a, plain = side([0, 0, 5, 5, 5, 5], 1.0), side([8, 8, 4, 4, 4, 4], 1.0)
    held_out, chosen = cross_validated([tuned_on_a, plain], STOCK, SPEAKERS)
    # Whoever is left out, `a` decides for "b" and "c": they get what was tuned on it.
    assert held_out.errors.tolist() == [8, 8, 5, 5, 5, 5]
    assert chosen == {0: 2, 1: 1}


def test_the_same_results_differ_by_nothing_and_clear_ones_by_something() -> None:
    assert likely_difference(STOCK, STOCK) == (0.0, 0.0)
    low, high = likely_difference(side([1] * 6, 1.0), STOCK)
    assert (low, high) == (-10.0, -10.0)
    low, high = likely_difference(side([0, 4, 0, 4, 0, 4], 1.0), STOCK)
    assert low < 0 < high


def test_the_speakers_of_the_two_sets_are_different_people() -> None:
    known, others = development(), further()
    assert len(known) == 50
    assert {each.speaker for each in known}.isdisjoint(each.speaker for each in others)
    assert all(each.transcript and each.seconds > 1 for each in known + others)


def test_librispeech_is_read_as_it_is_published(tmp_path: Path) -> None:
    for chapter, lines in {
        "19/198": ["19-198-0000 NORTHANGER ABBEY", "19-198-0001 THIS LITTLE WORK"],
        "26/495": ["26-495-0000 SAY NO"],
    }.items():
        folder = tmp_path / chapter
        folder.mkdir(parents=True)
        (folder / f"{chapter.replace('/', '-')}.trans.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        for line in lines:
            soundfile.write(folder / f"{line.split()[0]}.flac", np.zeros(RATE_HZ), RATE_HZ)
    found = librispeech(tmp_path)
    assert [(each.speaker, each.transcript) for each in found] == [("19", "NORTHANGER ABBEY"), ("26", "SAY NO")]
    assert found[0].seconds == 1.0
