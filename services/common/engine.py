"""What an engine of any service says of itself; what one kind has more is added in its `engine.py`. Knows no gRPC."""

from __future__ import annotations

from dataclasses import dataclass


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
