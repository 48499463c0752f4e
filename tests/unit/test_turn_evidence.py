"""What the end of a turn is judged from: melody, words, the silence, and the fitted weights. No models."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from services.common.ending import Ending
from services.common.reading.readers import english
from services.turn.engines.estimate import OVER, ByFusion, BySilence, Evidence, Words
from services.turn.engines.evidence import ENDS, NAMES, fitted, of_ending, of_reading
from services.turn.engines.hazard import TIME, Hazard
from services.turn.engines.prosody import NAMES as PROSODY
from services.turn.engines.prosody import prosody

RATE = 16_000
Audio = NDArray[np.float32]


def voice(hz: NDArray[np.float64], loudness: NDArray[np.float64] | float = 1.0) -> Audio:
    """A buzz that follows a melody, one value each sample."""
    phase = 2 * np.pi * np.cumsum(hz) / RATE
    sound = sum(np.sin(phase * harmonic) / harmonic for harmonic in range(1, 12))
    return np.asarray(sound * loudness * 0.1, np.float32)


def heard(audio: Audio) -> dict[str, float]:
    return dict(zip(PROSODY, prosody(audio), strict=True))


LEVEL = np.full(2 * RATE, 150.0)


def test_a_falling_pitch_falls_and_a_rising_one_rises() -> None:
    fall, rise = (np.concatenate([LEVEL, 150 * 2 ** (np.linspace(0, half, RATE // 2) / 12)]) for half in (-6, 6))
    falling, rising, level = heard(voice(fall)), heard(voice(rise)), heard(voice(LEVEL))
    assert falling["pitch_end"] == pytest.approx(-1.4, abs=0.2)
    assert rising["pitch_end"] == pytest.approx(1.4, abs=0.2)
    assert falling["pitch_slope"] == pytest.approx(-0.6, abs=0.1)
    assert rising["pitch_slope"] == pytest.approx(0.6, abs=0.1)
    assert abs(level["pitch_end"]) < 0.1


def test_a_fading_voice_loses_energy_and_a_held_one_stays_the_same() -> None:
    loudness = np.concatenate([np.ones(2 * RATE - RATE // 2), 10 ** np.linspace(0, -1, RATE // 2)])
    fading, steady = heard(voice(LEVEL, loudness)), heard(voice(LEVEL))
    assert fading["energy_end"] < -1.2 < steady["energy_end"]
    assert fading["energy_slope"] == pytest.approx(-0.4, abs=0.1)
    wandering = np.concatenate([LEVEL, 150 + 60 * np.sin(np.arange(RATE // 2) / RATE * 40)])
    assert heard(voice(wandering))["change"] > heard(voice(LEVEL))["change"]
    broken = voice(LEVEL)
    broken[-RATE // 5 - 2_400 : -RATE // 5] = 0
    assert heard(broken)["held"] < heard(voice(LEVEL))["held"]


def test_one_stray_frame_behind_the_voice_does_not_unmake_the_melody() -> None:
    steady = voice(LEVEL)
    steady[-800:] *= np.linspace(1, 0, 800, dtype=np.float32)
    stray = np.concatenate([steady, np.zeros(320, np.float32), voice(LEVEL)[:480] * np.float32(0.05)])
    before, after = heard(steady), heard(stray)
    assert after["held"] > 0.5 * before["held"]


def test_noise_has_no_melody_and_level_does_not_matter() -> None:
    noise = np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32)
    assert heard(noise)["voiced_end"] == 0
    assert heard(noise)["held"] == 0
    np.testing.assert_allclose(prosody(voice(LEVEL)), prosody(voice(LEVEL) * np.float32(0.1)), atol=1e-3)
    assert not prosody(np.zeros(100, np.float32)).any()
    assert np.isfinite(prosody(np.zeros(RATE, np.float32))).all()


def words(text: str, ending: Ending | None = None) -> Words:
    return Words(english().read(text), ending)


WHOLE = Ending(0.95, 0.02, 0.01)
BROKEN_OFF = Ending(0.05, 0.01, 0.9)


def weight(when: str, name: str) -> float:
    """What one more of a number adds to the evidence."""
    nothing = np.zeros(len(NAMES[when]))
    something = nothing.copy()
    something[NAMES[when].index(name)] = 1
    return fitted()[when].evidence(something) - fitted()[when].evidence(nothing)


def test_words_that_are_not_known_say_nothing() -> None:
    assert not of_reading(None).any()
    assert of_reading(english().read("What's the weather like?"))[0] == 1
    assert [round(each, 2) for each in of_ending(Ending(0.5, 0.0, 1.0))] == [0, -5.81, 5.81]


@pytest.mark.parametrize("when", NAMES)
def test_time_never_makes_an_end_less_likely_nor_waiting_cheaper(when: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        weights = fitted()[when]
        evidence = weights.evidence(rng.normal(0, 1, len(NAMES[when])))
        silences = [float(silence_s) for silence_s in np.arange(0.2, 2.45, 0.05)]
        rising = [weights.hazard.probability(evidence, silence_s) for silence_s in silences]
        assert rising == sorted(rising)
        assert rising[-1] > rising[0]
        costs = [weights.hazard.waiting_cost_s(evidence, silence_s, 2.5) for silence_s in silences]
        assert all(cost > 0 for cost in costs)
        assert costs[-1] > costs[0]


def test_waiting_costs_what_the_best_time_to_wait_costs() -> None:
    """Odds of 1 now and of 3 from 0.7 s on: two thirds of those who would go on have done so by then."""
    steps = dict.fromkeys(TIME, 0.0) | {"silence_to_700_ms": float(np.log(3)) / 0.3}
    hazard = Hazard(0.0, steps)
    later = np.arange(0.45, 2.5, 0.05)
    odds = np.exp(np.clip(later - 0.4, 0, 0.3) / 0.3 * np.log(3))
    best = float(np.min((later - 0.4) / (1 - 1 / odds)))
    assert hazard.waiting_cost_s(0.0, 0.4, 2.5) == pytest.approx(best)
    assert hazard.waiting_cost_s(0.0, 0.7, 2.5) == np.inf, "nobody goes on any more"


def test_what_sounds_finished_is_likelier_finished() -> None:
    for when in NAMES:
        assert weight(when, "sound") > 0
        assert weight(when, "looks_for_words") < 0
    assert weight("after", "full_stop") > 0 > weight("after", "dots")
    assert weight("after", "question_mark") > 0
    assert set(NAMES["after"]) - set(NAMES["before"]) == set(ENDS)


def fusion(answers: list[float]) -> tuple[ByFusion, list[float]]:
    """An estimator whose model answers in turn, and the silences at which it was asked."""
    asked: list[float] = []

    def listen(audio: Audio) -> float:
        asked.append(len(audio) / RATE)
        return answers[min(len(asked), len(answers)) - 1]

    estimate = ByFusion(lambda: voice(LEVEL), listen, fitted(), longest_s=2.5)
    estimate.begin()
    return estimate, asked


UNKNOWN = Words()


def over_time(estimate: ByFusion, until_s: float, said: Words = UNKNOWN) -> list[float]:
    return [estimate.estimate(float(s), said).probability for s in np.arange(0.2, until_s, 0.032)]


def test_the_silence_ends_any_turn() -> None:
    hesitant, _ = fusion([0.005])
    unfinished = words("and then I went to the", BROKEN_OFF)
    assert over_time(hesitant, 2.49, unfinished)[-1] < 1
    assert hesitant.estimate(2.5, unfinished) == OVER


def test_without_a_model_the_turn_is_over_after_so_much_silence_and_not_before() -> None:
    by_silence = BySilence(0.7)
    before = by_silence.estimate(0.6, Words())
    assert (before.probability, before.waiting_cost_s) == (pytest.approx(0.6 / 0.7), 0)
    assert by_silence.estimate(0.7, Words()) == by_silence.estimate(1.0, Words()) == OVER


def test_the_model_is_asked_once_in_each_silence() -> None:
    estimate, asked = fusion([0.2])
    over_time(estimate, 2.4, words("so I went to the"))
    assert len(asked) == 1
    estimate.begin()
    over_time(estimate, 0.3)
    assert len(asked) == 2


def test_words_and_how_they_end_count_from_when_they_come() -> None:
    first, second = (fusion([0.5])[0] for _ in range(2))
    assert first.estimate(0.25, Words()) == second.estimate(0.25, Words())
    asked, looked_for = words("what is your name?"), words("I went to see my")
    assert first.estimate(0.4, asked).probability > second.estimate(0.4, looked_for).probability
    said = words("I went to the lake"), words("I went to the lake", BROKEN_OFF), words("I went to the lake", WHOLE)
    unknown, broken_off, whole = (first.estimate(0.5, each) for each in said)
    assert broken_off.probability < unknown.probability < whole.probability
    assert broken_off.waiting_cost_s < unknown.waiting_cost_s < whole.waiting_cost_s


def test_melody_is_that_of_the_speech_not_of_the_silence() -> None:
    speech = voice(LEVEL)
    evidence = Evidence(lambda: np.concatenate([speech, np.zeros(RATE // 4, np.float32)]), lambda audio: 0.5)
    np.testing.assert_allclose(evidence.heard(0.25)[1 : 1 + len(PROSODY)], prosody(speech))
