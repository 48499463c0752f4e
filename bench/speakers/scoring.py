"""What labels in a conversation, and of somebody who talks alone, are worth; and the baseline that labels by one threshold."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from services.asr.voices.voiceprint import Array

#: A conversation, and what somebody says alone, has so many.
TURNS: Final = 44
#: The last turns of somebody who talks alone.
_END: Final = 10
_SIMILAR: Final = 0.75

#: The prints of a speaker's turns, with the seconds of speech that each is made of.
Turns = list[tuple[Array, float]]


class Labeller(Protocol):
    """What gives labels to the turns of one conversation, and has given up these for those."""

    def who(self, voiceprint: Array, seconds: float) -> str: ...

    @property
    def given_up(self) -> dict[str, str]: ...


@dataclass
class Score:
    """What one way to label made of the conversations of one material."""

    right: int = 0
    parted: int = 0
    turns: int = 0
    mixes: int = 0
    two_as_one: int = 0
    alone: int = 0
    split: int = 0
    split_at_end: int = 0

    @property
    def pct(self) -> float:
        return 100 * self.right / self.turns

    @property
    def parted_pct(self) -> float:
        return 100 * self.parted / self.turns


class OneThreshold:
    """The baseline: means of prints, and one least similarity."""

    given_up: Final[dict[str, str]] = {}

    def __init__(self) -> None:
        self._known: list[tuple[Array, int]] = []

    def who(self, voiceprint: Array, seconds: float) -> str:
        near = [float(voiceprint @ mean) / float(np.linalg.norm(mean)) for mean, _ in self._known]
        best = int(np.argmax(near)) if near else -1
        if best < 0 or near[best] < _SIMILAR:
            self._known.append((voiceprint, 1))
            return f"voice{len(self._known)}"
        mean, count = self._known[best]
        self._known[best] = ((mean * count + voiceprint) / np.float32(count + 1), count + 1)
        return f"voice{best + 1}"


def converse(people: Sequence[Turns], labels: Labeller, score: Score, chance: np.random.Generator) -> None:
    """One conversation of these people, labelled."""
    order, given, left = list[int](), list[str](), [list(chance.permutation(len(own))) for own in people]
    spoken: dict[str, Counter[int]] = {}
    given_up: dict[str, str] = {}
    for _ in range(TURNS):
        speaker = int(chance.integers(len(people)))
        if speaker not in order:
            order.append(speaker)
        label = labels.who(*people[speaker][left[speaker].pop()])
        if label not in given:
            given.append(label)
        spoken.setdefault(label, Counter())[speaker] += 1
        # What a label is called does not matter: the first one that is given is the first speaker's.
        score.right += given.index(label) == order.index(speaker)
        for younger in labels.given_up.keys() - given_up.keys():
            one, other = (spoken[name].most_common(1)[0][0] for name in (younger, labels.given_up[younger]))
            score.two_as_one += one != other
        given_up = dict(labels.given_up)
    places = itertools.permutations([*spoken.values(), *[Counter[int]()] * len(people)], len(people))
    score.parted += max(sum(turns[speaker] for speaker, turns in enumerate(own)) for own in places)
    score.turns += TURNS
    score.mixes += 1


def alone(own: Turns, labels: Labeller, score: Score) -> None:
    """Somebody talks alone: a second label is one too many."""
    given = [labels.who(*turn) for turn in own]
    score.split += len(set(given)) > 1
    score.split_at_end += set(given[-_END:]) != {given[0]}
    score.alone += 1
