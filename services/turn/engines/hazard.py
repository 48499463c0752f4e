"""From how whole a turn sounds, and the silence since, to the probability that it is over and to what waiting on costs.

With evidence e (`evidence.py`) the silence gives

    logit p = bias + whole * max(e, 0) + open * min(e, 0) + silence + early * max(e, 0)

where `silence` and `early` grow with the silence, in stretches. Who has said something whole and goes on all the same goes on
soon, who looks for words later: so that what sounds whole says the less, the shorter the silence is. No weight of time is
negative: p never falls while nothing but time has changed.

With the same evidence, p is known for every later moment too, and so is what waiting is good for. With odds(t) = p / (1 - p)
after t seconds of silence, of those who would go on a share 1 - odds(t) / odds(s) does so before s. To wait until s costs s -
t seconds if the turn is over, and keeps the persona from breaking in on that share if it is not; for each time that it does it
costs

    odds(t) * (s - t) / (1 - odds(t) / odds(s))   seconds,

and `waiting_cost_s` is that of the best s. Whoever takes a break-in to be as bad as so many seconds of waiting speaks now: no
waiting, however long, is worth it any more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: Ends of the stretches of the silence, in seconds. Each number of `SILENCE` grows by 1 for each second in its stretch: what a
#: second means is different early and late.
_KNOTS_S: Final = np.array([0.2, 0.4, 0.7, 1.2, 2.5])
SILENCE: Final = ("silence_to_400_ms", "silence_to_700_ms", "silence_to_1200_ms", "silence_later")
TIME: Final = ("whole", "open", *SILENCE, "early_to_400_ms", "early_to_700_ms")
#: A smaller share than this of those who go on is what rounding leaves.
_NOBODY: Final = 1e-9
#: How far apart the later moments lie that are looked at.
_AHEAD_S: Final = 0.05

Numbers = NDArray[np.float64]


class Hazard:
    """`weights` by name, all of TIME."""

    def __init__(self, bias: float, weights: Mapping[str, float]) -> None:
        self._bias = bias
        self._weights = np.array([weights[name] for name in TIME])

    def logits(self, evidence: float, silence_s: Numbers) -> Numbers:
        """Of the end of the turn, after each of these silences, float64 [n]."""
        logits: Numbers = self._bias + over_time(np.full(len(silence_s), evidence), silence_s) @ self._weights
        return logits

    def probability(self, evidence: float, silence_s: float) -> float:
        """That the turn is over after so much silence."""
        return 1 / (1 + math.exp(-float(self.logits(evidence, np.array([silence_s]))[0])))

    def waiting_cost_s(self, evidence: float, silence_s: float, longest_s: float) -> float:
        """After so much silence, when the turn is over after `longest_s` in any case; see above."""
        later = np.arange(silence_s + _AHEAD_S, max(longest_s, silence_s + _AHEAD_S) + _AHEAD_S / 2, _AHEAD_S)
        now, *then = self.logits(evidence, np.array([silence_s, *later]))
        gone_on = 1 - np.exp(now - np.array(then))
        worth = gone_on > _NOBODY
        if not worth.any():
            return math.inf
        return math.exp(now) * float(((later - silence_s)[worth] / gone_on[worth]).min())


def over_time(evidence: Numbers, silence_s: Numbers) -> Numbers:
    """Of evidence [n] after silences [n] the numbers of TIME, float64 [n, 8]."""
    stretches = passed(silence_s)
    whole = np.maximum(evidence, 0.0)
    early = whole[:, None] * stretches[:, :2]
    return np.column_stack([whole, np.minimum(evidence, 0.0), stretches, early])


def passed(silence_s: Numbers) -> Numbers:
    """Of moments [n] the seconds in each stretch of the silence, float64 [n, 4]."""
    seconds: Numbers = np.clip(silence_s[:, None] - _KNOTS_S[:-1], 0.0, np.diff(_KNOTS_S))
    return seconds
