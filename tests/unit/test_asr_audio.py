"""From samples to columns: the spectrogram, the resampler, the speech gate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.asr.engines.speech_gate import SpeechGate
from services.asr.engines.whisper_features import LogMelStream
from services.common.log_mel import HOP_SAMPLES, whisper_input
from services.common.resample import Resampler
from services.common.silero import WINDOW_SAMPLES

Samples = NDArray[np.float32]


def noise(samples: int, level: float = 0.1) -> Samples:
    return (np.random.default_rng(7).standard_normal(samples) * level).astype(np.float32)


def test_columns_are_those_of_the_reference() -> None:
    audio = noise(32_000)
    stream = LogMelStream()
    stream.push(audio)
    ours = whisper_input(stream.cut(0, stream.end), 0)[0]
    reference = FeatureExtractor()(audio, padding=160)
    # The reference mirrors the sound at the ends; a stream has silence before it, and does not know its end.
    np.testing.assert_allclose(ours[:, 2:], reference[:, 2 : ours.shape[1]], atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 1600), min_size=1, max_size=40))
def test_columns_do_not_depend_on_the_size_of_chunks(sizes: list[int]) -> None:
    audio = noise(sum(sizes))
    whole, pieces = LogMelStream(), LogMelStream()
    whole.push(audio)
    at = 0
    for size in sizes:
        pieces.push(audio[at : at + size])
        at += size
    assert pieces.end == whole.end
    np.testing.assert_allclose(pieces.cut(0, pieces.end), whole.cut(0, whole.end), atol=1e-5)


def test_forgotten_columns_keep_their_numbers() -> None:
    stream = LogMelStream()
    stream.push(noise(32_000))
    before = stream.cut(100, 150)
    stream.forget(100)
    np.testing.assert_array_equal(stream.cut(100, 150), before)
    end = stream.end
    stream.skip(50)
    assert stream.start == stream.end == end + 50


@pytest.mark.parametrize("rate", [8_000, 24_000, 48_000])
def test_a_tone_keeps_its_pitch_level_and_place(rate: int) -> None:
    seconds = np.arange(rate) / rate
    tone = np.sin(2 * np.pi * 440 * seconds).astype(np.float32)
    resampler = Resampler(rate, 16_000)
    result = np.concatenate([resampler.push(tone[at : at + 777]) for at in range(0, len(tone), 777)])
    expected = np.sin(2 * np.pi * 440 * np.arange(len(result)) / 16_000)
    assert len(result) > 15_900
    np.testing.assert_allclose(result[200:], expected[200:], atol=0.01)


def test_what_is_above_the_new_band_is_gone() -> None:
    seconds = np.arange(48_000) / 48_000
    whistle = np.sin(2 * np.pi * 11_000 * seconds).astype(np.float32)
    assert np.abs(Resampler(48_000, 16_000).push(whistle)[200:]).max() < 0.001


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([(48_000, 16_000), (24_000, 16_000), (8_000, 24_000)]),
    st.lists(st.integers(1, 1600), min_size=1, max_size=20),
)
def test_the_new_rate_does_not_depend_on_the_size_of_chunks(rates: tuple[int, int], sizes: list[int]) -> None:
    audio = noise(sum(sizes))
    resampler = Resampler(*rates)
    pieces = np.concatenate([resampler.push(piece) for piece in np.split(audio, np.cumsum(sizes)[:-1])])
    np.testing.assert_array_equal(pieces, Resampler(*rates).push(audio))


@pytest.mark.parametrize("rates", [(48_000, 16_000), (8_000, 16_000), (24_000, 8_000)])
def test_the_new_rate_lags_by_16_samples_of_the_slower_one(rates: tuple[int, int]) -> None:
    rate, target = rates
    resampler = Resampler(rate, target)
    made = sum(len(resampler.push(noise(rate // 50))) for _ in range(5))
    assert made == target // 10 - 16 * target // min(rates)


class Loud:
    """Takes everything loud for speech; counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def probability(self, window: Samples, state: Samples) -> tuple[float, Samples]:
        self.asked += 1
        return float(np.abs(window[64:]).max() > 0.05), state


def test_the_gate_knows_where_speech_was() -> None:
    model: Any = Loud()
    gate = SpeechGate(model)
    for part in (np.zeros(8_000, np.float32), noise(16_000, 0.5), np.zeros(8_000, np.float32)):
        for at in range(0, len(part), 320):
            gate.push(part[at : at + 320])
    assert gate.speech_start == pytest.approx(8_000, abs=WINDOW_SAMPLES)
    assert gate.speech_end == pytest.approx(24_000, abs=WINDOW_SAMPLES)
    assert gate.voiced == pytest.approx(16_000, abs=WINDOW_SAMPLES)
    assert not gate.speaking
    # Digital silence is not worth a question.
    assert model.asked <= 16_000 // WINDOW_SAMPLES + 2


def test_a_skip_moves_the_gate_and_ends_speech() -> None:
    model: Any = Loud()
    gate = SpeechGate(model)
    gate.push(noise(WINDOW_SAMPLES * 3, 0.5))
    gate.skip(HOP_SAMPLES * 100)
    assert gate.position == WINDOW_SAMPLES * 3 + HOP_SAMPLES * 100
    assert not gate.speaking
