"""The mouth that goes with the voice: from phoneme times where they are known, else from the sound itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.face.engine import Phoneme, Slot
from services.face.engines.portrait.audio_driver import AudioDriver
from services.face.engines.portrait.expression import LARGEST_JAW_OPEN, channel, sided
from services.face.engines.portrait.motion import Handover
from services.face.engines.portrait.visemes import ARTICULATOR, DOMINANCE, INDEX, JAW, SEAL, SHAPE, SHAPES, VOWELS, visemes_of

#: A frame shows the mouth this long after the start of its sound: half-way between the start and the middle of the unit.
LEAD_S = 0.010
#: How much a closed mouth insists, wherever no sound says otherwise.
REST = 0.06
#: The middle part of a sound over which it has its full strength.
PLATEAU = 0.6
STRESS = {0: 1.0, 1: 1.25, 2: 1.12}
HANDOVER_S = 0.06

_JAW = channel("jawOpen")
_PARTING = [*sided("mouthLowerDown"), *sided("mouthUpperUp")]


def shape_at(phonemes: Sequence[Phoneme], sample: float, rate_hz: int) -> NDArray[np.float64]:
    """The mouth [SHAPE] at a moment of the reply.

    Each articulator takes the mean of the sounds around, weighted by how much each insists at that moment: dominance functions,
    M. Cohen and D. Massaro, "Modeling coarticulation in synthetic visual speech", 1993. Influence ends after about 0.2 s.
    """
    rows, starts, ends, gains = [], [], [], []
    for phoneme in phonemes:
        names = visemes_of(phoneme.symbol)
        part = (phoneme.end_sample - phoneme.start_sample) / len(names)
        for n, name in enumerate(names):
            rows.append(INDEX[name])
            starts.append(phoneme.start_sample + n * part)
            ends.append(phoneme.start_sample + (n + 1) * part)
            gains.append(STRESS.get(phoneme.stress, 1.0) if name in VOWELS else 1.0)
    if not rows:
        return np.zeros(SHAPE)
    start, end = np.array(starts) / rate_hz, np.array(ends) / rate_hz
    offset = sample / rate_hz - (start + end) / 2
    outside = np.maximum(np.abs(offset) - (end - start) / 2 * PLATEAU, 0)[:, None]
    of = DOMINANCE[rows]
    weight = of[..., 0] * np.exp(-((outside / np.where(offset[:, None] < 0, of[..., 1], of[..., 2])) ** 1.6))
    targets = SHAPES[rows].copy()
    targets[:, ARTICULATOR == JAW] *= np.array(gains)[:, None]
    return np.asarray((weight[:, ARTICULATOR] * targets).sum(0) / (weight.sum(0) + REST)[ARTICULATOR], np.float64)


class Loudness:
    """How loud the voice is, against how loud it has been: 0 silent, about 1 for a stressed vowel."""

    #: The loudest of late is forgotten in this time.
    _MEMORY_S = 4.0
    _FLOOR = 0.01

    def __init__(self) -> None:
        self._loudest = 0.06

    def step(self, pcm: NDArray[np.float32], dt: float) -> float:
        level = float(np.sqrt(np.mean(np.square(pcm)))) if len(pcm) else 0.0
        if level > self._FLOOR:
            self._loudest = max(level, self._loudest * float(np.exp(-dt / self._MEMORY_S)), 0.02)
        return min(level / self._loudest, 1.2) if level > self._FLOOR * 0.3 else 0.0


class Mouth:
    """The mouth of one session, slot by slot."""

    def __init__(self) -> None:
        self._loudness = Loudness()
        self._handover = Handover(SHAPE, HANDOVER_S)
        self._source: tuple[int, bool] = (0, False)
        self._driver = AudioDriver()
        self._heard_until = (0, 0)
        self.loudness = 0.0
        """Of the newest slot."""

    def step(self, slot: Slot, dt: float) -> NDArray[np.float64]:
        """The mouth [SHAPE] for `slot`; closed when nothing is said, also while the voice is held."""
        speaking = slot.turn_id != 0 and not slot.paused
        self.loudness = self._loudness.step(slot.pcm, dt) if speaking else 0.0
        source = (slot.turn_id, bool(slot.phonemes)) if speaking else (0, False)
        if not speaking:
            shape = np.zeros(SHAPE)
        elif slot.phonemes:
            at = slot.turn_sample + LEAD_S * slot.sample_rate_hz
            shape = _finish(shape_at(slot.phonemes, at, slot.sample_rate_hz), self.loudness)
        else:
            shape = self._hear(slot)
        changed, self._source = source != self._source, source
        return np.asarray(self._handover.step(shape, changed, dt))

    def _hear(self, slot: Slot) -> NDArray[np.float64]:
        """Without phonemes: what the voice sounds like."""
        follows = (slot.turn_id, slot.turn_sample)
        if follows != self._heard_until:
            self._driver.part()
        self._heard_until = (slot.turn_id, slot.turn_sample + len(slot.pcm))
        return _finish(self._driver.shape(slot.pcm, slot.ahead, slot.sample_rate_hz, LEAD_S), self.loudness)


def _finish(shape: NDArray[np.float64], loudness: float) -> NDArray[np.float64]:
    """Loud speech opens further; a closure is decided, not half made, and damps what would part the lips."""
    seal = float(np.clip((shape[SEAL] - 0.25) / 0.5, 0, 1))
    shape[SEAL] = seal
    shape[_JAW] = min(shape[_JAW] * np.clip(0.55 + 0.6 * loudness, 0.5, 1.15), LARGEST_JAW_OPEN) * (1 - 0.78 * seal)
    shape[_PARTING] *= 1 - 0.8 * seal
    return shape
