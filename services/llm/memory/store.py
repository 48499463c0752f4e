"""What a conversation store is. It keeps what was said: a conversation outlives the stream, the process and the replica.

Who takes part is told by participant ids; a conversation is one with one persona.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

#: More utterances of a conversation are not read when it goes on: no history is as long.
MAX_ENTRIES = 500


@dataclass(frozen=True)
class Key:
    """Which conversation."""

    conversation_id: str
    persona_id: str


@dataclass(frozen=True)
class Participant:
    id: str
    name: str = ""
    """What they are called; "" while that is not known."""
    is_persona: bool = False


@dataclass(frozen=True)
class Addressee:
    participant_id: str
    probability: float | None = None
    """0 to 1; None when the speaker, or their client, has named them."""


@dataclass(frozen=True)
class Entry:
    """An utterance as it is kept. All ids are those of participants, but for its own and that of the session."""

    participant_id: str
    text: str
    id: str = ""
    """Unique in the conversation; "" for words that are not complete yet, which are never kept."""
    addressees: tuple[Addressee, ...] = ()
    """The likeliest first; empty: it is for the persona."""
    language: str | None = None
    """BCP 47."""
    started_unix_us: int | None = None
    ended_unix_us: int | None = None
    session_id: str = ""
    turn_id: int = 0
    """The turn of that session that it belongs to; 0 for none. Turns count from 1 in each session."""
    interrupted: bool = False
    interrupted_by: str | None = None
    """None when it is not known."""


@dataclass(frozen=True)
class Kept:
    """A conversation as it was left."""

    participants: tuple[Participant, ...] = ()
    """In the order in which they appeared."""
    entries: tuple[Entry, ...] = ()
    """The last MAX_ENTRIES in the order in which they came; the persona's words belong behind the turn that they answer."""


class ConversationStore(Protocol):
    """Keeps conversations. When a method that changes something returns, the change outlives this process.

    All raise Unavailable with the reason "conversation_not_kept" when the store cannot do it.
    """

    def load(self) -> None:
        """Gets ready; blocks. Raises Unusable when it cannot work as it is set up."""

    async def open(self, key: Key) -> Kept:
        """What was said before. Raises InvalidRequest, reason "other_persona", when it was said with another persona."""

    async def meet(self, key: Key, participants: Sequence[Participant]) -> None:
        """These take part, or have another name now."""

    async def relabel(self, key: Key, from_id: str, to_id: str) -> None:
        """Whoever was `from_id` is `to_id`, in what was said before too. A name that only the former had is kept."""

    async def add(self, key: Key, entry: Entry, participants: Sequence[Participant]) -> None:
        """Keeps an utterance, and who takes part in it.

        One whose id is known is the same utterance: it stays as it is, but takes the turn of `entry` where that has one.
        """

    async def replace(self, key: Key, entry: Entry, participants: Sequence[Participant]) -> None:
        """Like `add`, but of an utterance that is known the words become those of `entry`; with no text there is none."""

    async def forget(self, key: Key, session_id: str, turn_id: int) -> None:
        """Deletes what belongs to a turn of a session."""

    async def close(self) -> None:
        """Ends when all is written."""
