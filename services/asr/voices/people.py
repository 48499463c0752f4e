"""Telling the people of one stream apart by their voices, one utterance after the other.

A wrongly opened second speaker is worse than a missed one: who is alone must stay one. So a new voice is believed when it is
far from all that are known and there was enough of it, or when it comes a second time.

All numbers were chosen on 56 speakers (52 of LibriSpeech train-clean, cut, filtered and with noise; four of AMI meetings), 200
conversations of two and five conversations of each alone; README.md says what came out for others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from services.asr.voices.voiceprint import Array

#: Odds that an utterance has a known voice, by logistic regression: from the cosine similarity of the prints, and from how few
#: seconds they are made of, for the utterance and for the voice.
_SIMILAR: Final = 35.3
_BRIEF: Final = 2.46
_BRIEFLY_KNOWN: Final = 3.49
_BIAS: Final = -26.8
_LEAST_S: Final = 0.3
#: Less speech than this tells nothing: it is taken to be whoever spoke last.
_TOO_SHORT_S: Final = 0.5
#: Below these odds, and with so much speech, a voice is new at once.
_NEW: Final = -4.0
_NEW_S: Final = 2.5
#: Below these it may be, and is when it comes again: the second time with at least those odds to be the first.
_STRANGE: Final = -2.0
_STRANGE_S: Final = 1.2
_AGAIN: Final = 3.0
_MOST_STRANGERS: Final = 4
#: An utterance adds to what is known of a voice when it is rather that one; long ones count as this much, and the past as that.
_LEARNT: Final = 0.0
_MOST_OF_ONE_S: Final = 6.0
_MOST_S: Final = 30.0


@dataclass
class _Voice:
    """A sum of prints, weighted by their seconds."""

    total: Array
    seconds: float

    def odds(self, voiceprint: Array, seconds: float) -> float:
        """Logarithm of the odds that the print is of this voice."""
        similarity = float(voiceprint @ self.total) / float(np.linalg.norm(self.total))
        brief = _BRIEF / max(seconds, _LEAST_S) + _BRIEFLY_KNOWN / max(self.seconds, _LEAST_S)
        return _SIMILAR * similarity + brief + _BIAS

    def learn(self, voiceprint: Array, seconds: float) -> None:
        self.total = self.total + voiceprint * np.float32(min(seconds, _MOST_OF_ONE_S))
        self.seconds += seconds
        if self.seconds > _MOST_S:
            self.total = self.total * np.float32(_MOST_S / self.seconds)
            self.seconds = _MOST_S


class People:
    """Those who were heard in one stream: "Spk1", "Spk2", ... in the order in which they were first heard."""

    def __init__(self) -> None:
        self._voices: list[_Voice] = []
        self._strangers: list[_Voice] = []
        self._last = 0

    def who(self, voiceprint: Array, seconds: float) -> str:
        """The label of one utterance: its print, and how many seconds of speech it is made of."""
        if seconds >= _TOO_SHORT_S:
            self._last = self._found(voiceprint, seconds)
        return f"Spk{self._last + 1}"

    def _found(self, voiceprint: Array, seconds: float) -> int:
        if not self._voices:
            return self._open(voiceprint, seconds)
        odds = [voice.odds(voiceprint, seconds) for voice in self._voices]
        best = int(np.argmax(odds))
        if odds[best] < _NEW and seconds >= _NEW_S:
            return self._open(voiceprint, seconds)
        if odds[best] < _STRANGE and seconds >= _STRANGE_S:
            for stranger in self._strangers:
                if stranger.odds(voiceprint, seconds) > _AGAIN:
                    self._strangers = [other for other in self._strangers if other is not stranger]
                    stranger.learn(voiceprint, seconds)
                    self._voices.append(stranger)
                    return len(self._voices) - 1
            self._strangers = [*self._strangers, _voice(voiceprint, seconds)][-_MOST_STRANGERS:]
        if odds[best] > _LEARNT:
            self._voices[best].learn(voiceprint, seconds)
        return best

    def _open(self, voiceprint: Array, seconds: float) -> int:
        self._voices.append(_voice(voiceprint, seconds))
        return len(self._voices) - 1


def _voice(voiceprint: Array, seconds: float) -> _Voice:
    return _Voice(voiceprint * np.float32(min(seconds, _MOST_OF_ONE_S)), seconds)
