"""What the model before went by: sound and melody as today, what the words are, the silence; logistic, with `fusion.json`."""

from __future__ import annotations

import json
import math
import re
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench.turn.baseline.endings import endings
from bench.turn.baseline.words import completeness, ends_in_filler
from services.common.reading.words import words_without_digits
from services.turn.engines.evidence import HEARD
from services.turn.engines.hazard import SILENCE, passed

WEIGHTS: Final = Path(__file__).with_name("fusion.json")
WORDS: Final = ("known", "ending", "rule", "question", "full_stop", "open_mark", "filler", "length")
NAMES: Final = (*HEARD, *WORDS, *SILENCE)
_SENTENCE_END: Final = re.compile(r"[.!?]\s")
#: Words of the last sentence; with more of them it is as likely over.
_LONG: Final = 8

Numbers = NDArray[np.float64]


def probability(heard: Numbers, text: str, silence_s: float) -> float:
    """That the turn is over; `heard` [8] in the order of HEARD."""
    bias, weights = _model()
    numbers = np.concatenate([heard, of_words(text), passed(np.array([silence_s]))[0]])
    return 1 / (1 + math.exp(-(bias + float(weights @ numbers))))


@cache
def _model() -> tuple[float, Numbers]:
    fitted: dict[str, Any] = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return float(fitted["bias"]), np.array([fitted["weights"][name] for name in NAMES])


@cache
def of_words(text: str) -> Numbers:
    """What the words say, float64 [8]; zeros when they are not known."""
    words = words_without_digits(text)
    if not words:
        return np.zeros(len(WORDS))
    mark = text.rstrip()[-1]
    ending = endings().log_odds(words)
    return np.array(
        [
            1.0,
            # Questions may end with what leaves a statement open: "what was it like?"
            max(0.0, ending) if mark == "?" else ending,
            completeness(text),
            float(mark == "?"),
            float(mark in ".!"),
            float(mark in ",-—…" or text.rstrip().endswith("...")),
            float(ends_in_filler(text)),
            min(_LONG, len(words_without_digits(_SENTENCE_END.split(text.rstrip(" .!?"))[-1]))) / _LONG,
        ]
    )
