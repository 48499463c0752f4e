"""What the answers of the model weigh beside the other evidence: `vap.json`, which says whether that was fitted.

    evidence += p_now * logit(the persona's share in the next 0.6 s) + p_future * logit(its share after that)

Nothing, as long as there is no answer about this silence.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from services.turn.engines.evidence import logit
from services.turn.engines.vap.beside import Said
from services.turn.engines.vap.network import RATE_HZ, Answer

WEIGHTS: Final = Path(__file__).with_name("vap.json")
NAMES: Final = ("p_now", "p_future")
#: It was trained on what came before as well: with less of it, its answers are about the beginning of a recording.
SETTLED: Final = 2 * RATE_HZ
#: Shares beyond that are rounding.
_LEAST: Final = 0.01

#: By the name of the fusion's weights that count, before the ending of the words is known and after, those of NAMES.
Weights = Mapping[str, Mapping[str, float]]


@cache
def weights() -> Weights:
    """Those of the file."""
    found: dict[str, Any] = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return {each: {name: float(found[each][name]) for name in NAMES} for each in ("before", "after")}


def numbers(answer: Answer) -> tuple[float, float]:
    """In the order of NAMES."""
    now, future = (logit(share, _LEAST, 1 - _LEAST) for share in (answer.now, answer.future))
    return now, future


def about(said: Said | None, now: int, silence_s: float) -> Answer | None:
    """The answer, if it is about the silence that has lasted so long at `now`, in samples at 16 kHz on the user's clock."""
    if said is None or said.heard < SETTLED or said.end < now - silence_s * RATE_HZ:
        return None
    return said.answer


class Further:
    """See estimate.Further. `now`: how far the stream has been heard, in samples at 16 kHz."""

    def __init__(self, said: Callable[[], Said | None], now: Callable[[], int], weighs: Weights) -> None:
        self._said = said
        self._now = now
        self._weighs = weighs

    def __call__(self, silence_s: float, words: str) -> float:
        """See estimate.Further."""
        answer = about(self._said(), self._now(), silence_s)
        if answer is None:
            return 0.0
        return sum(self._weighs[words][name] * number for name, number in zip(NAMES, numbers(answer), strict=True))
