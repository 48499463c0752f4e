"""Carries out what the dialog machine decides: each effect is a word to the llm, the stage, a microphone or the client."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from services.common.metrics import Metrics
from services.orchestrator.dialog import effects as fx
from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.events import CLOCK_HZ, Contribution, Phase
from services.orchestrator.hearing.microphones import Microphones
from services.orchestrator.hearing.utterances import Utterances
from services.orchestrator.session import notices
from services.orchestrator.session.context import SessionContext
from services.orchestrator.session.opening import Opening
from services.orchestrator.session.persona_link import PersonaLink
from services.orchestrator.session.speech_link import SpeechLink
from services.orchestrator.session.timeline import Timeline
from services.orchestrator.speaking.backchannels import BackchannelSound
from services.orchestrator.speaking.playout import Reply
from services.orchestrator.speaking.stage import Stage
from vivant.common.v1 import common_pb2
from vivant.face.v1 import face_pb2
from vivant.session.v1 import session_pb2

_APOLOGY: Final = "I'm sorry, I lost my train of thought. Could you ask me that again?"

_STATES: Final = {
    Phase.LISTENING: session_pb2.STATE_LISTENING,
    Phase.THINKING: session_pb2.STATE_THINKING,
    Phase.SPEAKING: session_pb2.STATE_SPEAKING,
    Phase.PAUSED: session_pb2.STATE_PAUSED,
    Phase.SILENT: session_pb2.STATE_SILENT,
}
_LOOKS: Final = {Phase.THINKING: face_pb2.LOOK_THINKING, Phase.SILENT: face_pb2.LOOK_IDLE}


class EffectRunner:
    """Nothing here waits."""

    def __init__(
        self,
        opening: Opening,
        context: SessionContext,
        persona_link: PersonaLink,
        stage: Stage,
        microphones: Microphones,
        *,
        speech_link: SpeechLink | None,
        utterances: Utterances,
        timeline: Timeline,
        metrics: Metrics,
        end: Callable[[], None],
    ) -> None:
        self._manner = opening.manner
        self._input_hz = opening.config.input_audio.sample_rate_hz or CLOCK_HZ
        self._persona = opening.card.id
        self._persona_link = persona_link
        self._speech_link = speech_link
        self._stage = stage
        self._microphones = microphones
        self._utterances = utterances
        self._timeline = timeline
        self._metrics = metrics
        self._context = context
        self._end = end
        self._fillers = 0
        self._lines = 0
        self._next_sound = 0
        self.sounds: tuple[BackchannelSound, ...] = ()
        """Backchannels in the persona's voice, once they are prepared."""
        self._closed: deque[int] = deque(maxlen=2)

    def perform(self, effect: fx.Effect) -> None:
        """Carries out one effect."""
        match effect:
            case fx.Flush(speaker, flush_id):
                self._microphones.flush(speaker, flush_id)
            case fx.Prefill() | fx.Prepare() | fx.Commit() | fx.Note() | fx.Cancel():
                self._think(effect)
            case fx.CloseTurn(turn_id, interrupted):
                self._close_turn(turn_id, interrupted)
            case fx.Show(phase, turn_id):
                self._show(phase, turn_id)
            case fx.Notify(reason):
                self._context.notify(notices.event(reason))
            case fx.DropStale(_, where):
                self._metrics.count("vivant_stale_output_total", where)
            case fx.End():
                self._end()
            case _:
                self._act(effect)

    def correct(self, reply: Reply | None) -> None:
        """Of this reply less was heard than was thought; one that is not over is told of when it is."""
        if reply is not None and reply.turn_id in self._closed:
            self._tell_heard(reply, interrupted=True)

    def _think(self, effect: fx.Effect) -> None:
        match effect:
            case fx.Prefill(turn_id, speaker, text, draft, other):
                model = self._model_answers
                # Where a speech model answers, a draft is for finding out who is meant.
                draft = draft and (not model or bool(other))
                if draft and not model:
                    self._timeline.drafted(speaker, text, self._context.now())
                self._persona_link.think_along(turn_id, speaker, text, draft=draft, other=other, recall=model)
            case fx.Prepare(turn_id, text):
                if not self._model_answers:
                    self._stage.prepare(turn_id, text)
            case fx.Commit(turn_id, contribution):
                self._commit(turn_id, contribution)
            case fx.Note(contribution):
                utterance = self._persona_link.note(contribution)
                if self._speech_link is not None:
                    self._speech_link.note(utterance, contribution, answered=False)
            case fx.Cancel(turn_id):
                self._persona_link.cancel(turn_id)
                if self._speech_link is not None:
                    self._speech_link.end(turn_id + 1)

    @property
    def _model_answers(self) -> bool:
        """Replies come from a speech model."""
        return self._speech_link is not None and self._speech_link.able

    def _act(self, effect: fx.Effect) -> None:
        match effect:
            case fx.Say(turn_id, text):
                self._stage.say(turn_id, text)
            case fx.Apologise(turn_id):
                apologies = self._manner.apologies or [_APOLOGY]
                self._stage.say(turn_id, apologies[turn_id % len(apologies)])
            case fx.Fill(turn_id):
                self._fill(turn_id)
            case fx.SayLine(turn_id, line):
                self._say_line(turn_id, line)
            case fx.Backchannel(nod, voice):
                self._backchannel(nod, voice)
            case fx.SayEnd(turn_id):
                self._stage.say_end(turn_id)
            case fx.Duck():
                self._stage.output.duck()
            case fx.Hold():
                self._stage.output.hold()
                self._measure_interruption("held")
            case fx.Release():
                # It has the floor again: whoever made the sound has said nothing that goes on.
                self._microphones.taken()
                self._stage.output.release()
            case fx.Silence(_, newest_turn_id):
                if self._speech_link is not None:
                    self._speech_link.end(newest_turn_id)
                self._stage.silence(newest_turn_id)
                self._measure_interruption("stopped")

    def _commit(self, turn_id: int, contribution: Contribution) -> None:
        self._microphones.taken()
        self._stage.begin(turn_id, [spoken.id for spoken in self._utterances.of(contribution)])
        self._timeline.begin(turn_id, contribution)
        self._timeline.mark(turn_id, "end_of_turn", self._context.now())
        if self._speech_link is None:
            self._persona_link.reply_to(turn_id, contribution)
            return
        model = self._speech_link.answer(turn_id, contribution)
        utterance = (self._persona_link.keep if model else self._persona_link.reply_to)(turn_id, contribution)
        self._speech_link.note(utterance, contribution, answered=True)

    def _fill(self, turn_id: int) -> None:
        self._timeline.mark(turn_id, "filler", self._context.now())
        fillers = self._manner.fillers
        self._stage.say(turn_id, f"{fillers[self._fillers % len(fillers)]} ")
        self._fillers += 1

    def _say_line(self, turn_id: int, line: ev.Line) -> None:
        lines = self._manner.waits if line is ev.Line.WAIT else self._manner.prompts
        self._stage.say(turn_id, lines[self._lines % len(lines)])
        self._lines += 1

    def _backchannel(self, nod: bool, voice: bool) -> None:
        sound = self.sounds[self._next_sound % len(self.sounds)] if voice and self.sounds else None
        nod = nod and self._stage.nod()
        if sound is not None:
            self._next_sound += 1
            self._stage.output.direct(aside=sound.aside)
        if nod or sound is not None:
            self._context.send(backchannel=session_pb2.Backchannel(text=sound.text if sound else None, nod=nod))

    def _close_turn(self, turn_id: int, interrupted: bool) -> None:
        reply = self._stage.reply
        if reply.turn_id == turn_id:
            self._closed.append(turn_id)
            self._tell_heard(reply, interrupted=interrupted or reply.cut_at is not None)

    def _tell_heard(self, reply: Reply, *, interrupted: bool) -> None:
        """What was heard of a reply is remembered, here and by the persona; and the client is told."""
        turn_id, heard = reply.turn_id, self._stage.heard_text(reply, interrupted=interrupted)
        self._persona_link.heard(turn_id, heard, interrupted=interrupted)
        utterance_id = self._utterances.of_reply(turn_id)
        if self._speech_link is not None:
            said = common_pb2.Utterance(id=utterance_id, participant_id=self._persona, text=heard)
            self._speech_link.heard(turn_id, said)
        turn = session_pb2.Turn(
            turn_id=turn_id,
            heard_text=heard,
            full_text=reply.text.strip(),
            interrupted=interrupted,
            passages=reply.sources,
            utterance_id=utterance_id,
            answers_utterance_ids=reply.answers,
        )
        self._context.send(turn=turn)

    def _show(self, phase: Phase, turn_id: int) -> None:
        change = session_pb2.StateChange(
            state=_STATES[phase],
            turn_id=turn_id,
            input_sample=self._context.now() * self._input_hz // CLOCK_HZ,
            output_sample=self._stage.output.sample,
        )
        self._context.send(state=change)
        self._stage.output.direct(look=face_pb2.LookChange(look=_LOOKS.get(phase, face_pb2.LOOK_LISTENING)))
        if phase is Phase.LISTENING:
            self._stage.output.regain_face()

    def _measure_interruption(self, stage: str) -> None:
        started = self._microphones.speech_started_at
        if started:
            self._metrics.observe("vivant_interruption_seconds", (self._context.now() - started) / CLOCK_HZ, stage)
