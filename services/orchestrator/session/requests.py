"""What the client asks for, checked and passed on."""

from __future__ import annotations

from typing import Any

from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.events import Contribution
from services.orchestrator.hearing.microphones import Microphones
from services.orchestrator.session.context import SessionContext
from services.orchestrator.session.effect_runner import EffectRunner
from services.orchestrator.session.opening import Opening, require_name
from services.orchestrator.speaking.stage import Stage
from vivant.errors import InvalidRequest
from vivant.session.v1 import session_pb2
from vivant.texts import require_text


class Requests:
    """Takes the requests of one client."""

    def __init__(
        self,
        opening: Opening,
        context: SessionContext,
        stage: Stage,
        microphones: Microphones,
        runner: EffectRunner,
    ) -> None:
        self._opening = opening
        self._stage = stage
        self._microphones = microphones
        self._runner = runner
        self._context = context

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
                self._context.feed(ev.Interrupted(self._context.now()))
            case "keyframe":
                self._stage.output.want_keyframe()
            case "greet":
                self.greet()
            case "turn_end":
                require_name("speaker", message.speaker)
                self._end_turn(message.speaker or self._opening.speaker)

    def greet(self) -> None:
        """The persona says its greeting, if it has one."""
        if self._opening.persona.greeting:
            self._context.feed(ev.Greeted(self._context.now(), self._opening.persona.greeting))

    def _on_text(self, message: session_pb2.TextInput) -> None:
        text = require_text(message.text)
        now = self._context.now()
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
        self._context.send(transcript=transcript)
        self._context.feed(ev.TextTyped(now, Contribution(speaker, text, message.addressee, typed=True, ended_at=now)))

    def _on_played(self, message: session_pb2.Played) -> None:
        if message.last:
            self._runner.correct(self._stage.truncate(message.unit_index))
        else:
            self._stage.played(message.unit_index)

    def _end_turn(self, speaker: str) -> None:
        if not self._opening.manual_turns:
            raise InvalidRequest("turn_end is for sessions whose config says TURNS_MANUAL", reason="no_manual_turns")
        if speaker in self._microphones:
            self._context.feed(ev.TurnEnded(self._context.now(), speaker))
