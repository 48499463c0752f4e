"""The numbers from which the end of a turn is judged, and the model that does: logistic, with the weights of `fusion.json`.

    logit p = bias + sum of weight * number

The weights of the silence are never negative, so that p never falls while nothing but time has changed. They were fitted by
`python -m bench.turn.training fit`; `fusion.json` says when, on what, and how well.
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

from services.common.reading.readers import english
from services.common.reading.words import words_without_digits
from services.turn.engines.endings import endings
from services.turn.engines.prosody import NAMES as PROSODY

WEIGHTS: Final = Path(__file__).with_name("fusion.json")
WORDS: Final = ("known", "ending", "rule", "question", "full_stop", "open_mark", "filler", "length")
#: Growing by 1 for each second in one stretch of the silence: what a second means is different early and late.
SILENCE: Final = ("silence_to_400_ms", "silence_to_700_ms", "silence_to_1200_ms", "silence_later")
NAMES: Final = ("sound", *PROSODY, *WORDS, *SILENCE)
_KNOTS_S: Final = np.array([0.2, 0.4, 0.7, 1.2, 2.5])
#: Smart Turn answers .005 to .99; beyond that is rounding.
_LEAST: Final = 0.005
_MOST: Final = 0.99
_SENTENCE_END: Final = re.compile(r"[.!?]\s")
#: Words of the last sentence; with more of them it is as likely over.
_LONG: Final = 8

Numbers = NDArray[np.float64]


class Logistic:
    """`weights` by name, all of NAMES."""

    def __init__(self, bias: float, weights: Mapping[str, float]) -> None:
        self._bias = bias
        self._weights = np.array([weights[name] for name in NAMES])

    def probability(self, numbers: Numbers) -> float:
        """Of the end of the turn; `numbers` [20] in the order of NAMES."""
        return 1 / (1 + math.exp(-(self._bias + float(self._weights @ numbers))))


@cache
def model() -> Logistic:
    """The fitted one."""
    fitted: dict[str, Any] = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return Logistic(fitted["bias"], fitted["weights"])


def numbers(sound: float, prosody: Numbers, words: Numbers, silence_s: float) -> Numbers:
    """All together; `sound` is what `logit` gives."""
    passed = np.clip(silence_s - _KNOTS_S[:-1], 0.0, np.diff(_KNOTS_S))
    return np.concatenate([[sound], prosody, words, passed])


def logit(probability: float) -> float:
    """Of an answer of Smart Turn."""
    kept = min(_MOST, max(_LEAST, probability))
    return math.log(kept / (1 - kept))


def of_words(text: str) -> Numbers:
    """What the words of the turn say, float64 [8]; zeros when they are not known."""
    words = words_without_digits(text)
    if not words:
        return np.zeros(len(WORDS))
    reading = english().read(text)
    mark = text.rstrip()[-1]
    ending = endings().log_odds(words)
    return np.array(
        [
            1.0,
            # Questions may end with what leaves a statement open: "what was it like?"
            max(0.0, ending) if mark == "?" else ending,
            reading.completeness,
            float(mark == "?"),
            float(mark in ".!"),
            float(mark in ",-—…" or text.rstrip().endswith("...")),
            reading.ends_in_filler,
            min(_LONG, len(words_without_digits(_SENTENCE_END.split(text.rstrip(" .!?"))[-1]))) / _LONG,
        ]
    )
