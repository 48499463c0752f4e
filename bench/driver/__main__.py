"""`make bench-driver`: the mouth that follows the sound, beside the one that knows the phonemes.

Made utterances of voices and texts that the network never had, with the mouth that their phonemes give; and real recordings,
whose phonemes nobody knows: there, how the opening of the lips goes with the voice, as the meter of finished films measures it.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import numpy as np
import soundfile
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.driver.corpus import Utterance, read
from bench.driver.scoring import JAW, UNIT_S, Score, mouths, opening, score
from bench.lipsync import Film, lag
from bench.turn.training.voices import RATE_HZ
from services.face.engines.portrait.audio_driver import REACH_AFTER_S, AudioDriver
from services.face.engines.portrait.speech import LEAD_S, Loudness

MADE: Final = Path(__file__).parents[1] / "data" / "driver"
REAL: Final = Path(__file__).parents[1] / "data" / "librispeech_test_other"
_REAL_COUNT: Final = 20
_NOISE_DB: Final = 20

Sound = NDArray[np.float32]


def noisy(audio: Sound, seed: int) -> Sound:
    """With white noise 20 dB below the voice, and 12 dB softer than it was."""
    level = float(np.sqrt(np.mean(np.square(audio[np.abs(audio) > 0.01]))))
    noise = np.random.default_rng(seed).standard_normal(len(audio)) * level * 10 ** (-_NOISE_DB / 20)
    return ((audio + noise) / 4).astype(np.float32)


def by_loudness(audio: Sound) -> NDArray[np.float64]:
    """What a jaw would do that knows nothing but how loud it is, [pictures]."""
    loudness, unit = Loudness(), round(UNIT_S * RATE_HZ)
    return np.array([loudness.step(audio[at : at + unit], UNIT_S) for at in range(0, len(audio) - unit + 1, unit)])


def cost_ms(audio: Sound) -> float:
    """Of one picture, p50."""
    driver, unit = AudioDriver(), round(UNIT_S * RATE_HZ)
    ahead = round(0.025 * RATE_HZ)
    times = []
    for at in range(0, len(audio) - unit - ahead, unit):
        started = perf_counter()
        driver.shape(audio[at : at + unit], audio[at + unit : at + unit + ahead], RATE_HZ, LEAD_S)
        times.append(perf_counter() - started)
    return 1000 * statistics.median(times)


def real() -> tuple[float, float, float]:
    """Of recordings: correlation of lips and voice, how many ms the lips come later, share of silent pictures that are shut."""
    readings, shut = [], []
    for file in track(sorted(REAL.glob("*.flac"))[:_REAL_COUNT], "listening to recordings"):
        audio, rate_hz = soundfile.read(file, dtype="float32")
        silence = np.zeros(rate_hz, np.float32)
        audio = np.concatenate([silence, audio, silence])
        lips = opening(mouths(audio, rate_hz, ()))
        times = np.asarray(np.arange(len(lips)) * UNIT_S + UNIT_S / 2, np.float64)
        offset, r = lag(Film(times, [], audio.astype(np.float64), rate_hz, 0.0), lips)
        readings.append((r, 1000 * offset))
        quiet = (times < 0.7) | (times > len(audio) / rate_hz - 0.7)
        shut.append(float(np.mean(lips[quiet] < 0.25 * np.percentile(lips[~quiet], 90))))
    return *(float(np.median(column)) for column in zip(*readings, strict=True)), float(np.mean(shut))  # type: ignore[return-value]


def measure() -> dict[str, Any]:
    """Prints the table; returns the figures."""
    said = list(read(MADE))
    known = [mouths(each.audio, RATE_HZ, each.phonemes) for each in track(said, "by phonemes")]
    clean = _by_ear(said, [each.audio for each in said], known, "by ear")
    loud = _by_ear(said, [noisy(each.audio, n) for n, each in enumerate(said)], known, "by ear, in noise")
    level = _r_of_loudness(said, known)
    real_r, real_ms, real_shut = real()
    cost = cost_ms(said[0].audio)
    voices = len({each.voice for each in said})
    table = Table(
        "", "r of the jaws", "p, b, m shut", "shut in silence", title=f"{len(said)} utterances of {voices} unheard voices"
    )
    for name, found in (("clean", clean), (f"soft, noise at -{_NOISE_DB} dB", loud)):
        table.add_row(name, f"{found.r:.3f}", f"{found.closed} of {found.closures}", f"{100 * found.silent_shut:.1f} %")
    table.add_row("loudness alone", f"{level:.3f}", "", "")
    console = Console(file=sys.stdout)
    console.print(table)
    table = Table("lips and voice, r", "lips after voice", "shut in silence", title=f"{_REAL_COUNT} real recordings")
    table.add_row(f"{real_r:.2f}", f"{real_ms:.0f} ms", f"{100 * real_shut:.1f} %")
    console.print(table)
    return {
        "r": round(clean.r, 3),
        "closed": round(100 * clean.closed / clean.closures, 1),
        "silent_shut": round(100 * clean.silent_shut, 1),
        "r_noise": round(loud.r, 3),
        "closed_noise": round(100 * loud.closed / loud.closures, 1),
        "look_ahead_ms": round(1000 * REACH_AFTER_S, 1),
        "frame_ms": round(cost, 3),
        "real_r": round(real_r, 2),
        "real_offset_ms": round(real_ms),
        "real_silent_shut": round(100 * real_shut, 1),
    }


def _by_ear(said: Sequence[Utterance], heard: Sequence[Sound], known: Sequence[NDArray[np.float64]], title: str) -> Score:
    by_ear = [mouths(audio, RATE_HZ, ()) for audio in track(heard, title)]
    return score(list(zip(said, by_ear, known, strict=True)), RATE_HZ)


def _r_of_loudness(said: Sequence[Utterance], known: Sequence[NDArray[np.float64]]) -> float:
    levels = [by_loudness(each.audio) for each in said]
    speech = [level > 0 for level in levels]
    jaws = np.concatenate([shapes[rows, JAW] for shapes, rows in zip(known, speech, strict=True)])
    return float(np.corrcoef(np.concatenate([level[rows] for level, rows in zip(levels, speech, strict=True)]), jaws)[0, 1])


def main() -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    print(json.dumps(measure()))


if __name__ == "__main__":
    main()
