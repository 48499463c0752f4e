"""Which replies may still be heard, and how much of each has left. Knows nothing of how they are made.

Invariant: of a turn that was cleared or is over nothing is let through, whatever the model still says of it.
"""

from __future__ import annotations

from vivant.errors import InvalidRequest


class Turns:
    """Of one conversation."""

    def __init__(self) -> None:
        self._oldest = 1
        self._newest = 0
        self._sent: dict[int, int] = {}

    def admits(self, turn_id: int) -> bool:
        """Whether something of this reply may leave. A number above all so far begins a reply."""
        if turn_id < self._oldest:
            return False
        if turn_id > self._newest:
            self._newest = turn_id
            self._sent[turn_id] = 0
        return turn_id in self._sent

    def position(self, turn_id: int) -> int:
        """The sample of the reply that comes next."""
        return self._sent[turn_id]

    def sent(self, turn_id: int, samples: int) -> None:
        """So much more of it has left."""
        self._sent[turn_id] += samples

    def end(self, turn_id: int) -> int | None:
        """It is over: how many samples of it have left; None when it was over before."""
        return self._sent.pop(turn_id, None) if self.admits(turn_id) else None

    def clear(self, newest_turn_id: int) -> list[tuple[int, int]]:
        """Mutes all older turns; returns those that end by it, and how many samples of each left. Raises InvalidRequest."""
        if not 1 <= newest_turn_id <= self._newest + 1:
            raise InvalidRequest(
                f"clear: newest_turn_id must be 1 to {self._newest + 1}, the newest reply's and one; got {newest_turn_id}",
                reason="no_turn",
            )
        self._oldest = max(self._oldest, newest_turn_id)
        return [(turn_id, self._sent.pop(turn_id)) for turn_id in sorted(self._sent) if turn_id < self._oldest]

    def require_begun(self, turn_id: int) -> None:
        """Raises InvalidRequest for a turn that has not begun."""
        if not 1 <= turn_id <= self._newest:
            raise InvalidRequest(f"played: no reply has turn_id {turn_id}; the newest has {self._newest}", reason="no_turn")
