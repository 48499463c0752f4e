"""The sound of one clause as it comes, with its words placed in it.

Words must be known with the first sound of their clause. Where the server times them in its first answer, sound is passed on at
once. Where it times them later, sound is held until then; where it does not, until the clause is complete: only then is its
length known, over which the words are shared out, by the durations that the server predicts (whose unit it does not say) or by
their letters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final

import numpy as np

from services.common.audio import to_float
from services.common.riva.alignment import Timed
from services.tts.engine import Speech, Word
from services.tts.engines.riva.clause import Clause

RATE_HZ: Final = 24_000
#: No clause lasts longer; a server that goes on is broken.
_MOST_SAMPLES: Final = 120 * RATE_HZ
#: Times that go further beyond the sound than this are wrong; up to this the sound is made longer, by silence.
_SPARE_SAMPLES: Final = RATE_HZ // 2
#: Samples above this level are sound.
_LOUD: Final = 0.01


class Performance:
    """`first_sample` is where the clause begins in the reply. Raises ValueError, with a few words, for what cannot be."""

    def __init__(self, clause: Clause, first_sample: int) -> None:
        self._clause = clause
        self._first = first_sample
        self._timed: list[Timed] = []
        self._weights: list[Timed] = []
        self._held = bytearray()
        self._told_until: int | None = None
        """The last word ends here, in samples of the clause, once words have been passed on."""
        self.samples = 0
        """Passed on."""

    def take(self, answer: Any) -> Iterator[Speech]:
        """An answer of the server's, and what can be heard now."""
        if answer.HasField("meta"):
            self._timed = self._timed or _timed(answer.meta)
            self._weights = self._weights or _predicted(answer.meta)
        self._held += answer.audio
        if self.samples + len(self._held) // 2 > _MOST_SAMPLES:
            raise ValueError("does not end a clause")
        whole = len(self._held) // 2 * 2
        if whole and (self._told_until is not None or self._timed):
            yield self._pass_on(whole, self._timed, RATE_HZ)

    def end(self) -> Iterator[Speech]:
        """The rest, when there are no more answers."""
        if len(self._held) % 2:
            raise ValueError("sent half a sample")
        if not (self.samples or self._held):
            raise ValueError("gave no sound for a clause")
        if self._told_until is None:
            yield self._whole()
        missing = (self._told_until or 0) - self.samples
        if missing > _SPARE_SAMPLES:
            raise ValueError("gave times beyond its sound")
        if missing > 0:
            self.samples += missing
            yield Speech(bytes(2 * missing), (), ())

    def _whole(self) -> Speech:
        """All of a clause that the server has not timed."""
        length = len(self._held) // 2
        if self._weights:
            return self._pass_on(len(self._held), self._weights, length / self._weights[-1].end)
        loud = np.flatnonzero(np.abs(to_float(bytes(self._held))) > _LOUD)
        first, last = (int(loud[0]), int(loud[-1]) + 1) if len(loud) else (0, length)
        return self._pass_on(len(self._held), (), 1.0, first, last)

    def _pass_on(self, size: int, timed: Sequence[Timed], samples: float, first: int = 0, last: int = 0) -> Speech:
        """`size` bytes of sound, with the words if it is the first; one unit of `timed` is so many samples."""
        pcm, self._held = bytes(self._held[:size]), self._held[size:]
        words: list[Word] = []
        if self._told_until is None:
            spans = self._clause.timed(timed, first / samples, last / samples)
            words = [
                Word(word.text, self._first + round(start * samples), self._first + round(end * samples))
                for word, (start, end) in zip(self._clause.words, spans, strict=True)
            ]
            self._told_until = words[-1].end_sample - self._first
        self.samples += size // 2
        return Speech(pcm, (), words, self._clause.unspoken_scripts if words else ())


def _timed(meta: Any) -> list[Timed]:
    """The words that the server timed, in seconds; empty when it did not."""
    found = [Timed(word.word, word.start_time / 1000, word.end_time / 1000) for word in meta.words]
    return sorted(found, key=lambda word: word.start) if any(word.end for word in found) else []


def _predicted(meta: Any) -> list[Timed]:
    """The words of the processed text as long as the durations of its characters say; empty when one of these is missing."""
    text, durations = meta.processed_text, meta.predicted_durations
    if len(text) != len(durations) or not sum(durations) > 0:
        return []
    words: list[Timed] = []
    at = 0.0
    for space, group in groupby(zip(text, durations, strict=True), lambda each: each[0].isspace()):
        chars = list(group)
        end = at + sum(duration for _, duration in chars)
        if not space:
            words.append(Timed("".join(char for char, _ in chars), at, end))
        at = end
    return words
