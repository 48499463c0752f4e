"""What was said in a conversation, as far as it was heard, bounded; and how it is shown to the persona."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from services.llm.engine import Message
from services.llm.memory.store import Entry


@dataclass(frozen=True)
class Utterance:
    """One contribution as the persona knows it: people by what they are called, which no two share."""

    speaker: str
    """The persona's id for its own words."""
    text: str
    addressee: str = ""
    """Whom it was said to; "" for the persona."""
    interrupted: bool = False
    interrupted_by: str = ""
    """By whom, when that is known."""
    nameless: bool = False
    """The speaker's name is not known: `speaker` tells them from others, and is nothing to be said."""


Said = TypeVar("Said", Entry, Utterance)


class History:
    """Contributions to a conversation in order, those of one session and what was said before; the oldest is dropped first.

    When the bound is reached it is cut to half, not to the bound: each cut changes the beginning of the prompt, which has to be
    read anew, so it must be rare.
    """

    def __init__(self, persona_id: str, session_id: str, max_words: int, entries: Iterable[Entry] = ()) -> None:
        """`entries` in the order in which they came."""
        self._persona_id = persona_id
        self._session_id = session_id
        self._max_words = max_words
        self._entries = list[Entry]()
        self._ids = set[str]()
        """Of all that was ever here, what was dropped too."""
        for entry in entries:
            self._ids.add(entry.id)
            self._place(entry)
        self._bound()

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(self._entries)

    def add(self, entry: Entry) -> None:
        """Appends it; the persona's words go right behind the turn that they answer. What is known takes the turn, if any."""
        if entry.id not in self._ids:
            self._ids.add(entry.id)
            self._place(entry)
            self._bound()
        elif entry.turn_id:
            self._entries = [
                replace(item, session_id=entry.session_id, turn_id=entry.turn_id) if item.id == entry.id else item
                for item in self._entries
            ]

    def heard(self, entry: Entry) -> None:
        """The persona's words as they were heard, in place of an earlier report."""
        if not entry.text:
            self._ids.discard(entry.id)
            self._entries = [item for item in self._entries if item.id != entry.id]
        elif entry.id in self._ids:
            self._entries = [entry if item.id == entry.id else item for item in self._entries]
            self._bound()
        else:
            self.add(entry)

    def forget(self, turn_id: int) -> None:
        """Drops all that belongs to a turn of this session."""
        self._ids -= {item.id for item in self._entries if self._of(item, turn_id)}
        self._entries = list(self.before(turn_id))

    def before(self, turn_id: int) -> tuple[Entry, ...]:
        """What was said before a turn of this session."""
        return tuple(item for item in self._entries if not self._of(item, turn_id))

    def relabel(self, from_id: str, to_id: str) -> None:
        """What `from_id` has said and was told is `to_id`'s."""
        self._entries = [_relabelled(item, from_id, to_id) for item in self._entries]

    def _of(self, entry: Entry, turn_id: int) -> bool:
        return (entry.session_id, entry.turn_id) == (self._session_id, turn_id)

    def _place(self, entry: Entry) -> None:
        place = len(self._entries)
        if entry.participant_id == self._persona_id and entry.turn_id:
            turn = (entry.session_id, entry.turn_id)
            behind = (at for at, each in enumerate(self._entries, 1) if (each.session_id, each.turn_id) == turn)
            place = max(behind, default=place)
        self._entries.insert(place, entry)

    def _bound(self) -> None:
        if sum(map(_length, self._entries)) <= self._max_words:
            return
        kept, total = list[Entry](), 0
        for item in (shortened(item, self._max_words // 2) for item in reversed(self._entries)):
            total += _length(item)
            if kept and total > self._max_words // 2:
                break
            kept.append(item)
        self._entries = kept[::-1] if self._max_words else []


def shortened(said: Said, max_words: int) -> Said:
    """The last words of a long contribution: a question stands at the end."""
    parts = said.text.split()
    return said if len(parts) <= max_words else replace(said, text=" ".join(parts[-max_words:]))


def as_messages(items: Iterable[Utterance], persona_id: str) -> list[Message]:
    """History as a chat: user and assistant take turns, names stand where more than one person talks to the persona."""
    items = list(items)
    others = {item.speaker for item in items if item.speaker != persona_id}
    messages: list[Message] = []
    for item in items:
        role, text = ("assistant" if item.speaker == persona_id else "user"), item.text
        if role == "assistant" and item.interrupted:
            # Among several it matters whose turn it was then.
            text += f" ... ({item.interrupted_by} cut in)" if item.interrupted_by and len(others) > 1 else " ..."
        elif role == "user" and item.addressee not in ("", persona_id):
            text = f"({item.speaker} to {item.addressee}:) {text}"
        elif role == "user" and len(others) > 1:
            text = f"({item.speaker}:) {text}"
        if messages and messages[-1].role == role:
            messages[-1] = Message(messages[-1].role, f"{messages[-1].content}\n{text}")
        else:
            messages.append(Message("assistant" if role == "assistant" else "user", text))
    return messages


def _relabelled(entry: Entry, from_id: str, to_id: str) -> Entry:
    def now(participant_id: str) -> str:
        return to_id if participant_id == from_id else participant_id

    return replace(
        entry,
        participant_id=now(entry.participant_id),
        addressees=tuple(replace(each, participant_id=now(each.participant_id)) for each in entry.addressees),
        interrupted_by=entry.interrupted_by and now(entry.interrupted_by),
    )


def _length(entry: Entry) -> int:
    return len(entry.text.split())
