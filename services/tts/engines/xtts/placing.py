"""The words of a call, placed in its sound as it comes.

The model does not say where its words are, and words must be told with the sound in which they begin, when the length of the
call is not known yet. So they are placed by their letters, at the pace at which the voice has spoken before: an estimate. The
last chunk is known to be the last, and what words are left share it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.tts.engine import Word
from services.tts.engines.xtts.clause import Call
from services.tts.spoken import SpokenWord

#: Samples above this level are sound.
_LOUD: Final = 0.01
#: Samples at 24 kHz for each letter and each gap between words, at speed 1: hibari takes 1,270, Kokoro's Michael 1,440.
USUAL_PACE: Final = 1_350.0
#: How much of the pace of a call is taken into that of the voice.
_LEARNT: Final = 0.3
#: No voice is so many times faster or slower than usual: the model stammers, or stops short.
_MOST: Final = 2.0


class Pace:
    """How fast a voice speaks, by what it has said."""

    def __init__(self) -> None:
        self.samples = USUAL_PACE
        """For each letter and gap, at speed 1."""

    def heard(self, samples: float) -> None:
        """A call took so many samples for each letter and gap, at speed 1."""
        samples = min(max(samples, USUAL_PACE / _MOST), USUAL_PACE * _MOST)
        self.samples += _LEARNT * (samples - self.samples)


class Placing:
    """One call; samples are counted from the first of the reply."""

    def __init__(self, words: Sequence[SpokenWord], call: Call, pace: Pace, speed: float, first_sample: int) -> None:
        self._texts = [words[index].text for index in call.told]
        weights = dict.fromkeys(call.told, 0)
        told_before = 0
        for token, index in call.tokens:
            weight = 1 + sum(map(str.isalnum, token))
            if index in weights:
                weights[index] += weight
            else:
                # The rest of a word that was told with the call before.
                told_before += weight
        self._edges = list(accumulate(weights.values(), initial=told_before))
        """In letters and gaps of the call: where each word begins, and the last one ends."""
        self._pace, self._speed = pace, speed
        self._known = first_sample
        """So far goes the sound."""
        self._begin: int | None = None
        """Of the first word's sound; once there is any."""
        self._told = 0
        self._until = first_sample
        """There the last word that was told ends."""

    @property
    def expected_samples(self) -> float:
        """So long the call should be."""
        return self._edges[-1] * self._step

    def place(self, audio: NDArray[np.float32], *, is_last: bool) -> list[Word]:
        """The words to be told with the next chunk."""
        loud = np.flatnonzero(np.abs(audio) > _LOUD)
        if self._begin is None and len(loud):
            self._begin = self._known + int(loud[0])
        before, self._known = self._known, self._known + len(audio)
        if not is_last:
            return list(self._begun())
        end = before + int(loud[-1]) + 1 if len(loud) else before if self._begin is not None else self._known
        return list(self._rest(max(end, self._until)))

    @property
    def _step(self) -> float:
        return self._pace.samples / self._speed

    def _begun(self) -> Iterator[Word]:
        """Those that begin in the sound so far; one that does not end in it is told up to there."""
        if self._begin is None:
            return
        while self._told < len(self._texts):
            start, end = (self._begin + round(edge * self._step) for edge in self._edges[self._told : self._told + 2])
            if start >= self._known:
                return
            yield self._word(start, min(end, self._known))

    def _rest(self, end: int) -> Iterator[Word]:
        """Those that have not been told, over the sound that is left."""
        begin = self._until if self._told or self._begin is None else self._begin
        first = self._edges[self._told] if self._told else 0
        step = (end - begin) / (self._edges[-1] - first) if self._edges[-1] > first else 0.0
        if self._begin is not None:
            self._pace.heard((end - self._begin) * self._speed / self._edges[-1])
        while self._told < len(self._texts):
            start, stop = (begin + round((edge - first) * step) for edge in self._edges[self._told : self._told + 2])
            yield self._word(start, stop)

    def _word(self, start: int, end: int) -> Word:
        start = max(start, self._until)
        self._until = max(start, end)
        text = self._texts[self._told]
        self._told += 1
        return Word(text, start, self._until)
