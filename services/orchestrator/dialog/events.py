"""What the dialog machine hears, in the past tense. Times are samples of the session clock (`CLOCK_HZ`).

Events are plain values: a conversation is a list of them and can be replayed. What it asks for is in `effects.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from services.common.reading.reading import Reading

#: The session clock: samples at this rate since the session began.
CLOCK_HZ: Final = 16_000


def ms(milliseconds: float) -> int:
    """Milliseconds as samples of the session clock."""
    return round(milliseconds * CLOCK_HZ / 1000)


class Phase(Enum):
    LISTENING = "listening"
    THINKING = "thinking"
    SPEAKING = "speaking"
    PAUSED = "paused"
    SILENT = "silent"

    @property
    def quiet(self) -> bool:
        """The persona says nothing and prepares nothing."""
        return self in (Phase.LISTENING, Phase.SILENT)


class Line(Enum):
    """Lines of the persona's own that answer nothing."""

    PROMPT = "prompt"
    """Nobody has spoken for a while."""
    WAIT = "wait"
    """It was asked to wait."""


class OverlapKind(Enum):
    INTERRUPTION = "interruption"
    BACKCHANNEL = "backchannel"
    NOT_SPEECH = "not_speech"


class PlaybackState(Enum):
    STARTED = "started"
    FINISHED = "finished"


@dataclass(frozen=True)
class Contribution:
    """Something that a user has said or typed."""

    speaker: str
    text: str
    addressee: str = ""
    typed: bool = False
    ended_at: int = 0
    """The end of the last speech, or when the text arrived."""
    microphone: str = ""
    """What it came from, where the speaker was told by voice; empty: the speaker's own."""

    @property
    def came_from(self) -> str:
        """The microphone that heard it."""
        return self.microphone or self.speaker


@dataclass(frozen=True)
class Evidence:
    """What the llm can tell of whom words are meant for."""

    nearest: float
    """The cosine similarity of the words and the passage of the persona's memory that answers them best."""
    likeness: float | None = None
    """That of the words and what somebody else has just said; None: the persona or the same one has spoken last."""
    model: float | None = None
    """How likely they are meant for the persona, in the opinion of a language model."""


# --- events -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Event:
    at: int


@dataclass(frozen=True)
class SpeechSuspected(Event):
    """A sound over the persona that may become speech."""

    speaker: str


@dataclass(frozen=True)
class SpeechStarted(Event):
    speaker: str


@dataclass(frozen=True)
class SpeechStopped(Event):
    speaker: str
    last_speech_at: int
    unheard: bool = False
    """The microphone has gone quiet in the middle of it: the turn service has heard no end, and will say nothing of it."""


@dataclass(frozen=True)
class EndOfTurn(Event):
    speaker: str
    probability: float
    waiting_cost_s: float = 0.0
    """Seconds of needless waiting for each time that waiting on keeps the persona from breaking in; infinite when the turn is
    over in any case."""
    words: str | None = None
    """All words of the turn that the turn service had read by then; None: none."""
    reading: Reading | None = None
    """What they say; None: nobody reads their language."""


@dataclass(frozen=True)
class Overlapped(Event):
    speaker: str
    kind: OverlapKind
    probability: float = 1.0


@dataclass(frozen=True)
class Opportunity(Event):
    """A good moment to show that one listens: a short pause in a long turn."""

    speaker: str
    probability: float


@dataclass(frozen=True)
class Joined(Event):
    """Somebody has a microphone."""

    speaker: str


@dataclass(frozen=True)
class Left(Event):
    """Somebody has gone, and their microphone with them."""

    speaker: str


@dataclass(frozen=True)
class Named(Event):
    """Somebody is called so, whether they have joined yet or not."""

    speaker: str
    name: str


@dataclass(frozen=True)
class Relabelled(Event):
    """Whoever was taken for `speaker` is `known`."""

    speaker: str
    known: str


@dataclass(frozen=True)
class TurnEnded(Event):
    """The speaker says that their turn is over."""

    speaker: str


@dataclass(frozen=True)
class WordsHeard(Event):
    """A partial result: all words since the last final ones."""

    speaker: str
    text: str


@dataclass(frozen=True)
class WordsFinal(Event):
    """The answer to a flush; empty text: nothing was said."""

    speaker: str
    flush_id: int
    text: str
    addressee: str = ""
    voice: str = ""
    """Who spoke, where several may share the microphone `speaker`."""


@dataclass(frozen=True)
class TextTyped(Event):
    contribution: Contribution


@dataclass(frozen=True)
class Interrupted(Event):
    """The user pressed stop."""


@dataclass(frozen=True)
class Greeted(Event):
    """The persona is to speak first."""

    text: str


@dataclass(frozen=True)
class Drafted(Event):
    """How the reply will begin if the words so far are all."""

    turn_id: int
    text: str


@dataclass(frozen=True)
class Addressed(Event):
    """What the llm can tell of whom these words are meant for."""

    turn_id: int
    text: str
    evidence: Evidence


@dataclass(frozen=True)
class ReplyText(Event):
    turn_id: int
    text: str


@dataclass(frozen=True)
class ReplyDone(Event):
    turn_id: int


@dataclass(frozen=True)
class ReplyFailed(Event):
    turn_id: int
    retryable: bool


@dataclass(frozen=True)
class VoiceFailed(Event):
    """The reply cannot be spoken; its text has been shown."""

    turn_id: int


@dataclass(frozen=True)
class PlaybackChanged(Event):
    turn_id: int
    state: PlaybackState


@dataclass(frozen=True)
class AbilityChanged(Event):
    """A service was lost or came back."""

    ability: str
    available: bool


@dataclass(frozen=True)
class Finished(Event):
    """The client will send no more."""


@dataclass(frozen=True)
class Ticked(Event):
    """Time has passed: `deadline` was reached."""
