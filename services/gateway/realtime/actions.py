"""What a Realtime client's wishes come down to: things to do in the conversation, in their order."""

from __future__ import annotations

from dataclasses import dataclass

from services.gateway.realtime.items import Event


@dataclass(frozen=True)
class Sound:
    """Pass this on: PCM at 24 kHz."""

    pcm: bytes


@dataclass(frozen=True)
class Say:
    """Type this."""

    text: str


@dataclass(frozen=True)
class Stop:
    """Make the persona stop talking."""


@dataclass(frozen=True)
class Heard:
    """Of the reply that this unit belongs to, nothing after it was heard."""

    unit_index: int
    over: bool
    """The reply is over already, and what was heard of it must be corrected."""


@dataclass(frozen=True)
class EndTurn:
    """Answer what was said, when the sound that waits has been passed on."""


@dataclass(frozen=True)
class Await:
    """Words are expected of the sound that waits: tell `Realtime.give_up` when it has been passed on and none come."""


@dataclass(frozen=True)
class Forget:
    """Drop the sound that waits and is not committed."""


@dataclass(frozen=True)
class Reopen:
    """Go on with the conversation in this manner; words that were not answered are forgotten."""

    manual: bool
    greeting: bool = False


#: What is due when the sound before it has been passed on.
Mark = EndTurn | Await
Action = Sound | Say | Stop | Heard | EndTurn | Await | Forget | Reopen
Out = Event | Action
