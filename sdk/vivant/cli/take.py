"""What goes into the recording of an answer: from a moment before the reply, so that the face is seen to think first."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Final

from vivant.events import Ready, Unit
from vivant.recording import Recorder

#: Longest lead-in, in units: 3 s.
MAX_LEAD_UNITS: Final = 75
#: How long to wait for a keyframe before asking again, in units: 1 s.
KEYFRAME_PATIENCE: Final = 25


class Take:
    """Records a session from its last keyframe before the first reply, or, with `whole`, from its first unit."""

    def __init__(self, path: Path, ready: Ready, *, whole: bool) -> None:
        self._recorder = Recorder.of(path, ready)
        self._rolling = whole
        self._lead: deque[Unit] = deque(maxlen=MAX_LEAD_UNITS)
        self._asked_for_keyframe_at: int | None = None

    def add(self, unit: Unit) -> bool:
        """Takes one unit; True: ask the session for a keyframe."""
        if self._rolling:
            self._recorder.write(unit)
        else:
            self._hold(unit)
        if not (self._rolling and self._recorder.needs_keyframe):
            return False
        since = self._asked_for_keyframe_at
        if since is not None and unit.index - since < KEYFRAME_PATIENCE:
            return False
        self._asked_for_keyframe_at = unit.index
        return True

    def _hold(self, unit: Unit) -> None:
        if unit.frame is not None and unit.frame.keyframe:
            self._lead.clear()
        self._lead.append(unit)
        if not unit.turn_id:
            return
        self._rolling = True
        first = self._lead[0].frame
        # A lead-in without the keyframe that it builds on would have no picture: then begin with the reply itself.
        for held in self._lead if first is not None and first.keyframe else [unit]:
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
