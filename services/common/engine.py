"""What an engine of any service says of itself; what one kind has more is added in its `engine.py`. Knows no gRPC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class Model:
    """A model in use and its terms."""

    name: str
    licence: str
    notice: str = ""
    """What its licence asks to be shown."""


@dataclass(frozen=True, kw_only=True)
class EngineInfo:
    """What an engine is and can do, as data."""

    name: str
    version: str
    languages: tuple[str, ...] = ()
    """BCP 47 tags; empty: not bound to a language."""
    models: tuple[Model, ...] = ()


@runtime_checkable
class Remote(Protocol):
    """What an engine has besides when its model runs on a server elsewhere."""

    async def connect(self) -> None:
        """After `load`: waits until the server is there, for a bounded time, and learns what it has.

        Raises Unusable for what will not pass, and Unavailable when the time is over.
        """

    async def disconnect(self) -> None:
        """After `close`: ends the connection."""

    def problems(self) -> Sequence[str]:
        """Sentences that say why it cannot serve at the moment."""
