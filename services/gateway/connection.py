"""What somebody takes part with, and what a new connection asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import vivant
from services.gateway.messages import Message, PlayedMessage


class Connection(Protocol):
    """How somebody takes part. Its methods are called from the loop and never wait."""

    @property
    def quiet_s(self) -> float:
        """How long nothing at all has come, not even a sign that the other side is still there."""

    def unit(self, unit: vivant.Unit) -> None:
        """40 ms of sound and picture."""

    def send(self, message: Message) -> None:
        """Something to show."""

    def played_unit(self, message: PlayedMessage) -> int | None:
        """The unit that was played to its end, by what the page reports."""

    async def close(self) -> None:
        """Ends it; it will not be used again."""


@dataclass(frozen=True)
class Wish:
    """What a new connection asks for. Empty: it does not ask for that."""

    persona: str = ""
    greeting: bool = False
    token: str = ""
    conversation_id: str = ""
    """Goes on with this conversation: where the others are, or, where all have left, from what is remembered."""
    join: str = ""
    """Enters this conversation, which somebody else is having."""
    name: str = ""
    """What whoever comes is called."""
    visit: str = ""
    """Chosen by the page at random: it has one conversation at a time, and a new one takes the place of the one before."""
