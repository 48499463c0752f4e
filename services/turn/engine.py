"""What a turn-taking engine is: what the user says, what the persona says and the words so far in; events out.

A session is used by one thread at a time and computes when it is pushed; the same input always gives the same events, but for
`vap`, whose model nobody waits for. User samples are counted at `StreamConfig.user_rate_hz`, bot samples at `bot_rate_hz`, both
from the start of the stream; all samples in events are the user's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.common.ending import Ending
from services.common.engine import EngineInfo
from services.common.reading.reading import Reading


@dataclass(frozen=True, kw_only=True)
class TurnInfo(EngineInfo):
    """All of them tell speech and the ends of turns."""

    user_rates_hz: tuple[int, ...]
    bot_rates_hz: tuple[int, ...]
    overlap: bool = False
    """It judges speech over the persona."""
    backchannel_opportunities: bool = False
    word_languages: tuple[str, ...] = ()
    """BCP 47: of these languages it reads the words, and goes by them; of others, sound and silence decide."""
    bot_audio: bool = False
    """It tells the persona's own voice from the user's."""


@dataclass(frozen=True)
class StreamConfig:
    """One stream; the server has checked the rates."""

    user_rate_hz: int
    bot_rate_hz: int = 0
    """0: the persona's audio will not be sent."""
    language: str = ""
    """BCP 47; empty: the first of `TurnInfo.word_languages`."""


@dataclass(frozen=True)
class SpeechSuspected:
    """A sound over the persona that may be the beginning of speech; `SpeechStarted` follows, or nothing."""

    sample: int
    detected_at: int


@dataclass(frozen=True)
class SpeechStarted:
    sample: int
    """The first sample of speech."""
    detected_at: int
    speaker: str


@dataclass(frozen=True)
class SpeechStopped:
    last_speech: int
    """One past the last sample of speech: delays count from here."""
    detected_at: int


@dataclass(frozen=True)
class EndOfTurn:
    probability: float
    """0..1 that the user has finished."""
    last_speech: int
    detected_at: int
    words_id: int | None = None
    """The newest words of the turn that it knew of; None: none have come."""
    reading: Reading | None = None
    """What they say; None: they are in a language that is not read, or there are none."""
    waiting_cost_s: float = 0.0
    """Seconds of needless waiting for each time that it keeps the persona from breaking in; infinite when the turn is over."""


class OverlapKind(Enum):
    INTERRUPTION = "interruption"
    BACKCHANNEL = "backchannel"
    NOT_SPEECH = "not_speech"


@dataclass(frozen=True)
class Overlap:
    """The user made a sound while the persona spoke. A later one with the same `start` corrects an earlier one."""

    kind: OverlapKind
    probability: float
    """Below 0.6 it is a guess: the sound goes on, and a surer verdict follows."""
    start: int
    detected_at: int


@dataclass(frozen=True)
class BackchannelOpportunity:
    """A good moment for "mm-hm" or a nod."""

    probability: float
    detected_at: int


@dataclass(frozen=True)
class ModelSteps:
    """Of a model that hears along without being waited for; for the metrics, and not for the client."""

    seconds: tuple[float, ...]
    """What each of its steps took."""
    dropped_s: float
    """Audio that it did not hear, because it was behind."""


Event: TypeAlias = SpeechSuspected | SpeechStarted | SpeechStopped | EndOfTurn | Overlap | BackchannelOpportunity | ModelSteps


class Session(Protocol):
    """One stream. All methods block for as long as they compute.

    `push_user` and `finish` compute while their events are taken, so that what is known early is told early: a pause is known
    before a model has thought about it. Take them to the end before the next call.
    """

    def push_user(self, samples: NDArray[np.float32], start_sample: int, speaker: str) -> Iterator[Event]:
        """Mono float32 in [-1, 1), at most 100 ms, starting where the last ended or later: the gap is silence."""

    def push_bot(self, samples: NDArray[np.float32], start_sample: int) -> Iterable[Event]:
        """What the listener hears of the persona, when it is heard; the same rules."""

    def push_words(
        self, stable_text: str, unstable_text: str, end_sample: int, ending: Ending | None = None
    ) -> Iterable[Event]:
        """The newest words since the user began to speak, covering user audio up to `end_sample`, and how they end."""

    def push_turn_words(self, text: str, words_id: int) -> Iterable[Event]:
        """All words of the turn so far; in a silence what they say is told at once."""

    def turn_taken(self, at_sample: int) -> None:
        """The persona has the floor from this user sample on: what begins 0.5 s later is another turn."""

    def finish(self) -> Iterator[Event]:
        """No more audio comes: whatever is being said ends here."""

    def close(self) -> None:
        """The stream is gone."""


class TurnEngine(Protocol):
    """Loaded models, shared by all streams of the process."""

    @property
    def info(self) -> TurnInfo: ...

    def load(self) -> None:
        """Loads and warms the models; blocking. Raises Unusable when a file is missing."""

    def open(self, config: StreamConfig) -> Session:
        """Starts a stream."""
