"""Keeps what the dialog machine heard and decided in one conversation, so that it can be replayed.

A file of JSON lines: first the style, then one event a line with the phase after it and the names of its effects. It holds what
people said, and is written only where `ORCHESTRATOR_DECISIONS_DIR` asks for it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TextIO

from pydantic import TypeAdapter, ValidationError

from services.orchestrator import events as ev
from services.orchestrator.dialog.state import State, Style
from vivant.errors import InvalidRequest

_EVENTS: Final = {kind.__name__: kind for kind in ev.Event.__subclasses__()}
_ADAPTERS: Final[dict[str, TypeAdapter[Any]]] = {name: TypeAdapter(kind) for name, kind in _EVENTS.items()}
STYLE: Final = TypeAdapter(Style)


class Recorder:
    """Writes one conversation."""

    def __init__(self, path: Path, style: Style) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: TextIO = path.open("w", encoding="utf-8")
        self._write({"style": STYLE.dump_python(style, mode="json")})

    def note(self, event: ev.Event, state: State, effects: Sequence[ev.Effect]) -> None:
        """One event, the state after it, its effects."""
        name = type(event).__name__
        self._write(
            {
                "event": name,
                **_ADAPTERS[name].dump_python(event, mode="json"),
                "phase": state.phase.value,
                "effects": names(effects),
            }
        )

    def close(self) -> None:
        """Nothing more will be noted."""
        self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")


def names(effects: Sequence[ev.Effect]) -> list[str]:
    """What the effects are called."""
    return [type(effect).__name__ for effect in effects]


def read(path: Path) -> tuple[Style, list[tuple[ev.Event, str, list[str]]]]:
    """The style, and of each event the phase after it and its effects. Raises InvalidRequest for another kind of file."""
    try:
        first, *rest = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
        style = STYLE.validate_python(first["style"])
        events = []
        for line in rest:
            name, phase, effects = line.pop("event"), line.pop("phase"), line.pop("effects")
            events.append((_ADAPTERS[name].validate_python(line), phase, effects))
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as exc:
        raise InvalidRequest(
            f"{path} is no recording of decisions that this version knows: {exc}", reason="bad_recording"
        ) from exc
    return style, events
