"""What a client asks for, checked and passed on."""

from __future__ import annotations

from typing import Any

from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.events import Contribution
from services.orchestrator.hearing.microphones import Microphones
from services.orchestrator.hearing.utterances import Utterances
from services.orchestrator.session.context import SessionContext
from services.orchestrator.session.effect_runner import EffectRunner
from services.orchestrator.session.opening import Opening
from services.orchestrator.session.roster import Roster, require_addressees, require_name
from services.orchestrator.session.speech_link import SpeechLink
from services.orchestrator.speaking.stage import Stage
from vivant.common.v1 import common_pb2
from vivant.errors import InvalidRequest, Unimplemented
from vivant.session.v1 import session_pb2
from vivant.texts import require_text


class Requests:
    """Takes the requests of all clients of a session."""

    def __init__(
        self,
        opening: Opening,
        context: SessionContext,
        stage: Stage,
        microphones: Microphones,
        runner: EffectRunner,
        *,
        roster: Roster,
        utterances: Utterances,
        speech_link: SpeechLink | None,
    ) -> None:
        self._opening = opening
        self._stage = stage
        self._microphones = microphones
        self._runner = runner
        self._context = context
        self._roster = roster
        self._utterances = utterances
        self._speech_link = speech_link

    def take(self, client: str, kind: str, message: Any) -> None:
        """One request of the client of that participant; raises InvalidRequest, Unimplemented."""
        who = self._who(client, message) if kind in ("audio", "text", "turn_end") else client
        match kind:
            case "audio":
                require_addressees(message.addressee_ids)
                self._microphones.of(who, client).hear(message)
                if self._speech_link is not None:
                    self._speech_link.hear(who, message)
            case "text":
                self._on_text(who, message)
            case "played":
                self._on_played(message)
            case "interrupt":
                self._context.feed(ev.Interrupted(self._context.now()))
            case "keyframe":
                self._stage.output.want_keyframe()
            case "greet":
                self.greet()
            case "turn_end":
                self._end_turn(who)
            case "participant":
                self._introduce(message)
            case "tool_result":
                raise Unimplemented("tools are not built yet: no tool was called", reason="tools_unimplemented")

    def greet(self) -> None:
        """The persona says its greeting, if it has one."""
        if self._opening.card.greeting:
            self._context.feed(ev.Greeted(self._context.now(), self._opening.card.greeting))

    def _who(self, client: str, message: Any) -> str:
        """Who speaks: as the message says, else whoever the client is."""
        if not message.participant_id:
            return client
        require_name("participant_id", message.participant_id)
        return self._roster.admit(common_pb2.Participant(id=message.participant_id)).id

    def _introduce(self, participant: common_pb2.Participant) -> None:
        if not participant.id:
            raise InvalidRequest("participant: an id says who it is", reason="no_participant")
        self._roster.admit(participant)

    def _on_text(self, who: str, message: session_pb2.TextInput) -> None:
        text = require_text(message.text)
        require_addressees(message.addressee_ids)
        told = [self._roster.meet(addressee).id for addressee in message.addressee_ids]
        now = self._context.now()
        transcript = session_pb2.Transcript(
            final=True,
            stable_text=text,
            participant_id=who,
            addressees=[common_pb2.Addressee(participant_id=addressee) for addressee in told],
            start_sample=message.start_sample,
            end_sample=message.start_sample,
            typed=True,
            utterance_id=self._utterances.typed(who, text, now),
        )
        self._context.send(transcript=transcript)
        self._context.feed(ev.TextTyped(now, Contribution(who, text, next(iter(told), ""), typed=True, ended_at=now)))

    def _on_played(self, message: session_pb2.Played) -> None:
        if message.last:
            self._runner.correct(self._stage.truncate(message.unit_index))
        else:
            self._stage.played(message.unit_index)

    def _end_turn(self, who: str) -> None:
        if not self._opening.manual_turns:
            raise InvalidRequest("turn_end is for sessions whose config says TURNS_MANUAL", reason="no_manual_turns")
        if who in self._microphones:
            self._context.feed(ev.TurnEnded(self._context.now(), who))
