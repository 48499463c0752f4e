"""The numbers that say how whole a turn sounds, and the weights that were fitted to them: `fusion.json`.

    evidence = bias + sum of weight * number

What it means after so much silence is in `hazard.py`. Once the recognition has told how the words end, other weights count than
before. They were fitted by `python -m bench.turn.training fit`; `fusion.json` says when, on what, and how well.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.common.ending import Ending
from services.common.reading.reading import Reading
from services.turn.engines.hazard import Hazard
from services.turn.engines.prosody import NAMES as PROSODY

WEIGHTS: Final = Path(__file__).with_name("fusion.json")
#: What was read in the words of the turn, 0 while they are not known.
READ: Final = ("known", "asks", "looks_for_words", "begins")
#: The recognition's probabilities of the marks after the last word, in logits.
ENDS: Final = ("full_stop", "question_mark", "dots")
#: Smart Turn's answer in logits, and the melody.
HEARD: Final = ("sound", *PROSODY)
#: Before the ending is known, and after.
NAMES: Final = {"before": (*HEARD, *READ), "after": (*HEARD, *READ, *ENDS)}
#: Smart Turn answers .005 to .99, and a mark of .003 is as good as none; beyond that is rounding.
_LEAST: Final = 0.005
_MOST: Final = 0.99
_LEAST_MARK: Final = 0.003

Numbers = NDArray[np.float64]


class Weights:
    """`fitted`: bias, weights by name, and those of the hazard, for NAMES of before or after."""

    def __init__(self, names: tuple[str, ...], fitted: Mapping[str, Any]) -> None:
        self._bias = float(fitted["bias"])
        self._weights = np.array([fitted["weights"][name] for name in names])
        self.hazard = Hazard(fitted["time_bias"], fitted["time"])

    def evidence(self, numbers: Numbers) -> float:
        """How whole the turn sounds; `numbers` [n] in the order of the names."""
        return self._bias + float(self._weights @ numbers)


@cache
def fitted() -> dict[str, Weights]:
    """Those of the file, by the names of NAMES."""
    found: dict[str, Any] = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return {each: Weights(names, found[each]) for each, names in NAMES.items()}


def logit(probability: float, least: float = _LEAST, most: float = _MOST) -> float:
    """Of an answer of a model."""
    kept = min(most, max(least, probability))
    return math.log(kept / (1 - kept))


def of_reading(reading: Reading | None) -> Numbers:
    """What the words of the turn say, float64 [4]."""
    if reading is None:
        return np.zeros(len(READ))
    # Of a turn, the first short statement is often only the beginning; a question seldom is.
    return np.array([1.0, reading.asks, reading.looks_for_words, reading.begins * (1 - reading.asks)])


def of_ending(ending: Ending) -> Numbers:
    """How they end, float64 [3]."""
    marks = (ending.full_stop, ending.question_mark, ending.dots)
    return np.array([logit(mark, _LEAST_MARK, 1 - _LEAST_MARK) for mark in marks])
