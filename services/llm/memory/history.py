"""What was said in a conversation, as far as it was heard, bounded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from services.llm.engine import Message


@dataclass(frozen=True)
class Utterance:
    """One contribution."""

    speaker: str
    text: str
    addressee: str = ""
    interrupted: bool = False
    turn_id: int = 0
    """The turn it belongs to; 0 for none."""
    interrupted_by: str = ""
    """By whom, when that is known."""


class History:
    """Contributions in order, the oldest dropped first.

    When the bound is reached it is cut to half, not to the bound: each cut changes the beginning of the prompt, which has to be
    read anew, so it must be rare.
    """

    def __init__(self, persona_id: str, max_words: int, items: Iterable[Utterance] = ()) -> None:
        self._persona_id = persona_id
        self._max_words = max_words
        self._items = list(items)
        self._bound()

    @property
    def items(self) -> tuple[Utterance, ...]:
        return tuple(self._items)

    def add(self, said: Utterance) -> None:
        """Appends it; the persona's words go right behind the turn that they answer."""
        place = len(self._items)
        if said.speaker == self._persona_id and said.turn_id:
            turns = [index for index, item in enumerate(self._items) if item.turn_id == said.turn_id]
            place = turns[-1] + 1 if turns else place
        self._items.insert(place, said)
        self._bound()

    def heard(self, said: Utterance) -> None:
        """The persona's words of a turn as they were heard, in place of an earlier report."""
        self._items = [item for item in self._items if not (item.turn_id == said.turn_id and item.speaker == said.speaker)]
        if said.text:
            self.add(said)

    def forget(self, turn_id: int) -> None:
        """Drops all that belongs to a turn."""
        self._items = [item for item in self._items if item.turn_id != turn_id]

    def before(self, turn_id: int) -> tuple[Utterance, ...]:
        """What was said before a turn."""
        return tuple(item for item in self._items if item.turn_id != turn_id)

    def _bound(self) -> None:
        if sum(_length(item) for item in self._items) <= self._max_words:
            return
        kept, total = list[Utterance](), 0
        for item in (shortened(item, self._max_words // 2) for item in reversed(self._items)):
            total += _length(item)
            if kept and total > self._max_words // 2:
                break
            kept.append(item)
        self._items = kept[::-1] if self._max_words else []


def shortened(said: Utterance, max_words: int) -> Utterance:
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


def _length(said: Utterance) -> int:
    return len(said.text.split())
