"""What was said in a conversation, for a model that must be told again: its connection broke, or its context has ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.speech.engine import Said

#: What is told again at most, the newest of it: some fifteen minutes of talk, a fraction of what any model holds.
MOST_CHARS: Final = 12_000
_MOST_ENTRIES: Final = 1_000


@dataclass
class Reply:
    """What the model says in one turn, and how much of it was heard."""

    turn_id: int
    text: str = ""
    samples: int = 0
    """Of its sound, as far as it has come."""
    played: int = 0
    cleared: bool = False
    """It was cut off: what was not heard was not said."""

    @property
    def sounding(self) -> bool:
        """Some of it is still to be heard."""
        return not self.cleared and self.played < self.samples

    @property
    def said(self) -> str:
        """Its words, or those that were heard: as many as there was of its sound."""
        if not self.cleared or not self.samples:
            return "" if self.cleared else self.text
        words = self.text.split()
        return " ".join(words[: round(len(words) * min(1.0, self.played / self.samples))])


class Record:
    """Of one conversation."""

    def __init__(self, history: Sequence[Said]) -> None:
        self._entries: deque[Said | Reply] = deque(history, _MOST_ENTRIES)

    def add(self, entry: Said | Reply) -> None:
        """A reply is added when it begins, and grows."""
        self._entries.append(entry)

    def note(self, said: Said) -> None:
        """Something was said, as a recognition has heard it: that may come when the reply to it has begun."""
        newest = self._entries[-1] if self._entries else None
        before = self._entries[-2] if len(self._entries) > 1 else None
        late = isinstance(newest, Reply) and not said.by_persona and not (isinstance(before, Said) and not before.by_persona)
        if late:
            self._entries.pop()
        self._entries.append(said)
        if late and newest:
            self._entries.append(newest)

    def told(self) -> list[Said]:
        """The newest of it, the oldest first."""
        found: list[Said] = []
        chars = 0
        for entry in reversed(self._entries):
            said = entry if isinstance(entry, Said) else Said(entry.said, by_persona=True)
            chars += len(said.text)
            if chars > MOST_CHARS:
                break
            if said.text.strip():
                found.append(said)
        return found[::-1]


def as_text(said: Sequence[Said]) -> str:
    """For models that are told it in their instructions; empty when nothing was said."""
    lines = [f"{'You' if each.by_persona else 'They'}: {each.text.strip()}" for each in said]
    return "\n".join(["What was said so far:", *lines]) if lines else ""
