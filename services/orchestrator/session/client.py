"""One client of a session: what it asked for when it came, and its stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from services.orchestrator.speaking.outbox import Write
from vivant.common.v1 import common_pb2


@dataclass(frozen=True, kw_only=True)
class Client:
    """Checked."""

    participant: common_pb2.Participant | None
    """Who it says it is; None: the session gives an id."""
    input_audio: common_pb2.AudioFormat | None
    """Of its microphone; None: it has none."""
    shared_microphone: bool
    video: bool
    requests: AsyncIterator[tuple[str, Any]]
    """(kind, message) after the first one."""
    finished: Callable[[], bool]
    """Whether the requests have ended with `finish`."""
    write: Write
