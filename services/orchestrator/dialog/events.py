"""What the dialog machine hears and what it asks for. Times are samples of the session clock (`CLOCK_HZ`).

Events are past tense, effects are imperatives. Both are plain values: a conversation is a list of events and can be replayed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

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


@dataclass(frozen=True)
class EndOfTurn(Event):
    speaker: str
    probability: float


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
    """How likely these words are meant for the persona, in the llm's opinion."""

    turn_id: int
    text: str
    probability: float


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


# --- effects ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Effect:
    pass


@dataclass(frozen=True)
class Flush(Effect):
    """Ask the recognition of this speaker for the final words."""

    speaker: str
    flush_id: int


@dataclass(frozen=True)
class Prefill(Effect):
    """Let the persona think along."""

    turn_id: int
    speaker: str
    text: str
    draft: bool
    other: str = ""
    """It may be meant for this one as well: how likely it is for the persona is asked."""


@dataclass(frozen=True)
class Prepare(Effect):
    """Have the first words of a reply spoken, unheard: they may be wanted soon."""

    turn_id: int
    text: str


@dataclass(frozen=True)
class Commit(Effect):
    """Ask for the reply."""

    turn_id: int
    contribution: Contribution


@dataclass(frozen=True)
class Note(Effect):
    """Put a contribution into the history without asking for a reply."""

    contribution: Contribution


@dataclass(frozen=True)
class Cancel(Effect):
    """Forget a turn of which nothing was audible."""

    turn_id: int


@dataclass(frozen=True)
class Say(Effect):
    turn_id: int
    text: str


@dataclass(frozen=True)
class Apologise(Effect):
    """Say that thinking has failed, in the persona's own words."""

    turn_id: int


@dataclass(frozen=True)
class Fill(Effect):
    """Say a little word of the persona's while the reply takes its time."""

    turn_id: int


@dataclass(frozen=True)
class SayLine(Effect):
    """Say a line of the persona's own."""

    turn_id: int
    line: Line


@dataclass(frozen=True)
class Backchannel(Effect):
    """Show that one listens, without taking the floor."""

    nod: bool
    voice: bool


@dataclass(frozen=True)
class SayEnd(Effect):
    """The text of this turn is complete."""

    turn_id: int


@dataclass(frozen=True)
class Duck(Effect):
    """Lower the voice for a moment."""


@dataclass(frozen=True)
class Hold(Effect):
    """Pause the voice at once."""


@dataclass(frozen=True)
class Release(Effect):
    """Go on at the same sample."""


@dataclass(frozen=True)
class Silence(Effect):
    """Stop the voice of `turn_id`, clear every queue of what is older than `newest_turn_id`."""

    turn_id: int
    newest_turn_id: int


@dataclass(frozen=True)
class CloseTurn(Effect):
    """The reply is over: what was heard of it becomes history."""

    turn_id: int
    interrupted: bool


@dataclass(frozen=True)
class Show(Effect):
    """The phase has changed."""

    phase: Phase
    turn_id: int


@dataclass(frozen=True)
class Notify(Effect):
    reason: str


@dataclass(frozen=True)
class DropStale(Effect):
    """Output of a turn that is over arrived and was dropped."""

    turn_id: int
    where: str


@dataclass(frozen=True)
class End(Effect):
    """The conversation is over."""
