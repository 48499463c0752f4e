"""The mouth of the portrait engine: what each sound does to it, and when."""

import itertools

import numpy as np
import pytest

from services.face.engine import Look, Phoneme, Slot
from services.face.engines.portrait.expression import LARGEST_JAW_OPEN, channel
from services.face.engines.portrait.speech import Mouth, shape_at
from services.face.engines.portrait.visemes import SEAL, TONGUE, visemes_of

RATE = 24000
UNIT = RATE // 25
JAW, PUCKER, STRETCH = channel("jawOpen"), channel("mouthPucker"), channel("mouthStretchLeft")


def sounds(*items: str, each_s: float = 0.1, stress: int = 0) -> list[Phoneme]:
    step = int(each_s * RATE)
    return [Phoneme(symbol, n * step, (n + 1) * step, stress) for n, symbol in enumerate(items)]


def at(phonemes: list[Phoneme], seconds: float) -> np.ndarray:
    return shape_at(phonemes, seconds * RATE, RATE)


def voice(level: float = 0.2, hertz: float = 500.0, index: int = 0) -> np.ndarray:
    time = (np.arange(UNIT) + index * UNIT) / RATE
    return (level * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def slot(
    index: int, pcm: np.ndarray | None = None, phonemes: list[Phoneme] | None = None, turn: int = 1, paused: bool = False
) -> Slot:
    silent = np.zeros(UNIT, np.float32)
    return Slot(
        index, silent if pcm is None else pcm, RATE, turn, index * UNIT if turn else 0, phonemes or (), Look.IDLE, None, paused
    )


@pytest.mark.parametrize("symbol", ["p", "b", "m"])
def test_lips_meet_between_open_vowels(symbol: str) -> None:
    said = sounds("ɑ", symbol, "ɑ")
    mouth = Mouth()
    seals = [mouth.step(slot(n, voice(index=n), said), 0.04)[SEAL] for n in range(8)]
    assert max(seals) == pytest.approx(1.0)
    assert at(said, 0.15)[SEAL] > 0.8
    assert at(said, 0.05)[SEAL] < 0.2


@pytest.mark.parametrize("symbol", ["t", "d", "n", "k", "s", "w", "h"])
def test_other_consonants_leave_the_lips_apart(symbol: str) -> None:
    assert at(sounds("ɑ", symbol, "ɑ"), 0.15)[SEAL] < 0.2


def test_rounding_begins_about_a_tenth_of_a_second_early() -> None:
    said = [Phoneme("i", 0, 4800, 0), Phoneme("u", 4800, 9600, 1)]
    alone = [Phoneme("i", 0, 4800, 0)]
    before = 0.2 - 0.07
    assert at(said, before)[PUCKER] > 0.12 > at(alone, before)[PUCKER]
    assert at(said, 0.3)[PUCKER] > 0.5


def test_vowels_differ_as_one_sees_them() -> None:
    open_, spread, round_ = (at(sounds("", vowel, "", each_s=0.15), 0.225) for vowel in "ɑiu")
    assert open_[JAW] > 2 * spread[JAW]
    assert spread[STRETCH] > 0.15 > round_[STRETCH]
    assert round_[PUCKER] > 0.4 > open_[PUCKER]


def test_stress_opens_the_jaw_further() -> None:
    assert at(sounds("t", "ɑ", "t", stress=1), 0.15)[JAW] > 1.1 * at(sounds("t", "ɑ", "t"), 0.15)[JAW]


def test_tongue_rises_for_l_and_th() -> None:
    assert at(sounds("ɑ", "l", "ɑ"), 0.15)[TONGUE] > 0.5
    assert at(sounds("ɑ", "θ", "ɑ"), 0.15)[TONGUE] > 0.5
    assert at(sounds("ɑ", "ɑ", "ɑ"), 0.15)[TONGUE] < 0.05


def test_influence_ends_so_that_a_window_is_enough() -> None:
    said = sounds("ɑ", "p", "u", "s", "i", "m", "o", "f", "ɑ", "t", "u", "b")
    here = 0.6
    near = [p for p in said if p.end_sample > (here - 0.4) * RATE and p.start_sample < (here + 0.4) * RATE]
    assert np.abs(at(said, here) - at(near, here)).max() < 0.005


def test_diphthongs_pass_through_both_vowels() -> None:
    assert visemes_of("aɪ") == ("aa", "I")
    assert visemes_of("dʒ") == ("DD", "CH")
    assert visemes_of("ˈiː") == ("I",)
    assert visemes_of("") == ("sil",)
    assert visemes_of("☃") == ("sil",)


def test_long_pause_closes_the_mouth() -> None:
    said = [Phoneme("ɑ", 0, 4800, 1), Phoneme("", 4800, 14400, 0), Phoneme("ɑ", 14400, 19200, 1)]
    assert at(said, 0.4)[JAW] < 0.03


def test_jaw_never_opens_like_rubber() -> None:
    mouth = Mouth()
    shouted = sounds(*["ɑ"] * 20, stress=1)
    assert max(mouth.step(slot(n, voice(0.9, index=n), shouted), 0.04)[JAW] for n in range(40)) <= LARGEST_JAW_OPEN


@pytest.mark.parametrize("held", [True, False])
def test_voice_that_stops_lets_the_mouth_close_without_a_jump(held: bool) -> None:
    mouth, said = Mouth(), sounds(*["ɑ"] * 20)
    for n in range(10):
        before = mouth.step(slot(n, voice(index=n), said), 0.04)[JAW]
    after = [mouth.step(slot(n, turn=1 if held else 0, paused=held), 0.04)[JAW] for n in range(10, 20)]
    assert before > 0.3
    assert before - after[0] < 0.6 * before
    assert all(a >= b for a, b in itertools.pairwise(after))
    assert after[-1] < 0.01
