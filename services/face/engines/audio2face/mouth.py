"""The mouth of one face: the sound of each reply goes to the server as soon as it is known, its weights come back.

Invariant: a picture shows the weights of its own moment of the voice, or lips at rest. It never waits longer than it was told,
and nothing else shapes the mouth where the server does not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.common.logs import get_logger
from services.face.engine import Slot
from services.face.engines.audio2face.shapes import shape
from services.face.engines.audio2face.stretch import Server, Stretch
from services.face.engines.portrait.motion import Handover
from services.face.engines.portrait.speech import HANDOVER_S, LEAD_S
from services.face.engines.portrait.visemes import SHAPE
from vivant.errors import VivantError

_log = get_logger(__name__)


class DrivenMouth:
    """See `services.face.engines.portrait.actor.Articulation`."""

    def __init__(self, server: Server, patience_s: float) -> None:
        """A picture waits for its weights for `patience_s` at most."""
        self._server = server
        self._patience_s = patience_s
        self._handover = Handover(SHAPE, HANDOVER_S)
        self._turn_id = 0
        self._stretches: list[Stretch] = []
        """Of this reply, from the one that is heard now; each begins where the one before ends."""
        self._running: list[Stretch] = []
        """Those of all replies that the server has not answered to the end."""
        self._sent = False
        """This reply is with the server to its end."""
        self._failed = False
        """The server has failed in this reply: its lips rest."""
        self._told = ""
        """The reason that was told last, unless it has worked since."""
        self._troubles: list[VivantError] = []
        self._moved = False

    def step(self, slot: Slot, dt: float) -> NDArray[np.float64]:
        """The mouth [SHAPE] for `slot`; closed when nothing is said, also while the voice is held."""
        speaking = slot.turn_id != 0 and not slot.paused
        given = self._weights(slot) if speaking else None
        self._look_for_failures()
        changed, self._moved = (given is not None) != self._moved, given is not None
        return np.asarray(self._handover.step(np.zeros(SHAPE) if given is None else shape(given), changed, dt))

    def troubles(self) -> Sequence[VivantError]:
        """See `services.face.engine.Troubled`."""
        found, self._troubles = self._troubles, []
        return found

    def close(self) -> None:
        """Gives up what is under way."""
        for stretch in self._running:
            stretch.cancel()

    def _weights(self, slot: Slot) -> NDArray[np.float32] | None:
        if slot.turn_id != self._turn_id:
            self._leave()
            self._turn_id, self._sent, self._failed = slot.turn_id, False, False
        if self._failed:
            return None
        if not self._sent:
            self._hear(slot)
        position = slot.turn_sample + round(LEAD_S * slot.sample_rate_hz)
        now = next((stretch for stretch in reversed(self._stretches) if stretch.begin <= position), self._stretches[0])
        return now.weights(position, self._patience_s)

    def _leave(self) -> None:
        """Another reply begins: of the one before, what was not said to its end is not wanted any more."""
        for stretch in self._stretches:
            if not stretch.ended:
                stretch.cancel()
        self._stretches = []

    def _hear(self, slot: Slot) -> None:
        """Sends what is new of the voice."""
        sound = np.concatenate([slot.pcm, slot.ahead])
        # None is left where a reply begins, or where pictures were left out for so long that sound is missing.
        self._stretches = [each for each in self._stretches if each.until >= slot.turn_sample]
        newest = self._stretches[-1] if self._stretches else self._begin(slot.turn_sample, slot.sample_rate_hz)
        fresh = sound[newest.until - slot.turn_sample :]
        if len(fresh) and not newest.push(fresh):
            newest.end()
            newest = self._begin(newest.until, slot.sample_rate_hz)
            newest.push(fresh)
        if slot.ends:
            newest.end()
            self._sent = True

    def _begin(self, position: int, rate_hz: int) -> Stretch:
        begun = Stretch(self._server, position, rate_hz)
        self._running.append(begun)
        self._stretches.append(begun)
        return begun

    def _look_for_failures(self) -> None:
        for stretch in [each for each in self._running if each.over]:
            self._running.remove(stretch)
            if stretch.well():
                self._told = ""
            elif stretch.error is not None:
                self._failed = self._failed or stretch in self._stretches
                self._tell(stretch.error)

    def _tell(self, error: VivantError) -> None:
        if error.reason != self._told:
            self._told = error.reason
            self._troubles.append(error)
            _log.warning("lips_rest", reason=error.reason, detail=error.message)
