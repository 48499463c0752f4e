"""The rules of turn-taking, each by itself: segments, words, the end of the turn, echo, overlap. No models."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from services.common.reading.readers import english
from services.turn.engine import OverlapKind
from services.turn.engines.echo import BandEnergies, is_echo, likeness
from services.turn.engines.estimate import BySilence
from services.turn.engines.overlap import SURE, OverlapJudge, Verdict
from services.turn.engines.segments import RATE_HZ, WINDOW, Segmenter, Window
from services.turn.engines.smart_turn import SAMPLES, features, normalised
from services.turn.engines.suspicion import Suspicion


class Script:
    """A detector that says what it is told."""

    def __init__(self, probabilities: list[float]) -> None:
        self._probabilities = iter(probabilities)

    def probability(self, window: NDArray[np.float32]) -> float:
        return next(self._probabilities)

    def reset(self) -> None:
        """Nothing to reset."""


def segment(probabilities: list[float], audio: NDArray[np.float32] | None = None) -> list[Window]:
    sound = np.zeros(len(probabilities) * WINDOW, np.float32) if audio is None else audio
    segmenter = Segmenter(Script(probabilities), stop_ms=200)
    return [segmenter.push(sound[at : at + WINDOW]) for at in range(0, len(probabilities) * WINDOW, WINDOW)]


def test_two_certain_windows_are_speech_and_a_click_is_not() -> None:
    assert [w.started for w in segment([0, 0.9, 0, 0, 0.6, 0.6, 0, 0, 0])] == [None] * 9
    started = [w.started is not None for w in segment([0, 0, 0, 0.9, 0.9, 0.9])]
    assert started == [False, False, False, False, True, False]
    assert [w.started is not None for w in segment([0, 0.6, 0.6, 0.6])] == [False, False, False, True]


def test_the_edges_are_those_of_the_sound() -> None:
    audio = np.random.default_rng(0).standard_normal(60 * WINDOW).astype(np.float32) * 1e-3
    begin, end = 10 * WINDOW - 700, 30 * WINDOW - 900
    audio[begin:end] += np.sin(np.arange(end - begin) * 0.3).astype(np.float32) * 0.2
    windows = segment([0.0] * 10 + [0.95] * 20 + [0.0] * 30, audio)
    started = next(w.started for w in windows if w.started is not None)
    stopped = next(w for w in windows if w.stopped)
    assert abs(started - begin) <= 256
    assert abs(stopped.last_speech - end) <= 256
    assert stopped.end - stopped.last_speech >= 0.2 * RATE_HZ


def test_a_short_dip_does_not_end_speech() -> None:
    voice = np.random.default_rng(0).standard_normal(36 * WINDOW).astype(np.float32) * 0.1
    windows = segment([0.9] * 10 + [0.1] * 4 + [0.9] * 10 + [0.1] * 12, voice)
    assert sum(w.stopped for w in windows) == 1
    assert sum(w.started is not None for w in windows) == 1


def test_silence_alone_rises_to_one() -> None:
    estimate = BySilence(0.7)
    assert [round(estimate.probability(s, ""), 2) for s in (0.2, 0.35, 0.7, 1.0)] == [0.29, 0.5, 1.0, 1.0]


def test_log_mel_is_whispers() -> None:
    from faster_whisper.feature_extractor import FeatureExtractor

    noise = np.random.default_rng(0).standard_normal(50_000).astype(np.float32) * np.linspace(0, 0.3, 50_000, dtype=np.float32)
    audio = normalised(noise)
    assert audio.shape == (SAMPLES,)
    assert not (audio[:70_000] - audio[0]).any()
    assert abs(audio.mean()) < 1e-4
    assert audio.std() == pytest.approx(1, abs=1e-3)
    theirs = FeatureExtractor(chunk_length=8)(audio, padding=0)
    ours = features(audio)[0]
    assert ours.shape == (80, 800)
    assert np.abs(ours - theirs[:, :800]).max() < 1e-4


def speech_like(seed: int, seconds: float, rate: int) -> NDArray[np.float32]:
    """Noise whose bands rise and fall by themselves several times a second, the same at any rate."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    sound = np.zeros(len(time))
    for hz in np.geomspace(250, 3500, 24):
        levels = rng.random(int(seconds / 0.08) + 2) ** 4
        level = np.interp(time, np.arange(len(levels)) * 0.08, levels)
        sound += level * np.sin(2 * np.pi * hz * time + rng.random() * 6)
    return (sound * 0.03).astype(np.float32)


def test_an_echo_is_alike_and_another_voice_is_not() -> None:
    delay = 2_400
    user, bot, other = BandEnergies(16_000), BandEnergies(24_000), BandEnergies(16_000)
    noise = np.random.default_rng(9).standard_normal(64_000).astype(np.float32) * 1e-3
    bot.push(speech_like(1, 4, 24_000))
    user.push(noise + 0.1 * np.concatenate([np.zeros(delay, np.float32), speech_like(1, 4, 16_000)[:-delay]]))
    other.push(noise + speech_like(2, 4, 16_000))
    assert is_echo(likeness(user, bot, 150, 205), 55)
    assert not is_echo(likeness(other, bot, 150, 205), 55)
    assert not is_echo(0.55, 30)


