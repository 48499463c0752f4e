"""How likely it is that the user has finished, from how long it has been silent and, where there is one, what a model hears.

The fusion is logistic:  logit p = BIAS + SOUND * logit(model) + words + SILENCE * (seconds - 0.2)

SILENCE is Bayes: pauses inside a turn are about exponential, so that each further second of silence makes "finished" exp(1 /
mean) times as likely. In the AMI recordings of the README the mean of the excess over 0.2 s is 0.34 s in 40 pauses (1 / 0.34
= 2.9); a logistic fit over the 62 pauses and turn ends, each seen at 0.2 to 1 s, gives 2.7, SOUND 0.24 and BIAS -0.57 (ridge
towards the two operating points published for Smart Turn on eot-bench: .5 at 0.2 s, .09 at 0.7 s, which alone would mean 2.8,
0.6 and 0). The values below lie between, closer to the fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Protocol

BIAS: Final = -0.5
SOUND: Final = 0.3
SILENCE: Final = 2.7
_SHORTEST_S: Final = 0.2
#: The model answers .005 to .99; beyond that is rounding.
_LEAST: Final = 0.005
_MOST: Final = 0.99
#: Silences at which the model listens (again); later ones tell nothing new, its training had none.
_LISTEN_AT_S: Final = (0.0, 0.4, 0.6)
#: Above this there is no need to ask again.
_SURE: Final = 0.9


class Estimator(Protocol):
    """One silence at a time."""

    def begin(self) -> None:
        """A new silence begins."""

    def probability(self, silence_s: float, words: float) -> float:
        """0..1; `words` is their completeness in logits."""


class BySilence:
    """Rises in proportion to the silence and reaches 1 at `turn_s`."""

    def __init__(self, turn_s: float) -> None:
        self._turn_s = turn_s

    def begin(self) -> None:
        """See Estimator."""

    def probability(self, silence_s: float, words: float) -> float:
        """See Estimator; the words do not matter."""
        return min(1.0, silence_s / self._turn_s)


class ByFusion:
    """Silence, sound and words. `listen` asks the model about the turn as heard so far; `longest_s` ends any turn."""

    def __init__(self, listen: Callable[[], float], longest_s: float) -> None:
        self._listen = listen
        self._longest_s = longest_s
        self._heard: list[float] = []

    def begin(self) -> None:
        """See Estimator."""
        self._heard = []

    def probability(self, silence_s: float, words: float) -> float:
        """See Estimator."""
        if silence_s >= self._longest_s:
            return 1.0
        asked = len(self._heard)
        due = asked < len(_LISTEN_AT_S) and silence_s >= _LISTEN_AT_S[asked]
        if due and (not asked or self._fused(silence_s, words) < _SURE):
            self._heard.append(_logit(min(_MOST, max(_LEAST, self._listen()))))
        return self._fused(silence_s, words)

    def _fused(self, silence_s: float, words: float) -> float:
        """The model's answers to the same silence are noisy: their mean counts."""
        sound = sum(self._heard) / len(self._heard)
        return 1 / (1 + math.exp(-(BIAS + SOUND * sound + words + SILENCE * max(0.0, silence_s - _SHORTEST_S))))


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))
