"""What every part of a session is connected to: its clock, the dialog machine, and the client."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services.orchestrator.dialog import events as ev
from vivant.session.v1 import session_pb2


@dataclass(frozen=True)
class SessionContext:
    """The same for all parts."""

    session_id: str
    now: Callable[[], int]
    """The session clock."""
    feed: Callable[[ev.Event], None]
    """Tells the dialog machine."""
    send: Callable[..., None]
    """One response to the client, by its name."""
    notify: Callable[[session_pb2.Notice], None]
    """Something that users should know."""
