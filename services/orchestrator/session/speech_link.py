"""A session and a speech model: the model hears what the owner says and proposes what to say; the dialog machine decides.

What it says is kept back until a turn is committed, and then performed as the reply of that turn. A model that has not begun by
then is asked. When it says nothing, fails or is lost, `instead` gives the reply: the llm and the voice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from services.common.audio import pcm_format
from services.common.logs import get_logger
from services.common.metrics import Metrics
from services.orchestrator.dialog.events import CLOCK_HZ, Contribution, ms
from services.orchestrator.links.clients import Peers
from services.orchestrator.links.link import Link
from services.orchestrator.session import notices
from services.orchestrator.session.abilities import Abilities
from services.orchestrator.session.context import SessionContext
from services.orchestrator.session.model_answer import ModelAnswer
from services.orchestrator.session.model_notes import ModelNotes
from services.orchestrator.session.opening import Opening
from services.orchestrator.session.proposals import Proposal, Proposals
from services.orchestrator.session.timeline import Timeline
from services.orchestrator.speaking.spread import LETTER_S, Spread
from services.orchestrator.speaking.stage import Stage
from vivant.common.v1 import common_pb2
from vivant.session.v1 import session_pb2
from vivant.speech.v1 import speech_pb2

_log = get_logger(__name__)

#: Who takes the floor smoothly begins a moment before the other has ended; what was begun earlier answers something else.
_EARLY: Final = ms(500)
#: A model that is faster than speech says most replies whole within this before a turn is over (1.4 MB at 24 kHz).
_MOST_HELD_S: Final = 30
#: The llm tells what comes to mind within some 20 ms; a model is not kept waiting for it so long that somebody notices.
_RECALL_PATIENCE_S: Final = 0.3


class SpeechLink:
    """`instead` is told the turn that somebody else has to answer after all."""

    def __init__(
        self,
        opening: Opening,
        peers: Peers,
        context: SessionContext,
        *,
        stage: Stage,
        timeline: Timeline,
        metrics: Metrics,
        abilities: Abilities,
        conversation_id: str,
        timeout_s: float,
        instead: Callable[[int], None],
    ) -> None:
        self._opening = opening
        self._peers = peers
        self._context = context
        self._stage = stage
        self._timeline = timeline
        self._metrics = metrics
        self._abilities = abilities
        self._conversation_id = conversation_id
        self._timeout_s = timeout_s
        self._instead = instead
        self._rate_hz = opening.output_audio.sample_rate_hz
        self.microphone = ""
        """Whose it is that the model hears; empty: nobody's."""
        self.link: Link = peers.link("speech", self._config)
        self._letter_s = LETTER_S
        self._answer: ModelAnswer | None = None
        self._asking: asyncio.TimerHandle | None = None
        """It will be asked then, if what the words bring to mind is not known before."""
        self._played: speech_pb2.Played | None = None
        self._given = 0
        """The last turn that the model has answered."""
        self._silent = False
        """It was asked and has said nothing; what it says next shows that it is back."""
        self._proposals, self._notes = Proposals(), ModelNotes()
        self._base: int | None = None
        """Where its clock begins on that of the microphone."""

    # --- what it is told ----------------------------------------------------------------------------------------------

    @property
    def able(self) -> bool:
        """It gives the replies now."""
        return self.link.up and not self._silent

    def gives(self, turn_id: int) -> bool:
        """The reply of this turn is its own."""
        return self._answer is not None and self._answer.turn_id == turn_id

    def hear(self, who: str, chunk: session_pb2.AudioChunk) -> None:
        """Sound of somebody's microphone, checked; that of the owner is passed on, its silence too."""
        if who != self.microphone or not self.link.up:
            return
        if self._base is None:
            self._base = chunk.start_sample
        speaker = None if self._opening.shared_microphone else who
        start = chunk.start_sample - self._base
        self.link.send(audio=speech_pb2.Audio(pcm=chunk.pcm, start_sample=start, participant_id=speaker))

    def know(self, words: str, text: str) -> None:
        """What `words` bring to mind."""
        answer = self._answer
        awaited = answer is not None and words == answer.said.text
        if note := self._notes.tell(words, text, at_once=awaited):
            self.link.send(context=speech_pb2.Context(text=note))
        if awaited and answer is not None and self._asking is not None:
            self._ask(answer)

    def note(self, utterance: common_pb2.Utterance, said: Contribution, *, answered: bool) -> None:
        """What somebody has said, as the recognition has it; what the model would say to what needs no answer is dropped."""
        if not answered and self._answer is None:
            self._dismiss()
        if self._hears(said) or not answered:
            self.link.send(utterance=utterance)

    def heard(self, turn_id: int, utterance: common_pb2.Utterance) -> None:
        """What was heard of a reply, which is over; the model knows its own, and that this one was heard to its end."""
        if self.gives(turn_id):
            self._leave(whole=True)
        elif turn_id != self._given and utterance.text:
            self.link.send(utterance=utterance)

    def tell_played(self, *, whole: bool = False) -> None:
        """How much of its reply has been heard by now, or all of it."""
        played = self._answer.played(whole=whole) if self._answer else None
        if played is not None and played != self._played:
            self._played = played
            self.link.send(played=played)

    # --- what is asked of it ------------------------------------------------------------------------------------------

    def answer(self, turn_id: int, said: Contribution) -> bool:
        """Has it give the reply of a turn; False: it cannot, somebody else must."""
        newest = self._proposals.newest
        begun = self._hears(said) and newest is not None and not newest.wanted and newest.began_at >= said.ended_at - _EARLY
        if not begun:
            self._dismiss()
        if not self.able:
            if self.link.up and not begun:
                # Nobody waits for it; that it says something shows that it can again.
                self._respond(said)
            return False
        self._answer = answer = ModelAnswer(
            turn_id,
            said,
            self._context,
            self._stage,
            Spread(self._rate_hz, self._letter_s),
            rate_hz=self._rate_hz,
            on_silent=self._give_up,
            on_endless=self._cut_short,
        )
        answer.wait(self._timeout_s, self._give_up, f"nothing was heard for {self._timeout_s:g} s")
        if newest is not None and begun:
            self._timeline.mark(turn_id, "speech_proposed", newest.began_at)
            # What it makes the machine do comes after what the machine is doing now.
            asyncio.get_running_loop().call_soon(self._take, answer, newest)
        elif self._notes.known == said.text or "llm" in self._abilities.lost:
            self._respond(said)
        else:
            self._asking = answer.wait(_RECALL_PATIENCE_S, self._ask, answer)
        return True

    def end(self, newest_turn_id: int) -> None:
        """Nothing of older turns is wanted any more."""
        if self._answer is not None and self._answer.turn_id < newest_turn_id:
            self._leave()
            self._dismiss()

    def lose(self) -> None:
        """The stream is gone: what was said stands, and what was not is said by others."""
        answer = self._answer
        # Of another stream turns, samples and notes begin again.
        self._proposals, self._notes, self._base = Proposals(), ModelNotes(), None
        self._silent = False
        if answer is None:
            return
        answer.model = None
        if answer.over:
            return
        if answer.sounding:
            answer.break_off()
        else:
            self._forget()
            self._instead(answer.turn_id)

    def close(self) -> None:
        """The session is over."""
        self._forget()

    def _hears(self, said: Contribution) -> bool:
        """The model has heard it itself."""
        return not said.typed and said.came_from == self.microphone

    def _ask(self, answer: ModelAnswer) -> None:
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None
        if answer.model is None:
            self._respond(answer.said)

    def _respond(self, said: Contribution) -> None:
        self.link.send(respond=speech_pb2.Respond(text=None if self._hears(said) else said.text))

    def _dismiss(self) -> None:
        """Nothing of what it has begun until now is wanted."""
        if self._proposals.dismiss():
            self.link.send(clear=speech_pb2.Clear(newest_turn_id=self._proposals.next_turn_id))

    def _leave(self, *, whole: bool = False) -> None:
        """The reply that it has given, or was to give, is over."""
        if self._answer is not None and self._answer.sounding:
            self._given = self._answer.turn_id
            self.tell_played(whole=whole)
        self._forget()

    def _forget(self) -> None:
        if self._answer is not None:
            self._answer.stop_waiting()
            self._letter_s = self._answer.letter_s
        self._answer = self._asking = self._played = None

    def _cut_short(self) -> None:
        _log.warning("speech_too_long", turn_id=self._given)
        self._dismiss()

    def _give_up(self, why: str) -> None:
        """It says nothing: the llm and the voice do, until it does again."""
        answer = self._answer
        if answer is None or answer.sounding:
            return
        self._forget()
        self._dismiss()
        if not self._silent:
            self._silent = True
            self._context.notify(notices.silent(why))
        self._instead(answer.turn_id)

    # --- what it says -------------------------------------------------------------------------------------------------

    def on_model(self, kind: str, message: Any) -> None:
        """A response of the model."""
        if kind == "floor":
            action = speech_pb2.FloorAction.Name(message.action).removeprefix("FLOOR_ACTION_").lower()
            _log.info("speech_proposes", model_turn=message.turn_id, action=action, probability=round(message.probability, 2))
            if message.action != speech_pb2.FLOOR_ACTION_TAKE:
                return
        before = self._proposals.newest
        proposal = self._proposals.of(message.turn_id, self._context.now())
        if proposal is None:
            if kind in ("text", "speech"):
                self._metrics.count("vivant_stale_output_total", "speech")
            return
        if proposal is not before:
            self._on_begun(proposal)
        if kind == "floor":
            return
        if kind == "speech" and self._silent:
            self._silent = False
            self._context.notify(notices.back("speech"))
        proposal.put(kind, message)
        if not proposal.wanted and proposal.samples > _MOST_HELD_S * self._rate_hz:
            _log.info("speech_overrun", model_turn=proposal.turn_id)
            self._metrics.count("vivant_stale_output_total", "speech")
            self._dismiss()

    def _on_begun(self, proposal: Proposal) -> None:
        answer = self._answer
        if answer is not None and answer.model is None and not answer.over:
            self._take(answer, proposal)
        elif answer is not None and answer.sounding and not answer.over:
            # It has gone on to another without ending this one.
            answer.end()

    def _take(self, answer: ModelAnswer, proposal: Proposal) -> None:
        if self._answer is answer and answer.model is None and not answer.over:
            answer.take(proposal)

    async def _config(self) -> speech_pb2.ConverseConfig:
        """Who it is to be, and what was said before: as the llm has it at this moment. Raises VivantError."""
        opening = self._opening
        brief = await self._peers.brief(opening.card.id, self._conversation_id)
        has_microphone = opening.config.HasField("input_audio")
        return speech_pb2.ConverseConfig(
            persona=opening.persona,
            instructions=brief.instructions,
            history=brief.history,
            language=opening.language or None,
            input_audio=opening.config.input_audio if has_microphone else pcm_format(opening.speech_input_hz or CLOCK_HZ),
            output_audio=opening.output_audio,
            session_id=self._context.session_id,
        )
