"""What goes into the recording of an answer: from a moment before the reply, so that the face is seen to think first."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from vivant.errors import Unusable
from vivant.events import Ready, Unit
from vivant.recording import Recorder

#: Longest lead-in, in units: 2 s.
MAX_LEAD_UNITS: Final = 50
#: A recording can begin only at a keyframe; while the reply is awaited there is one at least this often, in units: 1 s.
KEYFRAME_EVERY: Final = 25


class Take:
    """Records a session from a keyframe up to 2 s before the first reply, or, with `whole`, from its first unit.

    A recording that fails, for example because the disk is full, costs no conversation: `on_lost` is told why, once, and
    nothing more is recorded.
    """

    def __init__(self, path: Path, ready: Ready, *, whole: bool, on_lost: Callable[[Unusable], None]) -> None:
        self._recorder = Recorder.of(path, ready)
        self._on_lost = on_lost
        self.lost = False
        self._video = ready.video is not None
        self._rolling = whole
        self._lead: deque[Unit] = deque(maxlen=MAX_LEAD_UNITS)
        self._keyframe_at = -KEYFRAME_EVERY
        """Index of the unit that last had a keyframe, or for which one was asked."""

    def add(self, unit: Unit) -> bool:
        """Takes one unit; True: ask the session for a keyframe."""
        if self.lost:
            return False
        try:
            return self._add(unit)
        except Unusable as exc:
            self._lose(exc)
            return False

    def _add(self, unit: Unit) -> bool:
        if _is_keyframe(unit):
            self._keyframe_at = unit.index
        if self._rolling:
            self._recorder.write(unit)
        else:
            self._hold(unit)
        wanted = self._recorder.needs_keyframe if self._rolling else self._video
        if not wanted or unit.index - self._keyframe_at < KEYFRAME_EVERY:
            return False
        self._keyframe_at = unit.index
        return True

    def _hold(self, unit: Unit) -> None:
        self._lead.append(unit)
        if not unit.turn_id:
            return
        self._rolling = True
        while self._video and len(self._lead) > 1 and not _is_keyframe(self._lead[0]):
            self._lead.popleft()
        for held in self._lead:
            self._recorder.write(held)

    @property
    def path(self) -> Path:
        """Where the recording is."""
        return self._recorder.path

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return self._recorder.units / 25

    def close(self) -> None:
        """Completes the file; without anything recorded there is none."""
        if self.lost:
            return
        if not self._recorder.units:
            self._recorder.discard()
            return
        try:
            self._recorder.close()
        except Unusable as exc:
            self._lose(exc)

    def _lose(self, exc: Unusable) -> None:
        self.lost = True
        self._on_lost(exc)


def _is_keyframe(unit: Unit) -> bool:
    return unit.frame is not None and unit.frame.keyframe
