"""The words of a reply placed in its sound, where nobody says when they sound: one by one, as long as they have letters.

Text comes before its sound or with it, and how far before is not known until the reply is complete. Until then a letter takes
as long as text and sound that come together show, else as in this voice before: text that runs ahead is not taken for heard.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from services.common.audio import to_float
from services.common.riva.alignment import shared
from vivant.common.v1 import common_pb2

#: Samples above this level are sound; a voice begins and ends with silence.
_LOUD: Final = 0.01
#: A letter, or the pause behind a word, before anything is known of the voice: English speech has about 15 of them in a second.
LETTER_S: Final = 1 / 15
#: Nobody speaks faster: text that comes faster than this comes by itself.
_SHORTEST_S: Final = 1 / 25
#: So many letters that came with their sound show how fast the voice is: two or three words.
_ENOUGH: Final = 12


class Spread:
    """One reply's; `letter_s` is how long a letter of this voice takes."""

    def __init__(self, rate_hz: int, letter_s: float) -> None:
        self._rate_hz = rate_hz
        self._letter_s = letter_s
        self._text = ""
        self._samples = 0
        self._loud: tuple[int, int] | None = None
        self._complete = False
        self._marks: list[tuple[int, int]] = []
        """Letters that were known with the first and with the newest text, and the samples before these."""

    def say(self, text: str) -> None:
        """More text, cut anywhere."""
        self._text += text
        if text.strip():
            self._marks = [*self._marks[:1], (_letters(self._text.split()), self._samples)]

    def sound(self, pcm: bytes) -> None:
        """More sound: 16-bit little-endian mono."""
        loud = np.flatnonzero(np.abs(to_float(pcm)) > _LOUD)
        if len(loud):
            first = self._loud[0] if self._loud else self._samples + int(loud[0])
            self._loud = (first, self._samples + int(loud[-1]) + 1)
        self._samples += len(pcm) // 2

    def end(self) -> None:
        """Text and sound are complete."""
        self._complete = True

    @property
    def words(self) -> list[common_pb2.Word]:
        """All whole words so far, in samples of the reply."""
        texts = self._texts()
        first, last = self._span(texts)
        return [
            common_pb2.Word(text=word.text, start_sample=round(word.start), end_sample=round(word.end), confidence=1.0)
            for word in shared(texts, first, last)
        ]

    @property
    def letter_s(self) -> float:
        """How long a letter of this voice takes: what this reply shows once it is complete, else what was known before."""
        first, last = self._span(self._texts())
        letters = _letters(self._texts())
        return (last - first) / self._rate_hz / letters if self._complete and letters and last > first else self._letter_s

    def _texts(self) -> Sequence[str]:
        texts = self._text.split()
        whole = self._complete or not self._text or self._text[-1].isspace()
        return texts if whole else texts[:-1]

    def _span(self, texts: Sequence[str]) -> tuple[int, int]:
        """[first, last): from where to where the words sound."""
        first, last = self._loud or (0, self._samples)
        if self._complete or not texts:
            return first, last
        return first, max(last, first + round(_letters(texts) * self._pace_s() * self._rate_hz))

    def _pace_s(self) -> float:
        """How long a letter of this reply seems to take."""
        (letters, samples), (more, later) = self._marks[0], self._marks[-1]
        if more - letters < _ENOUGH or later == samples:
            return self._letter_s
        return max((later - samples) / self._rate_hz / (more - letters), _SHORTEST_S)


def _letters(texts: Sequence[str]) -> int:
    """The length of these words, each with the pause behind it: as `shared` has it."""
    return sum(1 + sum(map(str.isalnum, text)) for text in texts)
