"""The sync meter reads what was put in: a made voice, and lips that follow it with a known delay."""

from __future__ import annotations

import numpy as np
import pytest

from bench.lipsync import Curve, Film, lag, measure
from services.face.engine import Phoneme

RATE = 24_000
SECONDS = 16.0
#: Syllables of the made speech: a closure of 80 ms, then a vowel of 160 ms with its own strength.
SYLLABLE_S = 0.24
START_S, END_S = 2.0, 14.0


def strength(time: Curve) -> Curve:
    """How loud the made voice is, 0..1: silent at both ends and in each closure."""
    number = np.floor((time - START_S) / SYLLABLE_S)
    phase = (time - START_S) / SYLLABLE_S - number
    vowel = np.sin(np.pi * np.clip((phase - 1 / 3) / (2 / 3), 0, 1))
    level = 0.5 + 0.5 * np.abs(np.sin(1.7 * number * number + number))
    return np.where((time >= START_S) & (time < END_S), vowel * level, 0.0)


def film(voice_delay_s: float = 0.0) -> Film:
    times = np.arange(0, SECONDS, 0.04)
    samples = np.arange(int(SECONDS * RATE)) / RATE
    noise = np.random.default_rng(4).normal(0, 0.3, len(samples))
    return Film(times, [], strength(samples - voice_delay_s) * noise, RATE, 0.0)


def lips(delay_s: float) -> Curve:
    return 0.02 + 0.3 * strength(film().times - delay_s)


def sounds() -> list[Phoneme]:
    made = []
    for start in np.arange(0, END_S - START_S - 1e-6, SYLLABLE_S):
        edges = [round((start + offset) * RATE) for offset in (0, 0.08, SYLLABLE_S)]
        made += [Phoneme("m", edges[0], edges[1], 0), Phoneme("a", edges[1], edges[2], 1)]
    return made


@pytest.mark.parametrize("delay_ms", [-120, -40, 0, 25, 120])
def test_the_offset_is_the_delay_of_the_lips(delay_ms: float) -> None:
    offset, correlation = lag(film(), lips(delay_ms / 1000))
    assert 1000 * offset == pytest.approx(delay_ms, abs=8)
    assert correlation > 0.7


def test_sound_that_is_late_in_the_file_reads_as_lips_that_are_early() -> None:
    late = film(voice_delay_s=0.046)
    assert 1000 * lag(late, lips(0.0))[0] == pytest.approx(-46, abs=8)


def test_closures_and_silence_are_counted() -> None:
    sync = measure(film(), lips(0.0), sounds(), START_S, RATE)
    assert (sync.closed, sync.closures) == (50, 50)
    assert sync.silent_shut == 1.0


def test_a_mouth_that_never_shuts_is_found_out() -> None:
    sync = measure(film(), lips(0.0) + 0.2, sounds(), START_S, RATE)
    assert sync.closed == 0
    assert sync.silent_shut == 0.0


def test_lost_faces_are_counted_and_bridged() -> None:
    opening = lips(0.0)
    opening[100:104] = np.nan
    assert measure(film(), opening, sounds(), START_S, RATE).lost == 4
