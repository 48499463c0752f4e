"""What Riva answers, as words at samples of our stream.

A stream of Riva's counts from 0, in milliseconds, wherever in ours it began: `Clock` knows where.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.asr.engine import Word
from services.common.riva.alignment import Timed, placed

#: An interim result with more than this will not change, as Riva has it; it gives .1 or 1 (or .9, as the protocol's example).
_STABLE: Final = 0.8
#: Interim results have no times: they come when their first word has been said, and a word lasts about so long.
_FIRST_WORD_S: Final = 0.4


@dataclass(frozen=True)
class Clock:
    """Where one of Riva's streams lies in ours."""

    first_sample: int
    rate_hz: int

    def sample(self, seconds: float) -> int:
        return self.first_sample + round(seconds * self.rate_hz)


@dataclass(frozen=True)
class Hypothesis:
    """What Riva holds of the words since its last final."""

    words: tuple[str, ...]
    stable: int
    """So many of them, from the first on, will not change, says Riva."""
    start_sample: int
    end_sample: int
    """The audio that it has seen ends here."""


def hypothesis(results: Sequence[Any], clock: Clock) -> Hypothesis | None:
    """The interim results of one answer, each the continuation of the one before; None without words."""
    words: list[str] = []
    stable = 0
    for result in results:
        said = _transcript(result).split()
        if stable == len(words) and result.stability > _STABLE:
            stable += len(said)
        words += said
    if not words:
        return None
    seen_s = max(result.audio_processed for result in results)
    return Hypothesis(tuple(words), stable, clock.sample(max(0.0, seen_s - _FIRST_WORD_S)), clock.sample(seen_s))


def final_words(result: Any, clock: Clock, said_until: int) -> list[Word]:
    """The words of a final result; where Riva times none, they share the time since the sample `said_until`."""
    if not result.alternatives:
        return []
    best = result.alternatives[0]
    sure = probability(best.confidence)
    timed = [
        Timed(each.word, each.start_time / 1000, each.end_time / 1000, probability(each.confidence or best.confidence))
        for each in best.words
    ]
    if not any(word.end for word in timed):
        timed = []
    first = (said_until - clock.first_sample) / clock.rate_hz
    words = placed(_transcript(result).split(), timed, first, max(first, result.audio_processed), sure)
    return [Word(word.text, clock.sample(word.start), clock.sample(word.end), word.confidence) for word in words]


def probability(confidence: float) -> float:
    """Riva's confidence as 0 to 1: some models give a probability, others the logarithm of one; 0 is not told."""
    if confidence == 0:
        return 1.0
    return min(1.0, math.exp(confidence) if confidence < 0 else confidence)


def _transcript(result: Any) -> str:
    return str(result.alternatives[0].transcript) if result.alternatives else ""
