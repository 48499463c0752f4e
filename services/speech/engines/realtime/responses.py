"""The newest responses of a server, and the replies that they are here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from services.speech.engine import Done, Ending
from services.speech.engines.record import Reply

#: So many are remembered, for what comes late of them.
_MOST: Final = 16


@dataclass
class Response:
    """One response of the server, and the reply that it is here once the model has proposed to speak."""

    id: str
    reply: Reply | None = None
    item_id: str = ""
    over: bool = False
    rest: bytes = b""
    """Half a sample that waits for its other half."""
    acknowledged: int = 0
    """The server knows that so many samples were heard."""

    @property
    def in_hand(self) -> bool:
        """More of it is to come, and wanted."""
        return self.reply is not None and not self.over and not self.reply.cleared

    def fail(self, reason: str, message: str) -> Done:
        """Nothing more of it comes."""
        assert self.reply is not None
        self.over = self.reply.cleared = True
        return Done(self.reply.turn_id, Ending.FAILED, reason, message)


class Responses:
    """By the server's ids, the oldest first."""

    def __init__(self) -> None:
        self._responses: dict[str, Response] = {}

    def __iter__(self) -> Iterator[Response]:
        return iter(self._responses.values())

    def get(self, response_id: str) -> Response:
        """The one with this id, known or new."""
        if response_id not in self._responses:
            while len(self._responses) >= _MOST:
                del self._responses[next(iter(self._responses))]
            self._responses[response_id] = Response(response_id)
        return self._responses[response_id]

    def clear(self) -> None:
        self._responses.clear()

    @property
    def in_hand(self) -> list[Response]:
        return [each for each in self if each.in_hand]

    @property
    def sounding(self) -> Reply | None:
        """The newest reply of which something is still to be heard."""
        replies = [each.reply for each in self if each.reply and (each.in_hand or each.reply.sounding)]
        return replies[-1] if replies else None
