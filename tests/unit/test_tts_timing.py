"""Durations become times that fit the audio: silence is a pause, loud parts are sounds, and nothing is left over."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from services.tts.engines.pronounce import MAX_SYMBOLS, Symbol, split_runs
from services.tts.engines.timing import STEP, lead_samples, silence, time_run, word_list
from services.tts.spoken import SpokenWord


def symbols(*words: str) -> list[Symbol]:
    """Each string is one written word with the marks and spaces that follow it."""
    return [Symbol(char, index) for index, word in enumerate(words) for char in word]


def audio(*parts: tuple[int, float]) -> NDArray[np.float32]:
    """(samples, level) after one another."""
    noise = np.random.default_rng(0)
    return np.concatenate([noise.standard_normal(n) * level for n, level in parts]).astype(np.float32)


def test_phonemes_cover_the_audio_and_words_take_theirs() -> None:
    run = symbols("hˈO ", "ðˌɛɹ.")
    steps = np.array([13, 2, 2, 3, 2, 2, 1, 3, 8, 7, 1], np.float32)
    total = int(steps.sum()) * STEP
    speech_end = 29 * STEP
    timing = time_run(run, steps, silence(audio((11 * STEP, 0), (speech_end - 11 * STEP, 0.1), (total - speech_end, 0))), 1.0)
    assert [p.symbol for p in timing.phonemes] == ["", "h", "oʊ", "ð", "ɛ", "ɹ", ""]
    assert [p.stress for p in timing.phonemes] == [0, 0, 1, 0, 2, 0, 0]
    assert timing.phonemes[0].start_sample == 0
    assert timing.phonemes[-1].end_sample == total
    assert all(a.end_sample == b.start_sample for a, b in zip(timing.phonemes, timing.phonemes[1:], strict=False))
    lead = lead_samples(1.0)
    assert timing.first_sound == pytest.approx(13 * STEP - lead, abs=200)
    # The space gives its first step to the word before it.
    assert timing.words[0] == (timing.first_sound, (13 + 2 + 2 + 3 + 1) * STEP - lead)
    assert timing.words[1][0] == timing.words[0][1]
    assert timing.last_sound_end == pytest.approx(speech_end, abs=200)


def test_a_pause_hidden_in_the_sound_before_a_comma_is_found() -> None:
    run = symbols("m, ", "m")
    steps = np.array([4, 12, 2, 2, 4, 4], np.float32)
    timing = time_run(
        run, steps, silence(audio((2 * STEP, 0), (4 * STEP, 0.1), (9 * STEP, 0), (6 * STEP, 0.1), (7 * STEP, 0))), 1.0
    )
    assert [p.symbol for p in timing.phonemes] == ["", "m", "", "m", ""]
    pause = timing.phonemes[2]
    assert pause.start_sample == pytest.approx(6 * STEP, abs=200)
    assert pause.end_sample == pytest.approx(15 * STEP, abs=200)


def test_a_comma_spoken_through_makes_no_pause() -> None:
    run = symbols("m, ", "m")
    steps = np.array([4, 4, 1, 2, 4, 4], np.float32)
    timing = time_run(run, steps, silence(audio((2 * STEP, 0), (13 * STEP, 0.1), (4 * STEP, 0))), 1.0)
    assert [p.symbol for p in timing.phonemes] == ["", "m", "m", ""]


def test_the_lead_shrinks_with_the_pace() -> None:
    assert lead_samples(2.0) < lead_samples(1.0) == 2 * STEP < lead_samples(0.5)


def test_every_written_word_gets_a_place() -> None:
    words = word_list(["a", "silent", "b"], {0: (10, 20), 2: (20, 30)}, 100)
    assert [(w.text, w.start_sample, w.end_sample) for w in words] == [("a", 110, 120), ("silent", 120, 120), ("b", 120, 130)]


def test_a_very_long_piece_is_cut_into_runs_at_its_spaces() -> None:
    runs = split_runs([SpokenWord("abcdefghi", "abcdefghi")] * 100, symbols(*["abcdefghi "] * 100))
    assert len(runs) > 2
    assert all(len(run.symbols) <= MAX_SYMBOLS for run in runs)
    assert all(run.symbols[0].char == "a" for run in runs)


def test_a_pause_stands_for_words_that_have_no_sounds() -> None:
    words = [
        SpokenWord("I", "I"),
        SpokenWord("寿", "—", foreign=True),
        SpokenWord("司", "—", foreign=True),
        SpokenWord("a", "a"),
    ]
    runs = split_runs(words, symbols("I ", "", "", "ə"))
    assert [("".join(symbol.char for symbol in run.symbols), run.silent) for run in runs] == [
        ("I ", []),
        ("", [1, 2]),
        ("ə", []),
    ]
