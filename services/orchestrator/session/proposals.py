"""What a speech model would say: its turns, kept back until one of them is wanted. Knows nothing of who wants it.

Only the newest turn counts. Of what was dismissed nothing is let through any more, whatever the model still sends of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Deliver = Callable[[str, Any], None]


class Proposal:
    """One turn of the model's: `began_at` is on the session clock."""

    def __init__(self, turn_id: int, began_at: int) -> None:
        self.turn_id = turn_id
        self.began_at = began_at
        self.samples = 0
        """Of its sound so far."""
        self._held: list[tuple[str, Any]] = []
        self._deliver: Deliver | None = None

    @property
    def wanted(self) -> bool:
        return self._deliver is not None

    def put(self, kind: str, message: Any) -> None:
        """More of it."""
        if kind == "speech":
            self.samples += len(message.pcm) // 2
        if self._deliver is None:
            self._held.append((kind, message))
        else:
            self._deliver(kind, message)

    def adopt(self, deliver: Deliver) -> None:
        """It is wanted: what was kept goes on its way now, what follows as it comes."""
        self._deliver = deliver
        held, self._held = self._held, []
        for kind, message in held:
            deliver(kind, message)


class Proposals:
    """Of one stream. Turns count from 1."""

    def __init__(self) -> None:
        self._oldest = 1
        self.newest: Proposal | None = None
        """The turn that was begun last, unless it was dismissed."""
        self._begun = 0

    @property
    def next_turn_id(self) -> int:
        """Everything that was begun until now is older."""
        return self._begun + 1

    def of(self, turn_id: int, at: int) -> Proposal | None:
        """The turn with this number, which may begin with it; None for one that was dismissed or is not the newest."""
        if turn_id > self._begun and turn_id >= self._oldest:
            self._begun = turn_id
            self.newest = Proposal(turn_id, at)
        return self.newest if self.newest is not None and self.newest.turn_id == turn_id else None

    def dismiss(self) -> bool:
        """Nothing of what was begun until now is wanted; False when that is known already."""
        known = self._oldest >= self.next_turn_id
        self._oldest, self.newest = self.next_turn_id, None
        return not known