def judge(
    length_s: float, words: str = "", words_at_s: float = 0.0, speech: float = 0.9, *, echo: bool = False
) -> list[Verdict]:
    """The verdicts on a sound that begins 1 s into the persona's speech."""
    bot, user = BandEnergies(24_000), BandEnergies(16_000)
    bot.push(speech_like(1, 4, 24_000))
    user.push(speech_like(1 if echo else 2, 4, 16_000))
    overlap = OverlapJudge(user, bot, judge_s=0.45)
    start, end = RATE_HZ, RATE_HZ + round(length_s * RATE_HZ)
    verdicts: list[Verdict] = []
    for now in range(start + 3 * WINDOW, 3 * RATE_HZ, WINDOW):
        if now == start + 3 * WINDOW:
            overlap.started(start, now)
        if words and now - WINDOW < start + words_at_s * RATE_HZ <= now:
            overlap.heard(english().read(words), now)
        if now - WINDOW < end + 0.2 * RATE_HZ <= now:
            overlap.stopped(end)
        verdict = overlap.tick(now, speech if now <= end else 0.0, min(now, end))
        if verdict:
            assert verdict.start == start
            assert verdicts or now - start <= 0.5 * RATE_HZ, "the first verdict falls within 500 ms"
            verdicts.append(verdict)
    return verdicts


def kinds(verdicts: list[Verdict]) -> list[OverlapKind]:
    """Those that are more than a guess."""
    return [verdict.kind for verdict in verdicts if verdict.probability >= SURE]


def test_a_short_sound_is_a_backchannel_and_a_long_one_an_interruption() -> None:
    assert kinds(judge(0.3)) == [OverlapKind.BACKCHANNEL]
    assert kinds(judge(1.5)) == [OverlapKind.INTERRUPTION]


def test_words_decide_and_correct() -> None:
    assert kinds(judge(0.3, "stop", 0.25)) == [OverlapKind.INTERRUPTION]
    assert kinds(judge(0.3, "stop", 0.6)) == [OverlapKind.INTERRUPTION]
    assert kinds(judge(0.3, "stop", 0.9)) == [OverlapKind.BACKCHANNEL, OverlapKind.INTERRUPTION]
    assert kinds(judge(0.7, "uh-huh", 0.3)) == [OverlapKind.BACKCHANNEL]
    assert kinds(judge(0.4, "okay", 0.3)) == [OverlapKind.BACKCHANNEL]
    assert kinds(judge(1.1, "oh yeah right", 0.6)) == [OverlapKind.BACKCHANNEL]
    assert kinds(judge(1.6, "yeah", 0.3)) == [OverlapKind.INTERRUPTION]


@pytest.mark.parametrize("words", ["Mama.", "I don't know.", "Nanu. Nanu. Nanu."])
def test_what_recognition_makes_of_a_hum_is_not_believed(words: str) -> None:
    assert kinds(judge(0.5, words, 0.4)) == [OverlapKind.BACKCHANNEL]
    assert kinds(judge(0.5, words, 0.9)) == [OverlapKind.BACKCHANNEL]


def test_a_guess_falls_within_500_ms_and_says_that_it_is_one() -> None:
    first, second = judge(1.5)
    assert (first.kind, second.kind) == (OverlapKind.INTERRUPTION, OverlapKind.INTERRUPTION)
    assert first.probability < SURE <= second.probability
    first, second = judge(0.6)
    assert (first.kind, second.kind) == (OverlapKind.INTERRUPTION, OverlapKind.BACKCHANNEL)
    assert first.probability < SURE <= second.probability


def test_what_is_hardly_speech_and_what_is_an_echo_is_not_meant() -> None:
    assert kinds(judge(0.4, speech=0.4)) == [OverlapKind.NOT_SPEECH]
    assert kinds(judge(1.5, speech=0.4)) == [OverlapKind.NOT_SPEECH]
    assert kinds(judge(1.5, "the persona's own words", 0.3, echo=True)) == [OverlapKind.NOT_SPEECH]


def sound(seconds: float, level: float) -> NDArray[np.float32]:
    return (np.random.default_rng(3).standard_normal(round(seconds * RATE_HZ)) * level).astype(np.float32)


def suspected(*parts: NDArray[np.float32], piece: int = 320) -> list[int]:
    suspicion, found = Suspicion(), []
    audio = np.concatenate(parts)
    for at in range(0, len(audio), piece):
        begun = suspicion.push(audio[at : at + piece], persona=True, speech=False)
        found += [] if begun is None else [begun]
    return found


def test_a_sound_over_the_persona_is_suspected_in_its_first_hundredth_of_a_second() -> None:
    assert suspected(sound(1, 1e-4)) == []
    (begun,) = suspected(sound(1, 1e-4), sound(0.2, 0.03))
    assert 0 <= begun - RATE_HZ <= 160
    assert suspected(sound(1, 1e-4), sound(0.2, 0.03), piece=1_600) == [begun]


def test_what_the_microphone_hears_of_the_persona_is_learned() -> None:
    echo, gap = sound(0.5, 0.01), sound(0.5, 1e-4)
    found = suspected(gap, *[echo, gap] * 6, sound(0.2, 0.1))
    assert len(found) <= 4, "an echo is suspected again and again"
    assert found[-1] >= 6.5 * RATE_HZ, "a voice above the echo is not noticed"


def test_nothing_is_suspected_while_the_persona_is_silent_or_the_user_known_to_speak() -> None:
    for persona, speech in ((False, False), (True, True)):
        suspicion = Suspicion()
        assert suspicion.push(sound(0.5, 1e-4), persona=persona, speech=speech) is None
        assert suspicion.push(sound(0.1, 0.03), persona=persona, speech=speech) is None


def test_without_the_persona_there_is_no_overlap() -> None:
    overlap = OverlapJudge(BandEnergies(16_000), BandEnergies(24_000), 0.45)
    overlap.started(RATE_HZ, RATE_HZ + WINDOW)
    assert overlap.tick(2 * RATE_HZ, 0.9, 2 * RATE_HZ) is None
