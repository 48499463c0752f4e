"""How near the mouth that hears comes to the one that knows the phonemes, as pictures show them: 25 a second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.driver.corpus import Utterance
from services.common.metronome import UNIT_MS
from services.face.engine import AHEAD_S, Look, Phoneme, Slot
from services.face.engines.portrait.expression import channel, sided
from services.face.engines.portrait.speech import Mouth
from services.face.engines.portrait.visemes import SEAL

UNIT_S: Final = UNIT_MS / 1000
JAW: Final = channel("jawOpen")
_PARTING: Final = [*sided("mouthLowerDown"), *sided("mouthUpperUp")]
#: Like the meter of finished films (`bench/lipsync.py`): shut is below this share of what is wide in speech; a sound may be
#: seen so much before or after it is heard, and the mouth has so long to settle.
_SHUT: Final = 0.25
_REACH_S: Final = 0.06
_SETTLE_S: Final = 0.3

Curve = NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """Of many utterances."""

    r: float
    """Correlation of the jaws in speech."""
    closed: int
    closures: int
    """p, b and m."""
    silent_shut: float
    """Share of pictures in silence with a shut mouth."""


def mouths(audio: NDArray[np.float32], rate_hz: int, phonemes: Sequence[Phoneme]) -> NDArray[np.float64]:
    """The mouth of each picture, float64 [pictures, SHAPE]; without phonemes it hears."""
    mouth, unit = Mouth(), round(UNIT_S * rate_hz)
    shapes = []
    for index in range(len(audio) // unit):
        at = index * unit
        near = [p for p in phonemes if p.end_sample > at - 0.4 * rate_hz and p.start_sample < at + 0.4 * rate_hz]
        ahead = audio[at + unit : at + unit + round(AHEAD_S * rate_hz)]
        slot = Slot(index, audio[at : at + unit], rate_hz, 1, at, near, Look.IDLE, None, paused=False, ahead=ahead)
        shapes.append(mouth.step(slot, UNIT_S).copy())
    return np.array(shapes)


def opening(shapes: NDArray[np.float64]) -> Curve:
    """How far the lips are apart, [pictures], in no unit."""
    return np.asarray((shapes[:, JAW] + shapes[:, _PARTING].mean(1)) * (1 - shapes[:, SEAL]))


def score(pairs: Sequence[tuple[Utterance, NDArray[np.float64], NDArray[np.float64]]], rate_hz: int) -> Score:
    """Of utterances with their mouths, by ear and by phonemes."""
    jaws: list[Curve] = []
    known: list[Curve] = []
    closed = closures = silent = shut_then = 0
    for said, by_ear, by_phonemes in pairs:
        times = np.arange(len(by_ear)) * UNIT_S + UNIT_S / 2
        sounds = [(p.symbol, p.start_sample / rate_hz, p.end_sample / rate_hz) for p in said.phonemes]
        first, last = next(s for s in sounds if s[0])[1], next(s for s in reversed(sounds) if s[0])[2]
        speech = (times >= first) & (times <= last)
        jaws.append(by_ear[speech, JAW])
        known.append(by_phonemes[speech, JAW])
        lips = opening(by_ear)
        shut = _SHUT * float(np.percentile(opening(by_phonemes)[speech], 90))
        for symbol, start, end in sounds:
            if symbol in ("p", "b", "m"):
                closures += 1
                closed += bool(lips[(times >= start - _REACH_S) & (times <= end + _REACH_S)].min() < shut)
        quiet = (times < first - _SETTLE_S) | (times > last + _SETTLE_S)
        silent += int(quiet.sum())
        shut_then += int((lips[quiet] < shut).sum())
    r = float(np.corrcoef(np.concatenate(jaws), np.concatenate(known))[0, 1])
    return Score(r, closed, closures, shut_then / max(1, silent))
