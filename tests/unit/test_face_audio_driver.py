"""The mouth that follows the sound: what it hears, and that it does with the lips what the sounds ask for."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.driver.__main__ import MADE
from bench.driver.corpus import Utterance, read
from bench.driver.scoring import JAW, mouths, opening, score
from bench.driver.training import inputs
from services.common.resample import Resampler
from services.face.engine import AHEAD_S, Look, Slot
from services.face.engines.portrait.audio_driver import (
    AFTER,
    HOP_S,
    REACH_AFTER_S,
    WINDOW_S,
    AudioDriver,
    levelled,
    loudest,
    network,
    spectra,
)
from services.face.engines.portrait.speech import LEAD_S, Mouth
from services.face.engines.portrait.visemes import ARTICULATED

RATE = 24_000
UNIT = RATE // 25


@pytest.fixture(scope="module")
def said() -> list[Utterance]:
    """Some of voices that the network never heard."""
    return [each for n, each in enumerate(read(MADE)) if n % 5 == 0]


def test_a_sound_is_heard_alike_at_every_rate() -> None:
    rng = np.random.default_rng(1)
    slow = np.convolve(rng.standard_normal(16_000), np.hanning(9), "same").astype(np.float32) / 20
    fast = Resampler(16_000, RATE).push(slow)
    (a, _), (b, _) = spectra(slow, 16_000), spectra(np.asarray(fast, np.float32), RATE)
    count = min(len(a), len(b)) - 8
    difference = np.log10(a[4:count, :24].mean(0)) - np.log10(b[4:count, :24].mean(0))
    assert np.abs(difference).max() < 0.1


def test_the_loudest_is_forgotten_slowly() -> None:
    powers = np.concatenate([np.full(5, 0.1), np.full(400, 1e-6)]).astype(np.float32)
    peaks = loudest(powers)
    assert peaks[4] == pytest.approx(0.1, rel=0.05)
    assert peaks[204] == pytest.approx(0.1 * np.exp(-1), rel=0.05)


def test_levels_are_those_against_the_loudest() -> None:
    assert levelled(np.array([1.0, 1e-9, 0.0], np.float32), 1.0).tolist() == pytest.approx([0, -1, -1])


def test_unit_by_unit_it_hears_what_it_would_hear_in_the_whole(said: list[Utterance]) -> None:
    audio = said[0].audio
    driver, columns = AudioDriver(), [each[0] for each in ARTICULATED.values()]
    by_unit = []
    for at in range(0, len(audio) - UNIT, UNIT):
        ahead = audio[at + UNIT : at + UNIT + round(AHEAD_S * RATE)]
        by_unit.append(driver.shape(audio[at : at + UNIT], ahead, RATE, LEAD_S)[columns])
    given, moments = inputs(audio)
    whole = network()(given)
    # Moments of both that are the same: 10 ms after the start of a unit, in the middle of a window.
    pairs = [(n, round((n * UNIT / RATE + LEAD_S - moments[0]) / HOP_S)) for n in range(10, len(by_unit) - 2)]
    apart = [np.abs(by_unit[n] - whole[row]).max() for n, row in pairs if abs(moments[row] - n * 0.04 - LEAD_S) < 0.006]
    assert len(apart) > 40
    assert np.median(apart) < 0.05


def test_it_needs_no_more_of_what_follows_than_it_is_shown() -> None:
    assert REACH_AFTER_S + LEAD_S <= UNIT / RATE + AHEAD_S
    assert abs(AFTER * HOP_S + WINDOW_S / 2 - REACH_AFTER_S) < 1e-9
    assert REACH_AFTER_S <= 0.060


def test_lips_close_where_the_sounds_want_it_and_in_silence(said: list[Utterance]) -> None:
    known = [mouths(each.audio, RATE, each.phonemes) for each in said]
    found = score([(each, mouths(each.audio, RATE, ()), shapes) for each, shapes in zip(said, known, strict=True)], RATE)
    assert found.r > 0.78
    assert found.closed >= 0.85 * found.closures
    assert found.silent_shut == 1.0


def test_a_soft_voice_moves_the_lips_as_much_as_a_loud_one(said: list[Utterance]) -> None:
    loud, soft = (opening(mouths(said[1].audio * np.float32(gain), RATE, ())) for gain in (1.0, 0.3))
    assert np.percentile(soft, 90) > 0.7 * np.percentile(loud, 90)
    assert np.corrcoef(loud, soft)[0, 1] > 0.9


def test_what_does_not_follow_is_heard_afresh(said: list[Utterance]) -> None:
    audio = said[2].audio[RATE:]

    def step(mouth: Mouth, index: int, turn: int) -> NDArray[np.float64]:
        at = index * UNIT
        slot = Slot(
            index, audio[at : at + UNIT], RATE, turn, at, (), Look.IDLE, None, paused=False, ahead=audio[at + UNIT :][:600]
        )
        return mouth.step(slot, 0.04)

    mouth = Mouth()
    opened = max(step(mouth, index, 1)[JAW] for index in range(20))
    assert opened > 0.1
    silence = Slot(0, np.zeros(UNIT, np.float32), RATE, 2, 0, (), Look.IDLE, None, paused=False)
    for index in range(6):
        shape = mouth.step(Slot(index, silence.pcm, RATE, 2, index * UNIT, (), Look.IDLE, None, paused=False), 0.04)
    assert shape[JAW] < 0.02
