"""The metronome of a session that has lost its face: the voice goes on, in units without frames.

Speaks the face's contract, with the same playout as the face, so that neither the session nor who listens need care which of
the two it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from google.protobuf.message import Message

from services.common.audio import to_float, to_pcm
from services.common.metronome import UNIT_S, Metronome
from services.common.playout.emission import Playback, State
from services.common.playout.playout import Playout
from vivant.common.v1 import common_pb2
from vivant.face.v1 import face_pb2

_STATES: Final = {state: face_pb2.PlaybackState.Value(f"PLAYBACK_STATE_{state.name}") for state in State}


class Faceless:
    """Plays out the replies of one session. What it answers comes with the beat, never while it is asked for something."""

    def __init__(self, rate_hz: int, on_response: Callable[[str, Any], None]) -> None:
        # The reply in hand is kept whole anyway, for whoever goes on with it.
        self._playout = Playout(rate_hz, hold_s=math.inf)
        self._on_response = on_response
        self._reports: list[Playback] = []

    def take_over(self, turn_id: int, position: int) -> None:
        """The face is gone and has said a reply up to `position`: its speech is sent from there on."""
        self._playout.take_over(turn_id, position)

    def send(self, **payload: Message) -> None:
        """One request of the face's contract; what only concerns the picture is ignored."""
        for kind, message in payload.items():
            self._apply(kind, message)

    async def run(self) -> None:
        """A unit every 40 ms until cancelled."""
        metronome = Metronome(UNIT_S)
        while True:
            await metronome.tick()
            self.beat()

    def beat(self) -> None:
        """The next unit."""
        emission = self._playout.emit()
        self._report([*self._reports, *emission.before])
        self._reports.clear()
        unit = common_pb2.Unit(
            index=emission.index,
            pcm=to_pcm(emission.pcm),
            turn_id=emission.turn_id,
            turn_sample=emission.turn_sample,
            ducked=emission.ducked,
            ending=to_pcm(emission.ending),
            fading_turn_id=emission.fading,
        )
        self._on_response("unit", unit)
        self._report(emission.after)

    def _apply(self, kind: str, message: Any) -> None:
        playout = self._playout
        events: Sequence[Playback] | None = None
        match kind:
            case "speech":
                events = playout.push(message.turn_id, to_float(message.pcm), message.start_sample)
            case "speech_end":
                events = playout.end(message.turn_id)
            case "aside":
                playout.aside(to_float(message.pcm))
            case "duck":
                playout.duck()
            case "pause":
                events = playout.pause()
            case "resume":
                events = playout.resume()
            case "clear":
                events = playout.clear(message.newest_turn_id)
        self._reports += events or ()

    def _report(self, events: Sequence[Playback]) -> None:
        for event in events:
            playback = face_pb2.Playback(
                turn_id=event.turn_id,
                state=_STATES[event.state],
                position_samples=event.position,
                unit_index=event.unit_index,
            )
            self._on_response("playback", playback)
