"""What goes into the recording of an answer: from a moment before the reply, so that the face is seen to think first."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Final

from vivant.events import Ready, Unit
from vivant.recording import Recorder

#: Longest lead-in, in units: 2 s.
MAX_LEAD_UNITS: Final = 50
#: A recording can begin only at a keyframe; while the reply is awaited there is one at least this often, in units: 1 s.
KEYFRAME_EVERY: Final = 25


class Take:
    """Records a session from a keyframe up to 2 s before the first reply, or, with `whole`, from its first unit."""

    def __init__(self, path: Path, ready: Ready, *, whole: bool) -> None:
        self._recorder = Recorder.of(path, ready)
        self._video = ready.video is not None
        self._rolling = whole
        self._lead: deque[Unit] = deque(maxlen=MAX_LEAD_UNITS)
        self._keyframe_at = -KEYFRAME_EVERY
        """Index of the unit that last had a keyframe, or for which one was asked."""

    def add(self, unit: Unit) -> bool:
        """Takes one unit; True: ask the session for a keyframe."""
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
    def seconds(self) -> float:
        """Length of the recording."""
        return self._recorder.units / 25

    def close(self) -> None:
        """Completes the file; one in which nothing was recorded is removed."""
        self._recorder.close()
        if not self._recorder.units:
            self._recorder.path.unlink()


def _is_keyframe(unit: Unit) -> bool:
    return unit.frame is not None and unit.frame.keyframe
