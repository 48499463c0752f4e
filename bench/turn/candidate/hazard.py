"""The numbers from which the end of a turn is judged, and the model that does, with the weights of `hazard.json`.

Sound, melody and words give the evidence e = bias + sum of weight * number: how whole the turn sounds. With the silence it
gives

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
waiting, however long, is worth it any more. The weights were fitted by `python -m bench.turn.training candidate`;
`hazard.json` says when, on what, and how well.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench.turn.candidate.reader import Read, spoken_words
from services.turn.engines.prosody import NAMES as PROSODY

WEIGHTS: Final = Path(__file__).with_name("hazard.json")
#: The reading of the words, and what the recognition wrote behind the last one, for it heard how that was said.
WORDS: Final = (
    *("known", "over", "asks", "looks_for_words"),
    *("question_mark", "full_stop", "open_mark", "length"),
)
#: Ends of the stretches of the silence, in seconds. Each number of `SILENCE` grows by 1 for each second in its stretch: what a
#: second means is different early and late.
_KNOTS_S: Final = np.array([0.2, 0.4, 0.7, 1.2, 2.5])
SILENCE: Final = ("silence_to_400_ms", "silence_to_700_ms", "silence_to_1200_ms", "silence_later")
#: Smart Turn's answer in logits and the melody, as the engine in use hears them.
HEARD: Final = ("sound", *PROSODY)
NAMES: Final = (*HEARD, *WORDS)
TIME: Final = ("whole", "open", *SILENCE, "early_to_400_ms", "early_to_700_ms")
#: A smaller share than this of those who go on is what rounding leaves.
_NOBODY: Final = 1e-9
#: How far apart the later moments lie that are looked at.
_AHEAD_S: Final = 0.05
_SENTENCE_END: Final = re.compile(r"[.!?]\s")
#: Words of the last sentence: a shorter one is more often only the beginning, with more of them it is as likely over.
_LONG: Final = 8

Numbers = NDArray[np.float64]


class Hazard:
    """`weights` by name, all of NAMES; `time` by name, all of TIME."""

    def __init__(self, bias: float, weights: Mapping[str, float], time_bias: float, time: Mapping[str, float]) -> None:
        self._bias = bias
        self._weights = np.array([weights[name] for name in NAMES])
        self._time_bias = time_bias
        self._time = np.array([time[name] for name in TIME])

    def evidence(self, numbers: Numbers) -> float:
        """How whole the turn sounds; `numbers` [n] in the order of NAMES."""
        return self._bias + float(self._weights @ numbers)

    def logits(self, evidence: float, silence_s: Numbers) -> Numbers:
        """Of the end of the turn, after each of these silences, float64 [n]."""
        logits: Numbers = self._time_bias + over_time(np.full(len(silence_s), evidence), silence_s) @ self._time
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


@cache
def model() -> Hazard:
    """The fitted one."""
    fitted: dict[str, Any] = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return Hazard(fitted["bias"], fitted["weights"], fitted["time_bias"], fitted["time"])


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


def of_words(text: str, read: Read | None) -> Numbers:
    """What the words and the reading of them say, float64 [8] in the order of WORDS; zeros when they are not known."""
    if read is None:
        return np.zeros(len(WORDS))
    wrote = text.rstrip()
    open_mark = wrote.endswith(("...", ",", "-", "—", "…"))
    return np.array(
        [
            1.0,
            read.over,
            read.reading.asks,
            read.reading.looks_for_words,
            float(wrote.endswith("?")),
            float(wrote.endswith((".", "!")) and not open_mark),
            float(open_mark),
            min(_LONG, len(spoken_words(_SENTENCE_END.split(wrote.rstrip(" .!?"))[-1]))) / _LONG,
        ]
    )
