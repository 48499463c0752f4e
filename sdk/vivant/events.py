"""What happens in a conversation, as plain values.

A `Session` yields these one after another. Times are sample positions: of the microphone for what users say, of the output
audio for what the persona says. Ranges are half open: [start_sample, end_sample).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from vivant.formats import Video


class State(StrEnum):
    """Who has the floor."""

    LISTENING = "listening"
    THINKING = "thinking"
    SPEAKING = "speaking"
    PAUSED = "paused"
    """The persona holds its voice while it is being judged whether it was interrupted."""
    SILENT = "silent"
    """Nobody has spoken for a while."""


class Severity(StrEnum):
    """How much a notice matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Word:
    """One word with its time and how sure the recogniser is of it, 0 to 1 (1 for the persona's own words)."""

    text: str
    start_sample: int
    end_sample: int
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class PersonaCard:
    """Who can be talked to."""

    id: str
    """Also its participant id."""
    name: str
    description: str
    disclosure: str
    """Must be shown to everyone who talks to the persona: that it is an AI, and whose likeness it has."""
    greeting: str | None = None
    """What it says on its own account when a conversation begins; None: nothing."""
    starters: tuple[str, ...] = ()
    """Questions to begin with, the persona's own; empty: it has none."""
    languages: tuple[str, ...] = ()
    """BCP 47; the first is what it speaks unless asked otherwise."""


class ParticipantKind(StrEnum):
    """What somebody is."""

    PERSON = "person"
    PERSONA = "persona"


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody who takes part in a conversation. As an event: they are there, or have another name now."""

    id: str
    """At most 64 characters, unique in the conversation. It has no meaning: compare it, do not show it."""
    name: str | None = None
    """What they are called; None while it is not known."""
    kind: ParticipantKind = ParticipantKind.PERSON


@dataclass(frozen=True, slots=True)
class Relabelled:
    """Whoever was known as `from_id` is `to_id`, also in what was said before: a voice turned out to be somebody known."""

    from_id: str
    to_id: str


@dataclass(frozen=True, slots=True)
class Left:
    """Somebody has gone. What they have said stands."""

    participant_id: str


@dataclass(frozen=True, slots=True)
class Addressee:
    """One of those who may be meant by an utterance."""

    participant_id: str
    probability: float | None
    """0 to 1; None: whoever spoke, or their client, has named them."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The conversation is open. Always the first event."""

    session_id: str
    conversation_id: str
    """Give it to `converse` to go on with this conversation another day."""
    persona: PersonaCard
    voice_rate_hz: int
    """Sample rate of the units' audio."""
    video: Video | None
    """What the frames are really encoded as; None: no video will come."""
    started_at: datetime
    """Wall clock of sample 0, the only wall-clock time of a session."""
    missing: tuple[str, ...]
    """Abilities that are not there: "asr", "tts", "face", ..."""
    participant: Participant
    """Who this client is."""
    others: tuple[Participant, ...] = ()
    """Everybody else who is there already."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """Words of a user, spoken or typed. A final one replaces the partial ones before it."""

    final: bool
    text: str
    """All words so far."""
    stable_text: str
    """The part of `text` that will not change any more."""
    participant_id: str
    """Who said it. A final may name somebody else than the partials did."""
    addressees: tuple[Addressee, ...]
    """Whom it was said to, the likeliest first; empty: the persona."""
    words: tuple[Word, ...]
    start_sample: int
    end_sample: int
    typed: bool
    utterance_id: str
    """The same for the partials and the final of the same words."""
    language: str | None = None
    """BCP 47; None: not known."""


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The floor has changed hands."""

    state: State
    turn_id: int
    input_sample: int
    output_sample: int


@dataclass(frozen=True, slots=True)
class Frame:
    """One encoded picture."""

    data: bytes
    keyframe: bool
    """It can be decoded without the frames before it."""
    repeated: bool
    """There is no new picture: `data` is empty, keep showing the one before."""


@dataclass(frozen=True, slots=True)
class Unit:
    """40 ms of voice and the picture that belongs to it. Show and play them together, 25 a second."""

    index: int
    """Counts by one; a gap means that units were dropped on the way."""
    start_sample: int
    pcm: bytes
    """Signed 16-bit little-endian mono PCM at `Ready.voice_rate_hz`."""
    frame: Frame | None
    turn_id: int
    """The reply that is heard here; 0: nothing is being said."""
    turn_sample: int
    """Position in that reply of this unit's first sample."""
    ducked: bool = False
    """The voice is lowered: somebody may have begun to speak over it."""


@dataclass(frozen=True, slots=True)
class Caption:
    """What the persona is about to say; word times count from the start of the reply."""

    turn_id: int
    text: str
    words: tuple[Word, ...]
    answers: tuple[str, ...] = ()
    """Ids of the utterances that the reply answers."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of what the persona knows."""

    id: str
    """For example "story#12"."""
    question: str | None
    """What it answers; None: it was told without a question."""
    text: str


@dataclass(frozen=True, slots=True)
class Turn:
    """A reply is over."""

    turn_id: int
    heard_text: str
    """What was played of it, and will be remembered as said."""
    full_text: str
    interrupted: bool
    passages: tuple[Passage, ...] = ()
    """What it is founded on. Empty: a set line, or the model's own words."""
    utterance_id: str = ""
    """Of the reply, in what is remembered."""
    answers: tuple[str, ...] = ()
    """Ids of the utterances that it answers, in order; empty: it spoke on its own account."""


@dataclass(frozen=True, slots=True)
class Backchannel:
    """The persona shows that it listens. No turn, and nothing that is remembered."""

    text: str | None
    """What it says meanwhile, in units with turn_id 0; None: nothing."""
    nod: bool


@dataclass(frozen=True, slots=True)
class Stage:
    """A point on the way to a reply, in milliseconds after the end of the user's speech (or after the text arrived)."""

    name: str
    at_ms: float


@dataclass(frozen=True, slots=True)
class Metrics:
    """Where the time of a reply went."""

    turn_id: int
    stages: tuple[Stage, ...]
    drafts: int = 0
    """Replies begun before the turn was known to be over; at most the last of them was given."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the user should know, for example that the voice is missing and replies come as text."""

    severity: Severity
    reason: str
    """Stable, for example "tts_unavailable"."""
    message: str
    ability: str | None
    """The ability that is affected; None: none."""
    retryable: bool


Event = (
    Ready | Participant | Relabelled | Left | Transcript | StateChanged | Unit | Caption | Turn | Metrics | Notice | Backchannel
)
"""Everything that a session yields."""
