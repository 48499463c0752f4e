"""What a speech engine is: a model that hears and speaks by itself. The user's sound in; proposals, words and sound out.

A session is one conversation. User samples are counted at `ConversationConfig.input_rate_hz` from the start of the stream; the
sound of a reply has no position, for it is complete: the server counts it. The session counts the turns from 1, one for each
reply.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol, TypeAlias

from services.common.engine import EngineInfo


@dataclass(frozen=True, kw_only=True)
class SpeechInfo(EngineInfo):
    """What it is and can do."""

    input_rates_hz: tuple[int, ...]
    sample_rate_hz: int
    """Of what it says."""
    voices: tuple[str, ...] = ()
    """The first is the default; empty: it is not known which there are, and any may be asked for."""
    turn_taking: bool = True
    """It finds out by itself when to speak."""
    text: bool = True
    """It tells its words."""
    word_times: bool = False


@dataclass(frozen=True)
class Said:
    """Something that was said before, or beside the model."""

    text: str
    by_persona: bool


@dataclass(frozen=True)
class ConversationConfig:
    """One conversation; the server has checked it."""

    instructions: str
    input_rate_hz: int
    history: Sequence[Said] = ()
    """The oldest first."""
    voice: str = ""
    """Empty: the engine's default."""
    language: str = ""
    """BCP 47; empty: the model's own."""


class Action(Enum):
    TAKE = "take"
    YIELD = "yield"
    BACKCHANNEL = "backchannel"


@dataclass(frozen=True)
class Floor:
    """What the model would do now. With TAKE a reply begins."""

    turn_id: int
    action: Action
    at_sample: int
    """On the user's clock."""
    probability: float = 1.0
    """1 from models that do not say how sure they are."""


@dataclass(frozen=True)
class Words:
    """The next piece of what a reply says, cut anywhere."""

    turn_id: int
    text: str


@dataclass(frozen=True)
class Word:
    """[start_sample, end_sample) of its reply."""

    text: str
    start_sample: int
    end_sample: int


@dataclass(frozen=True)
class Speech:
    """The next stretch of a reply's sound, of any length."""

    turn_id: int
    pcm: bytes
    """16-bit little-endian mono at `SpeechInfo.sample_rate_hz`."""
    words: Sequence[Word] = ()


class Ending(Enum):
    COMPLETE = "complete"
    YIELDED = "yielded"
    """The model has stopped by itself, for somebody spoke over it."""
    FAILED = "failed"


@dataclass(frozen=True)
class Done:
    """A reply is over; nothing of it comes any more."""

    turn_id: int
    ending: Ending
    reason: str = ""
    """Why it failed, for programs and for people."""
    message: str = ""


@dataclass(frozen=True)
class Noted:
    """Something happened on the way to the model that only a metric tells."""

    what: Literal["reopened", "recycled", "unknown", "refused"]


Event: TypeAlias = Floor | Words | Speech | Done | Noted


class Session(Protocol):
    """One conversation. All calls may come while `events` is being read, and none waits for an answer of the model."""

    async def hear(self, pcm: bytes, start_sample: int) -> None:
        """What the user says: 16-bit mono, at most 100 ms, starting where the last ended or later: the gap is silence."""

    async def know(self, text: str) -> None:
        """Something that the model should know from now on."""

    async def note(self, said: Said) -> None:
        """Something that was said, as others have heard it, for when the model must be told again what was said."""

    async def respond(self, text: str) -> None:
        """The user's turn is over: answer now what was heard, or `text`, which was not; empty: there is none. Of no effect on a
        model that cannot be asked, and while it makes a reply that was not cleared. A `text` is remembered all the same."""

    async def played(self, turn_id: int, position_samples: int) -> None:
        """How much of a reply has been heard."""

    async def clear(self, newest_turn_id: int) -> None:
        """Nothing of older turns may still be said: a model that can be stopped stops, and remembers what was heard."""

    async def finish(self) -> None:
        """No more sound comes, and no reply begins any more; the one in hand is said to its end."""

    def events(self) -> AsyncIterator[Event]:
        """What the model does, until it is over after `finish`. Raises a VivantError when it cannot go on."""

    async def close(self) -> None:
        """The stream is gone."""


class SpeechEngine(Protocol):
    """A model, or the way to one, shared by all streams of the process."""

    @property
    def info(self) -> SpeechInfo: ...

    def load(self) -> None:
        """Makes it ready; blocking. Raises Unusable for settings that cannot work."""

    async def open(self, config: ConversationConfig) -> Session:
        """Starts a conversation; the model is there when it returns. Raises a VivantError when it is not, in bounded time."""
