"""The words of a clause, placed in its sound while that is still being made.

The model does not tell where its words lie, and how long a clause is going to be nobody knows when its first sound goes out. So
each word is as long as it has letters, at the pace at which the voice has spoken so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.audio import to_pcm
from services.tts.engine import Speech, Word
from services.tts.english import read
from services.tts.spoken import SpokenWord

#: Samples above this level are sound.
_LOUD: Final = 0.01
#: The end of a word is told when it begins. Longer ones are told shorter: a clause is stretched to the end of its last word.
_LONGEST_WORD: Final = 12_000
#: A pace to begin with, 58 ms a letter (two voices whose times are known have 50 and 55), which counts as much as one clause.
_LETTER: Final = 1_400
_LETTERS: Final = 50
#: No voice is so many times faster or slower: the model stammers, or stops short.
_MOST: Final = 2.0
#: Stands for a clause of which the voice can say nothing: a word in another script.
PAUSE: Final = 7_200

Sound = NDArray[np.float32]


@dataclass(frozen=True)
class Clause:
    """`spoken` has what is said for each of the words."""

    words: Sequence[SpokenWord]
    spoken: Sequence[str]

    @property
    def text(self) -> str:
        return " ".join(part for part in self.spoken if part)

    @property
    def sounds(self) -> bool:
        """There is something to be said."""
        return any(map(letters, self.spoken))


class Pace:
    """How fast a voice speaks, learnt from what it has said."""

    def __init__(self) -> None:
        self._samples = float(_LETTER * _LETTERS)
        self._letters = float(_LETTERS)

    @property
    def letter(self) -> float:
        """Samples."""
        return self._samples / self._letters

    def learn(self, samples: int, count: int) -> None:
        """So many letters were said in so many samples."""
        usual = _LETTER * count
        self._samples += min(max(samples, usual / _MOST), usual * _MOST)
        self._letters += count


class Placing:
    """`first_sample` is where the clause begins in the reply."""

    def __init__(self, clause: Clause, pace: Pace, first_sample: int) -> None:
        self._clause = clause
        self._pace = pace
        self._first = first_sample
        self._letters = [letters(part) for part in clause.spoken]
        self._next = 0
        """The next word."""
        self._begins: float | None = None
        """Where it begins, once there was sound; this and what follows in samples of the clause."""
        self._told_until = 0
        self._loud: tuple[int, int] | None = None
        self._samples = 0

    def take(self, sound: Sound) -> Speech:
        """A stretch of the clause, with the words that begin in it."""
        self._hear(sound)
        words: list[Word] = []
        scripts: list[str] = []
        while self._begins is not None and self._next < len(self._letters) and self._begins < self._samples:
            length = self._letters[self._next] * self._pace.letter
            words.append(self._word(round(self._begins), round(self._begins + min(length, _LONGEST_WORD)), scripts))
            self._begins += length
        return Speech(to_pcm(sound), (), words, tuple(scripts))

    def end(self, sound: Sound) -> Speech:
        """The last stretch, with all words that are left; longer by silence where the last word that was told is longer."""
        speech = self.take(sound)
        missing = max(0, self._told_until - self._samples)
        self._samples += missing
        scripts = list(speech.unspoken_scripts)
        rest = [self._word(self._samples, self._samples, scripts) for _ in range(self._next, len(self._letters))]
        if self._loud is not None:
            self._pace.learn(self._loud[1] - self._loud[0], sum(self._letters))
        return Speech(speech.pcm + bytes(2 * missing), (), [*speech.words, *rest], tuple(scripts))

    def _hear(self, sound: Sound) -> None:
        loud = np.flatnonzero(np.abs(sound) > _LOUD)
        if len(loud):
            begin, end = (self._samples + int(at) for at in (loud[0], loud[-1] + 1))
            self._loud = (self._loud[0] if self._loud else begin, end)
            self._begins = begin if self._begins is None else self._begins
        self._samples += len(sound)

    def _word(self, start: int, end: int, scripts: list[str]) -> Word:
        word = self._clause.words[self._next]
        self._next += 1
        self._told_until = end
        if word.unspoken_script and word.unspoken_script not in scripts:
            scripts.append(word.unspoken_script)
        return Word(word.text, self._first + start, self._first + end)


def clause_of(words: Sequence[SpokenWord], language: str) -> Clause:
    """What is said of the words of a clause. Numbers and abbreviations are put into words where it is known how, in English."""
    parts = [(part, index) for index, word in enumerate(words) for part in word.spoken.split()]
    written = [part for part, _ in parts]
    spoken: list[list[str]] = [[] for _ in words]
    for (_, owner), said in zip(parts, read(written) if language == "en" else written, strict=True):
        spoken[owner].append(said)
    return Clause(words, [" ".join(filter(None, each)) for each in spoken])


def silent(clause: Clause, first_sample: int) -> Speech:
    """A pause for words that the voice has no letters for, which they share."""
    edges = [first_sample + PAUSE * at // len(clause.words) for at in range(len(clause.words) + 1)]
    words = [Word(word.text, start, end) for word, start, end in zip(clause.words, edges, edges[1:], strict=False)]
    scripts = dict.fromkeys(word.unspoken_script for word in clause.words if word.unspoken_script)
    return Speech(bytes(2 * PAUSE), (), words, tuple(scripts))


def letters(said: str) -> int:
    """As how many letters a word counts, with the gap after it; none where nothing is said."""
    count = sum(map(str.isalnum, said))
    return count + 1 if count else 0
