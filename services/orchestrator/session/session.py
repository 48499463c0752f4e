"""One conversation: feeds the dialog machine with what happens, and has carried out what it decides.

Everything runs on one event loop and nothing here waits: events are fed to the machine as they come, effects are sends into
bounded queues. The streams to the services and the timer are tasks of one TaskGroup; each client's stream is attended to by the
call that it came with. The conversation lasts until the last client has left.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from pathlib import Path
from typing import Final

from google.protobuf.message import Message

from services.common.metrics import Metrics
from services.orchestrator.dialog import decisions, floor, machine
from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.events import CLOCK_HZ, Contribution, Phase
from services.orchestrator.dialog.state import State
from services.orchestrator.links.clients import Peers
from services.orchestrator.session.abilities import Abilities
from services.orchestrator.session.connections import Connections
from services.orchestrator.session.context import SessionContext
from services.orchestrator.session.opening import Opening, persona_participant
from services.orchestrator.session.parts import compose
from services.orchestrator.session.reception import Reception
from services.orchestrator.session.recorder import Recorder
from services.orchestrator.session.roster import Roster
from services.orchestrator.session.style import style_of
from services.orchestrator.settings import OrchestratorSettings
from services.orchestrator.speaking.backchannels import BackchannelSounds
from vivant.common.v1 import common_pb2
from vivant.errors import Full
from vivant.session.v1 import session_pb2

_WATCH_S: Final = 0.25
_SETTLE_S: Final = 5.0


class Session:
    """One conversation: `run` it as a task; `reception` attends to each client beside it."""

    def __init__(
        self, opening: Opening, peers: Peers, settings: OrchestratorSettings, metrics: Metrics, *, sounds: BackchannelSounds
    ) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.conversation_id = opening.config.conversation_id or uuid.uuid4().hex
        self._opening = opening
        self._settings = settings
        self._metrics = metrics
        self._sounds = sounds
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._started_unix_us = time.time_ns() // 1000
        self._state = State()
        self._style = style_of(opening, settings)
        self._recorder = self._recording(settings.decisions_dir)
        self._timer: asyncio.TimerHandle | None = None
        self._last_event = 0
        self._ready = False
        self._ended = asyncio.Event()
        self._failed: Exception | None = None
        self._tasks: asyncio.TaskGroup
        self._abilities = Abilities(opening.missing, self._notify, self._on_ability)
        self._connections = Connections(self._abilities)
        self._roster = Roster(persona_participant(opening.card), self._introduce, self._merge, self._leave)
        context = SessionContext(self.id, self.now, self._feed, self._send, self._notify)
        parts = compose(
            opening,
            context,
            self._roster,
            peers,
            settings,
            metrics=metrics,
            conversation_id=self.conversation_id,
            abilities=self._abilities,
            unix_us=lambda: self._started_unix_us,
            connect=self._connections.keep_listener,
            whom=self._whom,
            end=self._ended.set,
        )
        self.reception = Reception(
            opening,
            context,
            parts,
            self._roster,
            self._abilities,
            conversation_id=self.conversation_id,
            begin=self._begin,
            ended=self._ended,
        )
        self._microphones, self._stage, self._persona_link = parts.microphones, parts.stage, parts.persona_link
        self._speech_link, self._runner, self._requests = parts.speech_link, parts.runner, parts.requests
        asked = opening.config.participant if opening.config.HasField("participant") else None
        self.owner = self._roster.admit(asked)
        """Who opened it."""

    def _recording(self, folder: Path | None) -> Recorder | None:
        if folder is None:
            return None
        path = folder / f"{self.id}.jsonl"
        return Recorder(path, self._style, lambda: self._metrics.count("vivant_lost_recordings_total"))

    def _whom(self, microphone: str, speaker: str, text: str) -> str:
        """Whom these words are meant for, as far as it can be told before the contribution is complete."""
        return floor.meant(self._state, microphone, Contribution(speaker, text, ended_at=self.now()), self._style)

    def now(self) -> int:
        """The session clock."""
        return round((self._loop.time() - self._began) * CLOCK_HZ)

    def _begin(self) -> int:
        """Both clocks start; returns the wall clock of their first sample, in microseconds since 1970."""
        self._began, self._started_unix_us = self._loop.time(), time.time_ns() // 1000
        self._ready = True
        return self._started_unix_us

    # --- from the first client to the last ----------------------------------------------------------------------------

    async def run(self) -> None:
        """The conversation itself. Ends with its last client; raises what it fails of."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._connections.begin(self._tasks)
                await self._connect()
                self.reception.opened.set()
                learning = self._tasks.create_task(self._learn_backchannels(), name="backchannels")
                watching = self._tasks.create_task(self._watch(), name="watch")
                await self._ended.wait()
                await self._remember()
                self._stage.output.close()
                self._connections.close()
                learning.cancel()
                watching.cancel()
        finally:
            self._ended.set()
            if self._timer:
                self._timer.cancel()
            if self._recorder:
                self._recorder.close()
            if self._speech_link:
                self._speech_link.close()
            await self._stage.leave()
        if self._failed is not None:
            raise self._failed

    async def _connect(self) -> None:
        """Opens every stream."""
        self._connections.keep(self._persona_link.llm, self._persona_link.on_llm, self._persona_link.opened)
        self._connections.keep(self._stage.output.face, self._stage.output.on_face)
        links = [self._persona_link.llm, self._stage.output.face]
        if self._speech_link:
            self._connections.keep(self._speech_link.link, self._speech_link.on_model)
            links.append(self._speech_link.link)
        config = self._opening.config
        if config.HasField("input_audio"):
            self._microphones.allow(self.owner.id, config.input_audio, shared=self._opening.shared_microphone)
            listener = self._microphones.of(self.owner.id, self.owner.id)
            links += [listener.asr, listener.turn]
            if self._speech_link:
                self._speech_link.microphone = self.owner.id
        try:
            async with asyncio.timeout(_SETTLE_S):
                await asyncio.gather(*(link.settled.wait() for link in links))
        except TimeoutError:
            for link in links:
                if not link.settled.is_set():
                    self._abilities.lose(link.ability, None)

    async def _learn_backchannels(self) -> None:
        """Beside all else: a voice that takes its time holds up neither the beginning nor the end of a session."""
        texts = self._opening.manner.backchannels
        if texts:
            self._runner.sounds = await self._sounds.of(self._stage.synthesis, texts)

    async def _remember(self) -> None:
        """What was heard of a reply that the end has cut off is remembered, too."""
        if self._state.phase in (Phase.SPEAKING, Phase.PAUSED):
            heard = self._stage.heard_text(self._stage.reply, interrupted=True)
            self._persona_link.heard(self._state.turn_id, heard, interrupted=True)
        await self._persona_link.leave()

    async def _watch(self) -> None:
        """Notices what does not announce itself: a microphone that went quiet, a session that nobody uses."""
        while True:
            await asyncio.sleep(_WATCH_S)
            self._microphones.end_stalled(self._state.people)
            if self._speech_link:
                self._speech_link.tell_played()
            if self.now() - self._last_event > self._settings.idle_timeout_s * CLOCK_HZ:
                self._fail(Full(f"nobody has said anything for {self._settings.idle_timeout_s:.0f} s", reason="idle"))

    # --- the machine --------------------------------------------------------------------------------------------------

    def _feed(self, event: ev.Event) -> None:
        if self._ended.is_set():
            return
        if not isinstance(event, ev.Ticked):
            self._last_event = event.at
        self._state, effects = machine.step(self._state, event, self._style)
        if effects:
            decisions.log(event, self._state, effects)
        if self._recorder:
            self._recorder.note(event, self._state, effects)
        for effect in effects:
            self._runner.perform(effect)
        self._microphones.read(self._state.people)
        for name, known in self._roster.settle(self._state.participants.names):
            self._roster.same(name, known)
        self._arm()

    def _arm(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        due = machine.deadline(self._state, self._style)
        if due is not None and not self._ended.is_set():
            # One sample late rather than one early: a tick before its time does nothing and would be armed again at once.
            self._timer = self._loop.call_at(self._began + (due + 1) / CLOCK_HZ, self._tick)

    def _tick(self) -> None:
        """What fails in a timer has nobody to fail: the session ends of it."""
        try:
            self._feed(ev.Ticked(self.now()))
        except Exception as exc:  # noqa: BLE001 - `run` raises it
            self._fail(exc)

    # --- the clients --------------------------------------------------------------------------------------------------

    def _send(self, **response: Message) -> None:
        self._stage.output.audience.put(session_pb2.ConverseResponse(**response))  # type: ignore[arg-type]

    def _introduce(self, participant: common_pb2.Participant) -> None:
        self._send(participant=participant)
        self._persona_link.introduce(participant)
        if participant.HasField("name"):
            self._feed(ev.Named(self.now(), participant.id, participant.name))

    def _merge(self, label: str, known: str) -> None:
        self._send(relabel=common_pb2.Relabel(from_id=label, to_id=known))
        self._persona_link.merge(label, known)
        self._feed(ev.Relabelled(self.now(), label, known))

    def _leave(self, participant_id: str) -> None:
        self._send(left=session_pb2.Left(participant_id=participant_id))
        self._feed(ev.Left(self.now(), participant_id))

    def _notify(self, notice: session_pb2.Notice) -> None:
        if self._ready:
            self._metrics.count("vivant_notices_total", notice.reason)
            self._send(notice=notice)

    def _fail(self, error: Exception) -> None:
        self._failed = error
        self._ended.set()

    # --- the services -------------------------------------------------------------------------------------------------

    def _on_ability(self, ability: str, available: bool) -> None:
        self._feed(ev.AbilityChanged(self.now(), ability, available))
        if ability == "face":
            if not available:
                self._stage.output.lose_face(self._tasks)
            elif self._state.phase.quiet:
                self._stage.output.regain_face()
        if self._speech_link and ability == "speech" and not available:
            self._speech_link.lose()
        elsewhere = self._speech_link is not None and self._speech_link.gives(self._state.turn_id)
        if ability == "llm" and not available and not self._state.phase.quiet and not elsewhere:
            # Also while it is spoken: no more text will come, and nothing else would end the reply.
            self._feed(ev.ReplyFailed(self.now(), self._state.turn_id, retryable=False))
