"""Responses that were asked for while the one before, which was cancelled, is not over: each comes in its turn."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from services.gateway.realtime.events import CreateResponse
from services.gateway.realtime.wrong import ClientError

#: All but the last of them are cancelled.
_MOST: Final = 16


@dataclass
class Held:
    """One of them."""

    asked: CreateResponse
    cancelled: bool = False


class Queue:
    """In order; only the last one may still be wanted."""

    def __init__(self) -> None:
        self._held: deque[Held] = deque()

    def __bool__(self) -> bool:
        return bool(self._held)

    @property
    def wanted(self) -> bool:
        """One of them is not cancelled."""
        return bool(self._held) and not self._held[-1].cancelled

    def hold(self, asked: CreateResponse) -> None:
        """Raises ClientError when there is one that is wanted, or there are too many."""
        if self.wanted or len(self._held) == _MOST:
            raise ClientError(
                "conversation_already_has_active_response",
                "A response waits already for the cancelled one to be over: wait for its response.done, or cancel it.",
            )
        self._held.append(Held(asked))

    def cancel(self) -> None:
        """The one that is wanted is so no longer."""
        self._held[-1].cancelled = True

    def next(self) -> Held:
        return self._held.popleft()
