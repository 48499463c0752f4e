"""Plays recordings to turn sessions and notes each silence: what it was, how long, and what was said about it and when.

Words come as they do in a conversation: the recognition is flushed when a silence is noticed, the words since the flush before
are there 260 ms after the last speech, and how they end 40 ms later, or 140 ms where more than them is heard again. So it was
in half of 36 silences of `make bench-conversation`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench.turn.material import RATE_HZ, Kind, Recording
from services.asr.engine import Ends, NoSpeech
from services.asr.engine import Engine as AsrEngine
from services.asr.engine import Final as FinalEvent
from services.asr.engine import Session as AsrSession
from services.asr.engine import StreamConfig as AsrConfig
from services.asr.engines import ENGINES as ASR_ENGINES
from services.common import registry
from services.common.ending import Ending
from services.common.reading.reading import Reading
from services.common.settings import SharedSettings
from services.turn.engine import EndOfTurn, Session, SpeechStarted, SpeechStopped

WORDS_AFTER_S: Final = 0.26
ENDING_AFTER_S: Final = 0.3
ENDING_HEARD_AGAIN_AFTER_S: Final = 0.4
#: After so much silence a turn is over, whatever was said.
_ENDS_TURN_S: Final = 2.5
_CHUNK: Final = 512
_FLUSHED: Final = round(0.2 * RATE_HZ)

Audio = NDArray[np.float32]


@dataclass(frozen=True)
class Said:
    """One `end_of_turn`."""

    at_s: float
    """After so much silence."""
    probability: float
    waiting_cost_s: float = 0.0
    reading: Reading | None = None


@dataclass
class Silence:
    """One silence of a recording; times in seconds."""

    recording: Recording
    last_s: float
    next_s: float | None = None
    """Where the next speech began."""
    noticed_s: float = 10.0
    """After so much silence it was noticed that somebody speaks again."""
    said: list[Said] = field(default_factory=list)
    text: str = ""
    """The words since the silence before."""
    turn_text: str = ""
    """All words of the turn."""
    ending: Ending | None = None
    """How they end."""
    plain: float = 0.0
    """What Smart Turn answers when it is asked once, 0.2 s after the last speech."""
    before: list[Said] = field(default_factory=list)
    """What the baseline would say, from when the words are there."""

    @property
    def kind(self) -> Kind | None:
        return self.recording.kind(self.last_s, self.next_s)

    def reached(self, least: float, earliest_s: float = 0.0) -> float | None:
        """The silence, not before `earliest_s`, after which the probability was at least `least`; None: never."""
        ends = [each.at_s for each in self.said[1:]] + [self.noticed_s]
        for each, end in zip(self.said, ends, strict=True):
            if each.probability >= least and max(each.at_s, earliest_s) < end:
                return max(each.at_s, earliest_s)
        return None


@dataclass(frozen=True)
class Heard:
    """What the recognition said of one silence."""

    text: str = ""
    ending: Ending | None = None


class Recogniser:
    """Whisper as the asr service runs it, one recording at a time."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._engine: AsrEngine = registry.load(registry.find(ASR_ENGINES, "whisper", "ASR_ENGINE"), SharedSettings())
        self._engine.load()

    def open(self) -> Hearing:
        """For one recording."""
        return Hearing(self._runner, self._engine.open(AsrConfig(RATE_HZ, "en", partials=False, endings=True)))

    def close(self) -> None:
        self._engine.close()
        self._runner.close()


class Hearing:
    """One recording: `flush` hears up to a silence."""

    def __init__(self, runner: asyncio.Runner, session: AsrSession) -> None:
        self._runner = runner
        self._session = session
        self._events = session.events()
        self._at = 0
        self._flushes = 0

    def flush(self, audio: Audio, end: int) -> Heard:
        """The words in `audio` up to the sample `end`, since the flush before, and how they end."""
        return self._runner.run(self._flush(audio, end))

    async def _flush(self, audio: Audio, end: int) -> Heard:
        while self._at < end:
            piece = audio[self._at : min(end, self._at + RATE_HZ // 10)]
            await self._session.push(piece, self._at)
            self._at += len(piece)
        self._flushes += 1
        await self._session.flush(self._flushes)
        async for event in self._events:
            if isinstance(event, NoSpeech):
                return Heard()
            if isinstance(event, FinalEvent):
                final = event
                if not any(sign.isalnum() for sign in final.text):
                    return Heard(final.text)
            if isinstance(event, Ends):
                return Heard(final.text, event.ending)
        return Heard()

    def close(self) -> None:
        self._runner.run(self._session.close())


def trace(recording: Recording, session: Session, recogniser: Recogniser | None = None) -> list[Silence]:
    """All silences of a recording; without `recogniser` no words are known."""
    hearing = recogniser.open() if recogniser is not None else None
    try:
        return _Trace(recording, session, hearing).run()
    finally:
        if hearing is not None:
            hearing.close()


class _Trace:
    def __init__(self, recording: Recording, session: Session, hearing: Hearing | None) -> None:
        self._recording = recording
        self._session = session
        self._hearing = hearing
        self._silences: list[Silence] = []
        self._turn: list[str] = []
        self._now = 0
        #: What is still to be told of the newest silence, and when.
        self._due: list[tuple[int, bool]] = []

    def run(self) -> list[Silence]:
        audio = self._recording.audio
        for at in range(0, len(audio), _CHUNK):
            self._now = min(at + _CHUNK, len(audio))
            self._take(self._session.push_user(audio[at : self._now], at, ""))
            while self._due and self._now >= self._due[0][0]:
                self._tell(ending=self._due.pop(0)[1])
        return self._silences

    def _take(self, events: Iterable[Any]) -> None:
        for event in events:
            match event:
                case SpeechStopped():
                    self._stopped(event.last_speech)
                case SpeechStarted():
                    self._due = []
                    if self._silences:
                        silence = self._silences[-1]
                        silence.next_s = event.sample / RATE_HZ
                        silence.noticed_s = event.detected_at / RATE_HZ - silence.last_s
                        if silence.noticed_s >= _ENDS_TURN_S:
                            self._turn = []
                case EndOfTurn():
                    silence = self._silences[-1]
                    at_s = event.detected_at / RATE_HZ - silence.last_s
                    silence.said.append(Said(at_s, event.probability, event.waiting_cost_s, event.reading))

    def _stopped(self, last: int) -> None:
        silence = Silence(self._recording, last / RATE_HZ)
        self._silences.append(silence)
        if self._hearing is None:
            return
        heard = self._hearing.flush(self._recording.audio, last + _FLUSHED)
        if heard.text:
            self._turn.append(heard.text)
        silence.text, silence.ending = heard.text, heard.ending
        silence.turn_text = " ".join(self._turn)
        if heard.text:
            again = len(self._turn) > 1
            ending_s = ENDING_HEARD_AGAIN_AFTER_S if again else ENDING_AFTER_S
            self._due = [(last + round(WORDS_AFTER_S * RATE_HZ), False), (last + round(ending_s * RATE_HZ), True)]

    def _tell(self, *, ending: bool) -> None:
        silence = self._silences[-1]
        if ending:
            self._take(self._session.push_words(silence.text, "", self._now, silence.ending))
        else:
            self._take(self._session.push_words(silence.text, "", self._now))
            self._take(self._session.push_turn_words(silence.turn_text, len(self._silences)))
