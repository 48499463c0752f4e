"""The engines of a service, loaded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from services.common import registry
from services.common.registry import EngineSpec
from services.common.settings import SharedSettings


def loaded(specs: Iterable[EngineSpec], shared: SharedSettings | None = None) -> dict[str, Any]:
    """Every engine of a table, by name."""
    engines = {spec.name: registry.load(spec, shared or SharedSettings()) for spec in specs}
    for engine in engines.values():
        engine.load()
    return engines
