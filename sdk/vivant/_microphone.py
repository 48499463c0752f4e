"""Where on the microphone clock each piece of sound belongs. No I/O."""

from __future__ import annotations

#: Somebody who is this far behind the newest sound was silent meanwhile; less is two microphones that are not sent in step.
MAX_LAG_MS = 500


class MicrophoneClock:
    """Gives out start samples, participant by participant.

    Sound of one of them goes on where it ended. Somebody new, or somebody who was silent while others spoke, begins where the
    newest sound ends, so that people can take turns at one microphone and several microphones can run side by side.
    """

    def __init__(self, rate_hz: int) -> None:
        self._max_lag = rate_hz * MAX_LAG_MS // 1000
        self._ends: dict[str, int] = {}

    @property
    def position(self) -> int:
        """End of the newest sound of anyone."""
        return max(self._ends.values(), default=0)

    def end_of(self, participant: str) -> int:
        """Where the sound of this participant ends so far."""
        return self._ends.get(participant, 0)

    def place(self, participant: str, samples: int, at_sample: int | None = None) -> int:
        """Takes the next `samples` of a participant and returns their start; `at_sample` leaves a gap on purpose."""
        if at_sample is None:
            own = self._ends.get(participant)
            newest = self.position
            start = newest if own is None or newest - own > self._max_lag else own
        else:
            start = at_sample
        self._ends[participant] = start + samples
        return start
