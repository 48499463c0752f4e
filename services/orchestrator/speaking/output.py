"""The units' way out: from the metronome, which is the face or who stands in for it, to the clients.

Their sound is the metronome's; here they are counted, told of and passed on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from google.protobuf.message import Message

from services.common.metrics import Metrics
from services.common.metronome import UNIT_MS
from services.orchestrator.dialog import events as ev
from services.orchestrator.links.clients import Peers
from services.orchestrator.links.link import Link
from services.orchestrator.session import notices
from services.orchestrator.session.timeline import Timeline
from services.orchestrator.speaking.audience import Audience
from services.orchestrator.speaking.faceless import Faceless
from services.orchestrator.speaking.manner import Manner
from services.orchestrator.speaking.playout import HeardTracker
from vivant.common.v1 import common_pb2
from vivant.face.v1 import face_pb2
from vivant.session.v1 import session_pb2

_PLAYBACK: Final = {
    face_pb2.PLAYBACK_STATE_STARTED: ev.PlaybackState.STARTED,
    face_pb2.PLAYBACK_STATE_FINISHED: ev.PlaybackState.FINISHED,
}


class Output:
    """One session's."""

    def __init__(
        self,
        manner: Manner,
        peers: Peers,
        metrics: Metrics,
        timeline: Timeline,
        tracker: HeardTracker,
        *,
        now: Callable[[], int],
        feed: Callable[[ev.Event], None],
        send: Callable[..., None],
        notify: Callable[[session_pb2.Notice], None],
        overhear: Callable[[common_pb2.Unit], None],
    ) -> None:
        self._rate_hz = manner.audio.sample_rate_hz
        self._unit_samples = self._rate_hz * UNIT_MS // 1000
        self._timeline = timeline
        self._tracker = tracker
        self._now = now
        self._feed = feed
        self._send = send
        self._notify = notify
        self._overhear = overhear
        self._faceless: Faceless | None = None
        self._pacing: asyncio.Task[None] | None = None
        self._held = 0
        self._units = 0
        self._open = False
        self.newest = 0
        """What belongs to an older turn is stale."""
        self.audience = Audience(metrics, self._on_sent, self.want_keyframe)
        self.face: Link = peers.link("face", manner.animation)

    def raise_curtain(self) -> None:
        """Units go to the client from here on."""
        self._open = True

    @property
    def sample(self) -> int:
        """The position of the output clock."""
        return self._units * self._unit_samples

    @property
    def visible(self) -> bool:
        """There is a face."""
        return self._faceless is None

    # --- what is asked of the metronome -------------------------------------------------------------------------------

    def direct(self, **payload: Message) -> None:
        """One request to whoever makes the units now."""
        if self._faceless is not None:
            self._faceless.send(**payload)
        else:
            self.face.send(**payload)

    def duck(self) -> None:
        """Lowers the voice for a moment."""
        self.direct(duck=face_pb2.Duck())

    def hold(self) -> None:
        """Stops the voice where it is."""
        self._held = self._tracker.reply.turn_id
        self.direct(pause=face_pb2.Pause())

    def release(self) -> None:
        """Goes on at the same sample, as loud as before."""
        self._held = 0
        self.direct(resume=face_pb2.Resume())

    def clear(self, newest_turn_id: int) -> None:
        """What belongs to older turns is over."""
        self._held = 0
        self.newest = newest_turn_id
        self.direct(clear=face_pb2.Clear(newest_turn_id=newest_turn_id))
        self.audience.clear(newest_turn_id)

    def want_keyframe(self) -> None:
        """The client has lost units."""
        self.direct(keyframe=face_pb2.KeyframeRequest())

    # --- with and without a face --------------------------------------------------------------------------------------

    def lose_face(self, tasks: asyncio.TaskGroup) -> None:
        """The face is gone: the voice goes on at the sample that was sent last, or stays held there."""
        if self._faceless is not None:
            return
        self._faceless = faceless = Faceless(self._rate_hz, self._on_output)
        self._pacing = tasks.create_task(faceless.run(), name="faceless")
        reply = self._tracker.reply
        if not reply.turn_id or reply.turn_id < self.newest:
            return
        faceless.take_over(reply.turn_id, reply.sent_samples)
        for speech in reply.rest():
            faceless.send(speech=speech)
        if reply.complete:
            faceless.send(speech_end=face_pb2.SpeechEnd(turn_id=reply.turn_id))
        if self._held == reply.turn_id:
            faceless.send(pause=face_pb2.Pause())

    def regain_face(self) -> None:
        """Hands the output back to the face, if it is there. Only between replies: a new face knows nothing of this one."""
        if self._faceless is not None and self.face.up:
            self.close()

    def close(self) -> None:
        """No more units of its own."""
        if self._pacing:
            self._pacing.cancel()
        self._faceless = self._pacing = None

    # --- the units ----------------------------------------------------------------------------------------------------

    def on_face(self, kind: str, message: Any) -> None:
        """A response of the face."""
        if kind == "trouble":
            self._notify(notices.lips_rest(message))
        elif self._faceless is None:
            self._on_output(kind, message)

    def _on_output(self, kind: str, message: Any) -> None:
        if kind == "playback":
            if message.state in _PLAYBACK:
                self._feed(ev.PlaybackChanged(self._now(), message.turn_id, _PLAYBACK[message.state]))
            return
        if self._open:
            self._pass_on(message)

    def _pass_on(self, unit: common_pb2.Unit) -> None:
        unit.index = self._units
        unit.start_sample = self.sample
        self._units += 1
        first = unit.turn_id > 0 and self._timeline.mark(unit.turn_id, "first_unit", self._now())
        self._overhear(unit)
        self.audience.put_unit(unit)
        if first:
            self._send(metrics=self._timeline.report(unit.turn_id))

    def _on_sent(self, unit: common_pb2.Unit) -> None:
        if unit.turn_id:
            self._tracker.sent(unit)
