"""Telling the people of one stream apart by their voices, one utterance after the other.

A wrongly opened second speaker is worse than a missed one: who is alone must stay one. So a new voice is believed when one long
utterance is far from all that are known, or when several that are like each other add up. Two voices that turn out to be one
become one: from then on it has the older label. What was already said under the younger one stands.

The numbers were chosen on 102 readers that the space of voices was not made of (it is now made of them too), and on voices of
AMI meetings; bench/results/2026-11-23-voices-apart.md says what came out for others.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from statistics import fmean
from typing import Final

from services.asr.voices.voice_space import Heard, VoiceSpace
from services.asr.voices.voiceprint import Array

#: Less speech than this tells nothing: it is taken to be whoever spoke last.
_TOO_SHORT_S: Final = 0.5
#: Below these log odds, and with so much speech, a voice is new at once.
_NEW: Final = -4.5
_NEW_S: Final = 2.0
#: Below these, with so much speech, it may be new. Such utterances that are of one voice at the second odds are put together;
#: it is new when the odds that each of them was nobody's add up to the third.
_STRANGE: Final = -1.0
_STRANGE_S: Final = 1.0
_AGAIN: Final = 2.0
_ENOUGH: Final = 10.0
_MOST_STRANGERS: Final = 4
#: An utterance adds to what is known of a voice when it is rather that one.
_LEARNT: Final = 0.0
#: Two voices are one when the latest utterances of the less known one are on average of the better known one at these odds.
#: Two people talk far below them, a voice that was split is near them. Each must have been heard so often.
_ONE: Final = -1.5
_HEARD: Final = 2
_LATEST: Final = 8
#: A voice that was taken for another and is heard again for itself gets its label back at these odds.
_BACK: Final = 0.0


@dataclass(eq=False)
class _Voice:
    """All that was heard of one voice, its latest longer utterances, and the odds that they were nobody's known before."""

    heard: Heard
    latest: deque[Heard] = field(default_factory=lambda: deque(maxlen=_LATEST))
    against: float = 0.0
    label: int = 0

    def learn(self, heard: Heard, seconds: float) -> None:
        self.heard += heard
        self.keep(heard, seconds)

    def keep(self, heard: Heard, seconds: float) -> None:
        if seconds >= _STRANGE_S:
            self.latest.append(heard)

    def take(self, other: _Voice) -> None:
        """The other was this voice too."""
        self.heard += other.heard
        self.latest.extend(other.latest)


class People:
    """Those who were heard in one stream, each with an id of this stream."""

    def __init__(self, space: VoiceSpace) -> None:
        self._space = space
        self._voices: list[_Voice] = []
        self._strangers: list[_Voice] = []
        self._given_up: list[tuple[_Voice, _Voice]] = []
        self._labels = 0
        self._last = 1

    def who(self, voiceprint: Array, seconds: float) -> str:
        """The id of one utterance's voice: its print, and how many seconds of speech it is made of."""
        if seconds >= _TOO_SHORT_S:
            voice = self._found(self._space.heard(voiceprint, seconds), seconds)
            self._last = self._joined(voice).label
        return _id(self._last)

    @property
    def given_up(self) -> dict[str, str]:
        """Ids that are not given any more, and the older ones that the same voices have."""
        return {_id(younger.label): _id(older.label) for younger, older in self._given_up}

    def _found(self, heard: Heard, seconds: float) -> _Voice:
        if not self._voices:
            return self._opened(_voice(heard, seconds))
        odds, voice = self._nearest(self._voices, heard)
        if odds < _STRANGE and seconds >= _STRANGE_S:
            stranger = self._stranger(heard, seconds)
            stranger.against -= odds
            at_once = odds < _NEW and seconds >= _NEW_S
            if at_once or (len(stranger.latest) > 1 and stranger.against >= _ENOUGH):
                self._strangers.remove(stranger)
                return self._opened(stranger)
        if odds > _LEARNT:
            voice.learn(heard, seconds)
        return voice

    def _nearest(self, voices: list[_Voice], heard: Heard) -> tuple[float, _Voice]:
        odds = [self._space.odds(heard, voice.heard) for voice in voices]
        best = max(range(len(voices)), key=odds.__getitem__)
        return odds[best], voices[best]

    def _stranger(self, heard: Heard, seconds: float) -> _Voice:
        """The stranger who was heard, for the first time or again."""
        if self._strangers:
            odds, stranger = self._nearest(self._strangers, heard)
            if odds > _AGAIN:
                stranger.learn(heard, seconds)
                return stranger
        stranger = _voice(heard, seconds)
        self._strangers = [*self._strangers, stranger][-_MOST_STRANGERS:]
        return stranger

    def _opened(self, voice: _Voice) -> _Voice:
        """The voice as a new one, unless it is a known one after all."""
        known = self._same(voice)
        if known is not None:
            known.take(voice)
            return known
        before = next((pair for pair in self._given_up if self._alike(voice, pair[0]) > _BACK), None)
        if before is None:
            self._labels += 1
            voice.label = self._labels
        else:
            self._given_up.remove(before)
            voice.label = before[0].label
        self._voices.append(voice)
        return voice

    def _joined(self, voice: _Voice) -> _Voice:
        """The voice, or the one that it and another have become."""
        other = self._same(voice)
        if other is None:
            return voice
        older, younger = sorted((voice, other), key=lambda one: one.label)
        self._voices.remove(younger)
        self._given_up.append((younger, older))
        older.take(younger)
        return older

    def _same(self, voice: _Voice) -> _Voice | None:
        """Another of the known voices that is this one."""
        others = (other for other in self._voices if other is not voice and min(len(voice.latest), len(other.latest)) >= _HEARD)
        return next((other for other in others if self._alike(voice, other) > _ONE), None)

    def _alike(self, one: _Voice, other: _Voice) -> float:
        """Mean odds that the latest utterances of the less known voice are of the better known one."""
        known, less = (one, other) if one.heard.weight >= other.heard.weight else (other, one)
        return fmean(self._space.odds(heard, known.heard) for heard in less.latest or (less.heard,))


def _id(label: int) -> str:
    return f"voice{label}"


def _voice(heard: Heard, seconds: float) -> _Voice:
    voice = _Voice(heard)
    voice.keep(heard, seconds)
    return voice
