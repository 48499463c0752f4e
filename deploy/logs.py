"""Reads why a service has failed out of its log of JSON lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

_TAIL_BYTES: Final = 64 * 1024


def last_error(log: Path, start: int = 0) -> str:
    """The latest error after byte `start`: a record's `detail`, else its event, else a traceback's last line; "" when none."""
    if not log.exists():
        return ""
    with log.open("rb") as stream:
        size = stream.seek(0, 2)
        # A log that was rotated is shorter than it was.
        stream.seek(max(start if start <= size else 0, size - _TAIL_BYTES))
        lines = stream.read().decode("utf-8", "replace").splitlines()
    in_traceback = ""
    for line in reversed(lines):
        record = _record(line)
        if record is None:
            if line.startswith("Traceback ") and in_traceback:
                return in_traceback
            in_traceback = in_traceback or line.strip()
        elif record.get("level") in ("error", "critical"):
            return str(record.get("detail") or _last_line(record.get("exception")) or record.get("event", ""))
    return ""


def last_words(log: Path, start: int = 0) -> str:
    """What a program said after byte `start` before it ended: its error where a line begins with one, else its last line."""
    with log.open("rb") as stream:
        stream.seek(start)
        lines = stream.read(_TAIL_BYTES).decode("utf-8", "replace").strip().splitlines()
    return next((line for line in reversed(lines) if line.startswith("Error")), lines[-1] if lines else "")


def _record(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _last_line(exception: object) -> str:
    return str(exception).strip().splitlines()[-1] if exception else ""
