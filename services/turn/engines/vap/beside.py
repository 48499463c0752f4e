"""The model in a thread of its own, beside the turn's own evidence, which never waits for it.

A stream leaves its frames and takes the newest answer that there is. Whoever falls behind loses what waits: an answer about
half a second ago is none about now. After such a hole the model begins anew, since what comes does not continue what it heard.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Final, Protocol

from services.turn.engine import ModelSteps
from services.turn.engines.vap.channels import GAP, Audio, Frame
from services.turn.engines.vap.network import RATE_HZ, Answer

#: So much sound may wait, on top of the frame that is being heard.
_LATEST: Final = GAP


class Model(Protocol):
    """See network.Network."""

    frame: int

    def step(self, user: Audio, persona: Audio, state: Any) -> tuple[Answer, Any]:
        """One frame of both sides."""


@dataclass(frozen=True)
class Said:
    """An answer, and what it is about."""

    answer: Answer
    end: int
    """One past the last sample that it has heard, at 16 kHz on the user's clock."""
    heard: int
    """Samples that it has heard in one piece."""


class Track:
    """One stream's frames and answers. `push` and the rest are the stream's, `step` is the thread's."""

    def __init__(self, model: Model, ready: queue.SimpleQueue[Track | None]) -> None:
        self._model = model
        self._ready = ready
        self._most = max(1, _LATEST // model.frame)
        self._lock = threading.Lock()
        self._waiting: deque[Frame] = deque()
        self._queued = False
        self._broken = False
        self._said: Said | None = None
        self._state: Any = None
        self._error: Exception | None = None
        self._steps_s: list[float] = []
        self._dropped = 0

    def push(self, frame: Frame) -> None:
        """The next frame; returns at once. Raises what a step has raised."""
        with self._lock:
            if self._error is not None:
                raise self._error
            if len(self._waiting) >= self._most:
                self._dropped += len(self._waiting) * self._model.frame
                self._waiting.clear()
                self._broken, self._said = True, None
            self._waiting.append(frame)
            if not self._queued:
                self._queued = True
                self._ready.put(self)

    def said(self) -> Said | None:
        """The newest answer; None: there is none that is of any use any more."""
        return self._said

    def measured(self) -> ModelSteps | None:
        """What it took since this was asked last, if anything."""
        with self._lock:
            if not (self._steps_s or self._dropped):
                return None
            steps = ModelSteps(tuple(self._steps_s), self._dropped / RATE_HZ)
            self._steps_s, self._dropped = [], 0
            return steps

    def close(self) -> None:
        """The stream is gone: what waits is not heard any more."""
        with self._lock:
            self._waiting.clear()

    def step(self) -> None:
        """Hears the oldest frame that waits."""
        with self._lock:
            if not self._waiting:
                self._queued = False
                return
            frame = self._waiting.popleft()
            begins = frame.anew or self._broken
            self._broken = False
            before = None if begins else self._said
        began = time.perf_counter()
        try:
            answer, self._state = self._model.step(frame.user, frame.persona, None if begins else self._state)
        except RuntimeError as exc:
            # Out of memory, a lost device: the stream is told; the others go on, until it happens to them.
            with self._lock:
                self._error = exc
            return
        taken_s = time.perf_counter() - began
        with self._lock:
            self._steps_s.append(taken_s)
            if not self._broken:
                self._said = Said(answer, frame.end, (before.heard if before else 0) + self._model.frame)
            self._ready.put(self)


class Beside:
    """Owns the model. One thread hears for all streams, a frame of each in turn."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._ready: queue.SimpleQueue[Track | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="vap", daemon=True)
        self._thread.start()

    def open(self) -> Track:
        """A new stream."""
        return Track(self._model, self._ready)

    def close(self) -> None:
        """Blocking: the frame that is being heard is heard to its end."""
        self._ready.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (track := self._ready.get()) is not None:
            track.step()
