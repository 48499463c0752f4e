"""How likely it is that the user has finished: from the silence alone, or from all the evidence that there is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.common.ending import Ending
from services.common.reading.reading import Reading
from services.turn.engines.evidence import HEARD, Weights, logit, of_ending, of_reading
from services.turn.engines.prosody import RATE_HZ, prosody

Audio = NDArray[np.float32]
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Words:
    """What is known of them in a silence."""

    reading: Reading | None = None
    """Of the turn; None: they are not known, or their language is not read."""
    ending: Ending | None = None
    """Of the last ones, as the recognition hears it; None: it has not said it."""


@dataclass(frozen=True)
class Estimate:
    """At one moment of a silence."""

    probability: float
    """0..1 that the turn is over."""
    waiting_cost_s: float
    """See `hazard.py`."""


#: Sure.
OVER = Estimate(1.0, math.inf)


class Estimator(Protocol):
    """One silence at a time."""

    def begin(self) -> None:
        """A new silence begins."""

    def estimate(self, silence_s: float, words: Words) -> Estimate:
        """After so much of it."""


class BySilence:
    """Rises in proportion to the silence, and knows that the turn is over at `turn_s`, not before."""

    def __init__(self, turn_s: float) -> None:
        self._turn_s = turn_s

    def begin(self) -> None:
        """See Estimator."""

    def estimate(self, silence_s: float, words: Words) -> Estimate:
        """See Estimator; the words do not matter."""
        return OVER if silence_s >= self._turn_s else Estimate(silence_s / self._turn_s, 0.0)


class Evidence:
    """What one silence tells. `audio` gives the turn as heard so far, `listen` what the model makes of it.

    It listens once, as soon as the silence is noticed: asked again after 0.4 and 0.6 s, it costs 40 ms of a core each time and
    tells ends from pauses no better (`make bench-turn`).
    """

    def __init__(self, audio: Callable[[], Audio], listen: Callable[[Audio], float]) -> None:
        self._audio = audio
        self._listen = listen
        self.begin()

    def begin(self) -> None:
        """A new silence begins."""
        self._heard: Numbers | None = None

    def heard(self, silence_s: float) -> Numbers:
        """Float64 [8] in the order of `evidence.HEARD`; the first time in a silence it listens."""
        if self._heard is None:
            audio = self._audio()
            melody = prosody(audio[: max(0, len(audio) - round(silence_s * RATE_HZ))])
            self._heard = np.concatenate([[logit(self._listen(audio))], melody])
            assert len(self._heard) == len(HEARD)
        return self._heard


class Further(Protocol):
    """Evidence of an engine's own, on top of what all have."""

    def __call__(self, silence_s: float, words: str) -> float:
        """What it adds to the evidence after so much silence; `words`: which weights count, by their name in evidence.NAMES."""


def nothing_further(silence_s: float, words: str) -> float:
    """See Further."""
    return 0.0


class ByFusion:
    """Silence, sound, melody and words; `longest_s` ends any turn."""

    def __init__(
        self,
        audio: Callable[[], Audio],
        listen: Callable[[Audio], float],
        weights: Mapping[str, Weights],
        longest_s: float,
        further: Further = nothing_further,
    ) -> None:
        self._evidence = Evidence(audio, listen)
        self._weights = weights
        self._longest_s = longest_s
        self._further = further

    def begin(self) -> None:
        """See Estimator."""
        self._evidence.begin()

    def estimate(self, silence_s: float, words: Words) -> Estimate:
        """See Estimator."""
        if silence_s >= self._longest_s:
            return OVER
        numbers = [self._evidence.heard(silence_s), of_reading(words.reading)]
        if words.ending is not None:
            numbers.append(of_ending(words.ending))
        known = "before" if words.ending is None else "after"
        weights = self._weights[known]
        evidence = weights.evidence(np.concatenate(numbers)) + self._further(silence_s, known)
        hazard = weights.hazard
        cost_s = hazard.waiting_cost_s(evidence, silence_s, self._longest_s)
        return Estimate(hazard.probability(evidence, silence_s), cost_s)
