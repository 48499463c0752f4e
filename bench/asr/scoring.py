"""How good a recogniser is for people on whom it was not tuned: cross-validation over speakers.

What is left to choose (context, beam) is chosen for each speaker on all the others, and the choice is tried on the one left
out. So no utterance has a say in how it is recognised itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import jiwer
import numpy as np
from numpy.typing import NDArray
from whisper_normalizer.english import EnglishTextNormalizer

from bench.asr.material import Utterance

#: A choice has to be so many times as fast as the stock library.
LEAST_SPEEDUP: Final = 2.5
_RESAMPLED: Final = 10_000


@dataclass(frozen=True)
class Choice:
    """What can be chosen: see `WhisperOptions`."""

    context_s: float
    padding_s: float
    beam: int

    def __str__(self) -> str:
        return f"speech + {self.padding_s:g} s, at least {self.context_s:g} s, beam {self.beam}"


@dataclass
class Side:
    """What one recogniser made of the utterances, and the seconds of CPU that it took for each."""

    name: str
    texts: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Score:
    """Wrong and spoken words, and seconds of CPU, of each utterance."""

    errors: NDArray[np.int64]
    words: NDArray[np.int64]
    seconds: NDArray[np.float64]

    def of(self, chosen: NDArray[np.bool_]) -> Score:
        return Score(self.errors[chosen], self.words[chosen], self.seconds[chosen])

    @property
    def wer(self) -> float:
        """Word error rate in %."""
        return 100 * float(self.errors.sum() / self.words.sum())

    def times_as_fast(self, stock: Score) -> float:
        return float(stock.seconds.sum() / self.seconds.sum())


def score(side: Side, transcripts: Sequence[str], normalise: Callable[[str], str]) -> Score:
    found = [jiwer.process_words(normalise(said), normalise(text)) for said, text in zip(transcripts, side.texts, strict=True)]
    return Score(
        np.array([each.substitutions + each.deletions + each.insertions for each in found]),
        np.array([each.substitutions + each.deletions + each.hits for each in found]),
        np.array(side.seconds),
    )


def scored(sides: Sequence[Side], spoken: Sequence[Utterance]) -> list[Score]:
    """The score of each recogniser; all texts go through Whisper's own English normaliser."""
    normalise = EnglishTextNormalizer()
    return [score(side, [utterance.transcript for utterance in spoken], normalise) for side in sides]


def best(choices: Sequence[Score], stock: Score) -> int:
    """The choice with the fewest errors of those that are fast enough; the fastest one, if none is."""
    speeds = [each.times_as_fast(stock) for each in choices]
    fast = [at for at, speed in enumerate(speeds) if speed >= LEAST_SPEEDUP] or [int(np.argmax(speeds))]
    return min(fast, key=lambda at: (choices[at].errors.sum(), -speeds[at]))


def cross_validated(choices: Sequence[Score], stock: Score, speakers: Sequence[str]) -> tuple[Score, Counter[int]]:
    """Each speaker recognised with the choice that is best for all others; and for how many speakers which choice was."""
    who = np.array(speakers)
    chosen = {
        speaker: best([each.of(who != speaker) for each in choices], stock.of(who != speaker))
        for speaker in dict.fromkeys(speakers)
    }
    rows = [choices[chosen[speaker]] for speaker in speakers]
    held_out = Score(
        np.array([row.errors[at] for at, row in enumerate(rows)]),
        stock.words,
        np.array([row.seconds[at] for at, row in enumerate(rows)]),
    )
    return held_out, Counter(chosen.values())


def likely_difference(ours: Score, stock: Score) -> tuple[float, float]:
    """Within what our error rate minus the stock one lies, in points: 95 % of draws of as many utterances (bootstrap)."""
    chance = np.random.default_rng(0)
    drawn = chance.integers(0, len(ours.words), (_RESAMPLED, len(ours.words)))
    differences = 100 * (ours.errors - stock.errors)[drawn].sum(axis=1) / ours.words[drawn].sum(axis=1)
    low, high = np.percentile(differences, [2.5, 97.5])
    return float(low), float(high)
