"""How often people stop after such words: log-odds from the last one or two, counted in written conversations.

`endings.json` says from what it was counted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

TABLE: Final = Path(__file__).with_name("endings.json")
_MOST: Final = 4.0


class Endings:
    """The counted words: `ends[w]` of `seen[w]` times that "w", or "v w", was said a message ended there."""

    def __init__(self, words: dict[str, float], otherwise: float) -> None:
        self._words = words
        self._otherwise = otherwise

    def log_odds(self, words: Sequence[str]) -> float:
        """Of an end after these lower-case words, -4 to 4; 0 without words."""
        if not words:
            return 0.0
        last = words[-1]
        known = self._words.get(f"{words[-2]} {last}") if len(words) > 1 else None
        return known if known is not None else self._words.get(last, self._otherwise)


@cache
def endings() -> Endings:
    """The table of the repository."""
    table: dict[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))
    return Endings(table["log_odds"], table["otherwise"])


def log_odds(ends: float, seen: float, prior: float, strength: float) -> float:
    """Log-odds of `ends` in `seen`, drawn towards probability `prior` as if by `strength` more that were seen."""
    probability = (ends + prior * strength) / (seen + strength)
    return max(-_MOST, min(_MOST, math.log(probability / (1 - probability))))
