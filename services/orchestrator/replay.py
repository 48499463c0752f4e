"""Replays the decisions of a conversation: the same events, the machine of today, and what it decides otherwise.

ORCHESTRATOR_DECISIONS_DIR=out/decisions make up
python -m services.orchestrator.replay out/decisions/<session>.jsonl
python -m services.orchestrator.replay out/decisions/<session>.jsonl --set 'filler_after=16000'
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog import machine
from services.orchestrator.dialog.events import CLOCK_HZ
from services.orchestrator.dialog.state import State, Style
from services.orchestrator.session import recorder
from vivant.errors import InvalidRequest, VivantError


@dataclass(frozen=True)
class Decision:
    """What the machine made of one event, and what it made of it then."""

    event: ev.Event
    phase: str
    effects: Sequence[str]
    phase_then: str
    effects_then: Sequence[str]

    @property
    def same(self) -> bool:
        """It decided the same."""
        return (self.phase, list(self.effects)) == (self.phase_then, list(self.effects_then))


def replay(path: Path, changes: Iterable[str] = ()) -> list[Decision]:
    """Every decision of a recording, made again; `changes` are `name=value` of the style. Raises InvalidRequest."""
    style, recorded = recorder.read(path)
    style, state, decisions = changed(style, changes), State(), []
    for event, phase_then, effects_then in recorded:
        state, effects = machine.step(state, event, style)
        decisions.append(Decision(event, state.phase.value, recorder.names(effects), phase_then, effects_then))
    return decisions


def changed(style: Style, changes: Iterable[str]) -> Style:
    """The style with other values, given as `name=value` in JSON; times are samples at 16 kHz."""
    known = {field.name for field in fields(style)}
    for change in changes:
        name, _, value = change.partition("=")
        if name not in known:
            raise InvalidRequest(f"the style has no {name!r}; it has: {', '.join(sorted(known))}", reason="unknown_style")
        try:
            whole: dict[str, Any] = {**recorder.STYLE.dump_python(style), name: json.loads(value)}
            style = replace(style, **{name: getattr(recorder.STYLE.validate_python(whole), name)})
        except (ValueError, ValidationError) as exc:
            raise InvalidRequest(f"--set {change}: {exc}", reason="bad_style") from exc
    return style


def show(path: Path, changes: Iterable[str], console: Console) -> bool:
    """Prints the decisions; True when all of them are the same as then."""
    decisions = replay(path, changes)
    table = Table(title=path.name)
    for name in ("s", "event", "phase", "effects", "then"):
        table.add_column(name, justify="right" if name == "s" else "left")
    for decision in decisions:
        if decision.effects or decision.effects_then or not decision.same:
            table.add_row(
                f"{decision.event.at / CLOCK_HZ:.2f}",
                _words(decision.event),
                decision.phase,
                " ".join(decision.effects),
                "" if decision.same else f"{decision.phase_then}: {' '.join(decision.effects_then)}",
                style="" if decision.same else "yellow",
            )
    console.print(table)
    other = sum(not decision.same for decision in decisions)
    console.print(f"{len(decisions)} events, {other} decided otherwise" if other else f"{len(decisions)} events, all as then")
    return not other


def _words(event: ev.Event) -> str:
    values = [str(getattr(event, field.name)) for field in fields(event) if field.name != "at"]
    return f"{type(event).__name__} {' '.join(values)}"[:60]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0 when all is decided as it was, 2 when something is decided otherwise, 1 for what cannot be replayed."""
    parser = argparse.ArgumentParser(
        prog="python -m services.orchestrator.replay",
        description="Make the decisions of a conversation again, and see which ones are made otherwise now.",
    )
    parser.add_argument("recording", type=Path, help="a file that a server with ORCHESTRATOR_DECISIONS_DIR has written")
    changed_help = "another value in the style; times in samples"
    parser.add_argument("--set", dest="changes", metavar="NAME=VALUE", action="append", default=[], help=changed_help)
    args = parser.parse_args(arguments)
    try:
        return 0 if show(args.recording, args.changes, Console()) else 2
    except (VivantError, OSError) as exc:
        Console(stderr=True).print(str(exc), style="red", markup=False)
        return 1


if __name__ == "__main__":
    sys.exit(main())
