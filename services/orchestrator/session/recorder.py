"""Keeps what the dialog machine heard and decided in one conversation, so that it can be replayed.

A file of JSON lines: first the style, then one event a line with the phase after it and the names of its effects. It holds what
people said, and is written only where `ORCHESTRATOR_DECISIONS_DIR` asks for it. A folder that cannot be written is refused at
start; one that fails later costs the rest of the recording, and no conversation.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TextIO

from pydantic import TypeAdapter, ValidationError

from services.common.logs import get_logger
from services.orchestrator.dialog import effects as fx
from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.state import State, Style
from vivant.errors import InvalidRequest, Unusable

_log = get_logger(__name__)
_EVENTS: Final = {kind.__name__: kind for kind in ev.Event.__subclasses__()}
_ADAPTERS: Final[dict[str, TypeAdapter[Any]]] = {name: TypeAdapter(kind) for name, kind in _EVENTS.items()}
STYLE: Final = TypeAdapter(Style)


def require_writable(folder: Path) -> None:
    """Makes the folder for recordings, and tries to write there. Raises Unusable (`cannot_write`), which names the setting."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as trial:
            trial.write(b"{}\n")
            trial.flush()
    except OSError as exc:
        raise Unusable(
            f"decisions cannot be kept in {folder} ({exc.strerror or exc}); set ORCHESTRATOR_DECISIONS_DIR to a folder "
            "that this service may write, or unset it: then none are kept",
            reason="cannot_write",
        ) from exc


class Recorder:
    """Writes one conversation. When it cannot go on it says so in the log, calls `on_lost`, and notes nothing more."""

    def __init__(self, path: Path, style: Style, on_lost: Callable[[], None]) -> None:
        self._path = path
        self._on_lost = on_lost
        self._file: TextIO | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("w", encoding="utf-8")
        except OSError as exc:
            self._lose(exc)
        self._write({"style": STYLE.dump_python(style, mode="json")})

    def note(self, event: ev.Event, state: State, effects: Sequence[fx.Effect]) -> None:
        """One event, the state after it, its effects."""
        name = type(event).__name__
        self._write(
            {
                "event": name,
                **{field: _finite(value) for field, value in _ADAPTERS[name].dump_python(event, mode="json").items()},
                "phase": state.phase.value,
                "effects": names(effects),
            }
        )

    def close(self) -> None:
        """Nothing more will be noted."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as exc:
                self._lose(exc)

    def _write(self, line: dict[str, Any]) -> None:
        if self._file is not None:
            try:
                self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            except OSError as exc:
                self._lose(exc)

    def _lose(self, exc: OSError) -> None:
        _log.warning("recording_lost", path=str(self._path), detail=exc.strerror or str(exc))
        file, self._file = self._file, None
        if file is not None:
            # It tries once more to write what it holds back, and gives the file free whether that works or not.
            with suppress(OSError):
                file.close()
        self._on_lost()


def names(effects: Sequence[fx.Effect]) -> list[str]:
    """What the effects are called."""
    return [type(effect).__name__ for effect in effects]


def _finite(value: Any) -> Any:
    """JSON knows no infinity; as a word it is read back as the number."""
    return str(value) if isinstance(value, float) and math.isinf(value) else value


def read(path: Path) -> tuple[Style, list[tuple[ev.Event, str, list[str]]]]:
    """The style, and of each event the phase after it and its effects. Raises InvalidRequest for another kind of file."""
    try:
        first, *rest = _lines(path.read_bytes())
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


def _lines(recording: bytes) -> list[dict[str, Any]]:
    """Its lines; the last one is left out when it breaks off, because the disk was full or the service was killed."""
    *whole, last = recording.split(b"\n")
    lines = [json.loads(line) for line in whole if line.strip()]
    with suppress(ValueError):
        lines.append(json.loads(last))
    return lines
