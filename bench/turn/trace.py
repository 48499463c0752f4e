"""Plays recordings to turn sessions and notes each silence: what it was, how long, and what was said about it and when.

Words come as they do in a conversation: recognised from the audio up to the silence, and there 350 ms after the last speech
(the recognition begins after 128 ms and takes about 0.2 s).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench.turn.candidate.judging import Judged
from bench.turn.material import RATE_HZ, Kind, Recording
from services.asr.engine import Engine as AsrEngine
from services.asr.engine import Final as FinalEvent
from services.asr.engine import StreamConfig as AsrConfig
from services.asr.engines import ENGINES as ASR_ENGINES
from services.common import registry
from services.common.settings import SharedSettings
from services.turn.engine import EndOfTurn, Session, SpeechStarted, SpeechStopped

WORDS_AFTER_S: Final = 0.35
#: After so much silence a turn is over, whatever was said.
_ENDS_TURN_S: Final = 2.5
_CHUNK: Final = 512
_FLUSHED: Final = round(0.2 * RATE_HZ)
_LONGEST_HEARD: Final = 10 * RATE_HZ
#: After so much silence the words before it belong to something else.
_APART: Final = round(1.2 * RATE_HZ)

Audio = NDArray[np.float32]


@dataclass
class Silence:
    """One silence of a recording; times in seconds."""

    recording: Recording
    last_s: float
    next_s: float | None = None
    """Where the next speech began."""
    noticed_s: float = 10.0
    """After so much silence it was noticed that somebody speaks again."""
    said: list[tuple[float, float]] = field(default_factory=list)
    """Probabilities, each with the silence after which it came."""
    text: str = ""
    """The words before it, from when they were there."""
    words_from_s: float | None = None
    """Where the audio begins in which they were recognised; None: somebody spoke before they were there."""
    plain: float = 0.0
    """What Smart Turn answers when it is asked once, 0.2 s after the last speech."""
    judged: list[Judged] = field(default_factory=list)
    """What the candidate would say, from when the words are there: nothing is answered before."""

    @property
    def kind(self) -> Kind | None:
        return self.recording.kind(self.last_s, self.next_s)

    def reached(self, least: float, earliest_s: float = 0.0) -> float | None:
        """The silence, not before `earliest_s`, after which the probability was at least `least`; None: never."""
        ends = [at for at, _ in self.said[1:]] + [self.noticed_s]
        for (at, probability), end in zip(self.said, ends, strict=True):
            if probability >= least and max(at, earliest_s) < end:
                return max(at, earliest_s)
        return None


class Recogniser:
    """Whisper as the asr service runs it, one question at a time."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._engine: AsrEngine = registry.load(registry.find(ASR_ENGINES, "whisper", "ASR_ENGINE"), SharedSettings())
        self._engine.load()

    def words(self, audio: Audio) -> str:
        """What is said in `audio`."""
        return self._runner.run(self._recognise(audio))

    async def _recognise(self, audio: Audio) -> str:
        session = self._engine.open(AsrConfig(RATE_HZ, "en", partials=False))
        for start in range(0, len(audio), RATE_HZ // 10):
            await session.push(audio[start : start + RATE_HZ // 10], start)
        await session.finish()
        return " ".join([event.text async for event in session.events() if isinstance(event, FinalEvent)])

    def close(self) -> None:
        self._engine.close()
        self._runner.close()


def trace(recording: Recording, session: Session, recognise: Callable[[Audio], str] | None = None) -> list[Silence]:
    """All silences of a recording; `recognise` gives the words, None none."""
    silences: list[Silence] = []
    events: list[Any] = []
    words_from, words_at, last = 0, 0, 0
    for at in range(0, len(recording.audio), _CHUNK):
        now = min(at + _CHUNK, len(recording.audio))
        for event in session.push_user(recording.audio[at:now], at, ""):
            events.append(event)
            match event:
                case SpeechStopped():
                    last = event.last_speech
                    words_at = last + round(WORDS_AFTER_S * RATE_HZ)
                    silences.append(Silence(recording, last / RATE_HZ))
                case SpeechStarted():
                    words_at = 0
                    if silences:
                        silences[-1].next_s = event.sample / RATE_HZ
                        silences[-1].noticed_s = event.detected_at / RATE_HZ - silences[-1].last_s
                    if event.sample - last > _APART:
                        words_from = max(0, event.sample - RATE_HZ // 2)
                case EndOfTurn():
                    silences[-1].said.append((event.detected_at / RATE_HZ - silences[-1].last_s, event.probability))
        if recognise is not None and words_at and now >= words_at:
            heard_from = max(words_from, last - _LONGEST_HEARD)
            silences[-1].text = recognise(recording.audio[heard_from : last + _FLUSHED])
            silences[-1].words_from_s = heard_from / RATE_HZ
            session.push_words(silences[-1].text, "", now)
            words_at = 0
    return silences


def turn_texts(silences: Sequence[Silence]) -> list[str]:
    """At each silence of a recording the words of the whole turn: the last ones, and those of the audio before theirs."""
    texts: list[str] = []
    heard: list[Silence] = []
    for silence in silences:
        if silence.words_from_s is not None:
            heard = [each for each in heard if each.last_s + WORDS_AFTER_S <= silence.words_from_s] + [silence]
        texts.append(" ".join(each.text for each in heard if each.text) if silence.words_from_s is not None else "")
        if silence.noticed_s >= _ENDS_TURN_S:
            heard = []
    return texts
