"""Where a voiceprint lies among voices: the directions in which people differ, measured by how much one person varies.

In these coordinates one voice scatters by one in every direction around its place, the more the less speech there is, and the
places of all voices scatter by `spread`. So the odds that two pieces of speech are of one voice follow from Gaussians.
Method: Ioffe, "Probabilistic Linear Discriminant Analysis" (2006); Brümmer and de Villiers, "The speaker partitioning problem"
(2010). `voice_space.npz` is made by `python -m bench.speakers.training`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np

from services.asr.voices.voiceprint import Array

FILE: Final = Path(__file__).with_name("voice_space.npz")
_LEAST_S: Final = 0.3
#: More speech than this does not make a print more certain.
_MOST_S: Final = 8.0
#: What a voice does in one conversation hangs together, so all that was heard is never worth more than this.
_MOST_WEIGHT: Final = 40.0
#: For the same reason the directions of a print say less than so many independent ones would.
_WORTH: Final = 0.15


@dataclass(frozen=True)
class Heard:
    """Speech of one voice: the sum of its places `[n]`, each times its weight, and the weights together."""

    total: Array
    weight: float

    def __add__(self, other: Heard) -> Heard:
        weight = self.weight + other.weight
        kept = min(1.0, _MOST_WEIGHT / weight)
        return Heard((self.total + other.total) * np.float32(kept), weight * kept)


@dataclass(frozen=True)
class VoiceSpace:
    """`mean` `[256]` of all voices, `axes` `[256, n]`, `spread` `[n]`: the variance of voices, `scatter`: that of one voice,
    a part that always is, and one for each second that is missing (divided by seconds)."""

    mean: Array
    axes: Array
    spread: Array
    scatter: tuple[float, float]

    @classmethod
    def load(cls) -> Self:
        with np.load(FILE) as data:
            mean, axes, spread = (np.asarray(data[name], np.float32) for name in ("mean", "axes", "spread"))
            always, briefly = (float(value) for value in data["scatter"])
        return cls(mean, axes, spread, (always, briefly))

    def heard(self, voiceprint: Array, seconds: float) -> Heard:
        """One utterance: its print, `[256]` of length 1, made of so many seconds of speech."""
        always, briefly = self.scatter
        weight = 1 / (always + briefly / min(max(seconds, _LEAST_S), _MOST_S))
        place = np.asarray((voiceprint - self.mean) @ self.axes, np.float32)
        return Heard(place * np.float32(weight), weight)

    def odds(self, one: Heard, other: Heard) -> float:
        """Logarithm of the odds that both are of one voice, when that is as likely as not before."""
        both = self._evidence(one.total + other.total, one.weight + other.weight)
        return _WORTH * (both - self._evidence(one.total, one.weight) - self._evidence(other.total, other.weight))

    def _evidence(self, total: Array, weight: float) -> float:
        """Log-likelihood of speech as that of one voice, without what cancels in odds."""
        return 0.5 * float(np.sum(total**2 / (1 / self.spread + weight) - np.log1p(self.spread * weight)))
