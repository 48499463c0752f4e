"""The log of what the dialog machine decided, and from which numbers; nothing of what was said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from services.common.logs import get_logger
from services.orchestrator.dialog import effects as fx
from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.state import State

_log = get_logger(__name__)


def log(event: ev.Event, state: State, effects: Sequence[fx.Effect]) -> None:
    """One decision: the event, the state after it, the effects."""
    _log.info(
        "decided",
        turn_id=state.turn_id,
        at=event.at,
        heard=type(event).__name__,
        phase=state.phase.value,
        effects=[type(effect).__name__ for effect in effects],
        **_inputs(event),
    )


def _inputs(event: ev.Event) -> dict[str, Any]:
    """The numbers of an event that a decision was made from."""
    match event:
        case ev.Overlapped(kind=kind, probability=probability):
            return {"kind": kind.value, "probability": round(probability, 2)}
        case ev.EndOfTurn(probability=probability, waiting_cost_s=cost_s, reading=reading):
            return {
                "probability": round(probability, 2),
                # JSON knows no infinity: none is told where the turn is over in any case.
                "waiting_cost_s": round(cost_s, 2) if math.isfinite(cost_s) else None,
                "asks": round(reading.asks, 2) if reading else None,
            }
        case ev.Addressed(evidence=evidence):
            return {name: round(number, 2) for name, number in vars(evidence).items() if number is not None}
        case ev.SpeechStopped(last_speech_at=last):
            return {"last_speech_at": last}
    return {}
