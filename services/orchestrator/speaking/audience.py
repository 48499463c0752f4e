"""The clients of a session: all see and hear the same, each at its own pace."""

from __future__ import annotations

from collections.abc import Callable

from services.common.metrics import Metrics
from services.orchestrator.speaking.outbox import Outbox
from vivant.common.v1 import common_pb2
from vivant.errors import Full
from vivant.session.v1 import session_pb2


class Guest:
    """One client: who it is, and the way out to it."""

    def __init__(self, participant: common_pb2.Participant, outbox: Outbox, *, video: bool) -> None:
        self.participant = participant
        self.outbox = outbox
        self.video = video
        """Pictures are sent to it, where there are any."""


class Audience:
    """Those who are there now, in the order in which they came."""

    def __init__(self, metrics: Metrics, on_sent: Callable[[common_pb2.Unit], None], want_keyframe: Callable[[], None]) -> None:
        self._metrics = metrics
        self._on_sent = on_sent
        self._want_keyframe = want_keyframe
        self._guests: list[Guest] = []

    def __len__(self) -> int:
        return len(self._guests)

    def __contains__(self, participant_id: str) -> bool:
        """Somebody is there, with one client or several."""
        return any(guest.participant.id == participant_id for guest in self._guests)

    def enter(self, participant: common_pb2.Participant, ready: session_pb2.Ready, *, video: bool) -> Guest:
        """Somebody comes: `ready` is the first that they are sent, and a whole picture the first that they see."""
        guest = Guest(participant, Outbox(self._metrics, self._on_sent, self._want_keyframe), video=video)
        guest.outbox.put(session_pb2.ConverseResponse(ready=ready))
        self._guests.append(guest)
        self._want_keyframe()
        return guest

    def leave(self, guest: Guest) -> None:
        """Nothing more is sent to it."""
        self._guests.remove(guest)

    def put(self, response: session_pb2.ConverseResponse) -> None:
        """For all of them; one that has stopped reading is closed, with the reason."""
        for guest in self._guests:
            try:
                guest.outbox.put(response)
            except Full as exc:
                guest.outbox.fail(exc)

    def put_unit(self, unit: common_pb2.Unit) -> None:
        """For all of them, as much of it as each can take."""
        for guest in self._guests:
            guest.outbox.put_unit(unit, video=guest.video)

    def clear(self, newest_turn_id: int) -> None:
        """What waits of older turns is not sent to anybody."""
        for guest in self._guests:
            guest.outbox.clear(newest_turn_id)
