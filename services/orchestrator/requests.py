"""What the client asks for, checked and passed on."""

from __future__ import annotations

from typing import Any

from services.orchestrator import events as ev
from services.orchestrator.events import Contribution
from services.orchestrator.microphones import Microphones
from services.orchestrator.opening import Opening, require_name
from services.orchestrator.performer import Performer
from services.orchestrator.stage import Stage
from services.orchestrator.wires import Wires
from vivant.errors import InvalidRequest
from vivant.session.v1 import session_pb2
from vivant.texts import require_text


class Requests:
    """Takes the requests of one client."""

    def __init__(
        self,
        opening: Opening,
        wires: Wires,
        stage: Stage,
        microphones: Microphones,
        performer: Performer,
    ) -> None:
        self._opening = opening
        self._stage = stage
        self._microphones = microphones
        self._performer = performer
        self._wires = wires

    def take(self, kind: str, message: Any) -> None:
        """One request; raises InvalidRequest."""
        if kind in ("audio", "text"):
            require_name("speaker", message.speaker)
            require_name("addressee", message.addressee)
        match kind:
            case "audio":
                self._microphones.of(message.speaker or self._opening.speaker).hear(message)
            case "text":
                self._on_text(message)
            case "played":
                self._on_played(message)
            case "interrupt":
                self._wires.feed(ev.Interrupted(self._wires.now()))
            case "keyframe":
                self._stage.want_keyframe()
            case "greet":
                self.greet()
            case "turn_end":
                require_name("speaker", message.speaker)
                self._end_turn(message.speaker or self._opening.speaker)

    def greet(self) -> None:
        """The persona says its greeting, if it has one."""
        if self._opening.persona.greeting:
            self._wires.feed(ev.Greeted(self._wires.now(), self._opening.persona.greeting))

    def _on_text(self, message: session_pb2.TextInput) -> None:
        text = require_text(message.text)
        now = self._wires.now()
        speaker = message.speaker or self._opening.speaker
        transcript = session_pb2.Transcript(
            final=True,
            stable_text=text,
            speaker=speaker,
            addressee=message.addressee,
            start_sample=message.start_sample,
            end_sample=message.start_sample,
            typed=True,
        )
        self._wires.send(transcript=transcript)
        self._wires.feed(ev.TextTyped(now, Contribution(speaker, text, message.addressee, typed=True, ended_at=now)))

    def _on_played(self, message: session_pb2.Played) -> None:
        if message.last:
            self._performer.correct(self._stage.truncate(message.unit_index))
        else:
            self._stage.played(message.unit_index)

    def _end_turn(self, speaker: str) -> None:
        if not self._opening.manual_turns:
            raise InvalidRequest("turn_end is for sessions whose config says TURNS_MANUAL", reason="no_manual_turns")
        if speaker in self._microphones:
            self._wires.feed(ev.TurnEnded(self._wires.now(), speaker))
