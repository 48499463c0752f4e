"""What the end of a turn is judged from: melody, words, the silence, and the fitted weights. No models."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from services.turn.engines.endings import Endings, endings, log_odds
from services.turn.engines.estimate import ByFusion, Evidence
from services.turn.engines.evidence import NAMES, SILENCE, WORDS, logit, model, numbers, of_words
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


def test_endings_know_pairs_before_words_before_nothing() -> None:
    table = Endings({"of": -3.0, "kind of": 0.5}, otherwise=0.2)
    assert [table.log_odds(words) for words in (["full", "of"], ["kind", "of"], ["quixotic"], [])] == [-3.0, 0.5, 0.2, 0.0]
    assert log_odds(9, 10, 0.5, 2) > log_odds(5, 10, 0.5, 2) == 0
    assert log_odds(0, 10_000, 0.5, 1) == -4


def test_counted_endings_are_those_of_english() -> None:
    table = endings()
    for last in ("the", "and", "my", "because", "of"):
        assert table.log_odds(["said", last]) < -1
    for last in ("too", "yet", "today", "though"):
        assert table.log_odds(["zebra", last]) > 0.5


def test_words_are_numbers() -> None:
    found = dict(zip(WORDS, of_words("Where are you from?"), strict=True))
    assert (found["known"], found["question"], found["full_stop"], found["filler"]) == (1, 1, 0, 0)
    assert found["rule"] > 0
    asked, said = (dict(zip(WORDS, of_words(f"What's the weather like{mark}"), strict=True)) for mark in "?.")
    assert asked["ending"] >= 0 > said["ending"]
    found = dict(zip(WORDS, of_words("I went to the store, um..."), strict=True))
    assert (found["open_mark"], found["filler"], found["full_stop"]) == (1, 1, 1)
    assert [of_words(text)[-1] * 8 for text in ("Yes.", "I do. We went home.", "So I went to the market. Um")] == [1, 3, 1]
    assert not of_words("").any()
    assert not of_words("...").any()


def weight(name: str) -> float:
    """What one more of a number adds to the logit."""
    nothing = np.zeros(len(NAMES))
    something = nothing.copy()
    something[NAMES.index(name)] = 1
    return logit(model().probability(something)) - logit(model().probability(nothing))


def test_time_never_makes_an_end_less_likely() -> None:
    assert all(weight(name) >= -1e-9 for name in SILENCE)
    rng = np.random.default_rng(0)
    for _ in range(50):
        sound, melody, words = rng.normal(0, 2), rng.normal(0, 1, len(PROSODY)), rng.normal(0, 1, len(WORDS))
        rising = [model().probability(numbers(sound, melody, words, s)) for s in np.arange(0.2, 2.6, 0.05)]
        assert rising == sorted(rising)
        assert rising[-1] > rising[0]


def test_what_sounds_finished_is_likelier_finished() -> None:
    assert weight("sound") > 0
    assert weight("ending") > 0
    assert weight("question") > 0 > weight("filler")


def fusion(answers: list[float]) -> tuple[ByFusion, list[float]]:
    """An estimator whose model answers in turn, and the silences at which it was asked."""
    asked: list[float] = []

    def listen(audio: Audio) -> float:
        asked.append(len(audio) / RATE)
        return answers[min(len(asked), len(answers)) - 1]

    estimate = ByFusion(lambda: voice(LEVEL), listen, model(), longest_s=2.5)
    estimate.begin()
    return estimate, asked


def over_time(estimate: ByFusion, until_s: float, text: str = "") -> list[float]:
    return [estimate.probability(float(s), text) for s in np.arange(0.2, until_s, 0.032)]


def test_the_silence_ends_any_turn() -> None:
    hesitant, _ = fusion([0.005])
    said = over_time(hesitant, 2.49, "and then I went to the")
    assert said[-1] < 1
    assert hesitant.probability(2.5, "and then I went to the") == 1


def test_the_model_is_asked_once_in_each_silence() -> None:
    estimate, asked = fusion([0.2])
    over_time(estimate, 2.4, "so I went to the")
    assert len(asked) == 1
    estimate.begin()
    over_time(estimate, 0.3)
    assert len(asked) == 2


def test_words_that_come_later_count_from_then_on() -> None:
    first, _ = fusion([0.5])
    second, _ = fusion([0.5])
    assert first.probability(0.25, "") == second.probability(0.25, "")
    assert first.probability(0.45, "what is your name?") > second.probability(0.45, "I went to see my")


def test_melody_is_that_of_the_speech_not_of_the_silence() -> None:
    speech = voice(LEVEL)
    evidence = Evidence(lambda: np.concatenate([speech, np.zeros(RATE // 4, np.float32)]), lambda audio: 0.5)
    np.testing.assert_allclose(evidence.numbers(0.25, "")[1 : 1 + len(PROSODY)], prosody(speech))
