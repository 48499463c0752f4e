"""One conversation: feeds the dialog machine with what happens, and has carried out what it decides.

Everything runs on one event loop and nothing here waits: events are fed to the machine as they come, effects are sends into
bounded queues. The streams to the services, the way out to the client and the timer are tasks of one TaskGroup.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from google.protobuf.message import Message

from services.common.metrics import Metrics
from services.orchestrator.dialog import decisions, floor, machine
from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.events import CLOCK_HZ, Contribution, Phase
from services.orchestrator.dialog.state import Rules, State, Style
from services.orchestrator.hearing.microphones import Microphones
from services.orchestrator.links.clients import Peers
from services.orchestrator.session.abilities import Abilities
from services.orchestrator.session.connections import Connections
from services.orchestrator.session.context import SessionContext
from services.orchestrator.session.effect_runner import EffectRunner
from services.orchestrator.session.opening import Opening, persona_card
from services.orchestrator.session.persona_link import PersonaLink
from services.orchestrator.session.recollection import Conversations
from services.orchestrator.session.recorder import Recorder
from services.orchestrator.session.requests import Requests
from services.orchestrator.session.timeline import Timeline
from services.orchestrator.settings import OrchestratorSettings
from services.orchestrator.speaking.backchannels import BackchannelSounds
from services.orchestrator.speaking.manner import Manner
from services.orchestrator.speaking.outbox import Write
from services.orchestrator.speaking.stage import Stage
from vivant.common.v1 import common_pb2
from vivant.errors import Full
from vivant.session.v1 import session_pb2

_WATCH_S: Final = 0.25
_SETTLE_S: Final = 5.0
_BACKCHANNEL_EVERY_MS: Final = 8_000
_LEAST_PATIENCE: Final = 0.5
_MOST_PATIENCE: Final = 3.0


class Session:
    """One conversation from `ready` to its end."""

    def __init__(
        self,
        opening: Opening,
        peers: Peers,
        settings: OrchestratorSettings,
        metrics: Metrics,
        conversations: Conversations,
        *,
        sounds: BackchannelSounds,
    ) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.conversation_id = opening.config.conversation_id or uuid.uuid4().hex
        self._opening = opening
        self._settings = settings
        self._metrics = metrics
        self._conversations = conversations
        self._sounds = sounds
        self._said = conversations.open(self.conversation_id, opening.persona.id)
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._state = State()
        self._style = _style(opening, settings)
        self._recorder = self._recording(settings.decisions_dir)
        self._timer: asyncio.TimerHandle | None = None
        self._last_event = 0
        self._ready = False
        self._ended = asyncio.Event()
        self._failed: Exception | None = None
        self._tasks: asyncio.TaskGroup
        self._abilities = Abilities(opening.missing, self._notify, self._on_ability)
        self._connections = Connections(self._abilities)
        self._compose(peers)

    def _compose(self, peers: Peers) -> None:
        """The parts of a session, from what hears to what speaks."""
        opening, context = self._opening, SessionContext(self.id, self.now, self._feed, self._send, self._notify)
        timeline = Timeline(self._metrics)
        self._microphones = Microphones(
            opening, peers, self._settings.max_speakers, context, self._connections.keep_listener, whom=self._whom
        )
        self._manner = _manner(opening, self.id, self._settings)
        self._stage = Stage(
            self._manner,
            peers,
            self._abilities,
            self._metrics,
            timeline,
            now=self.now,
            feed=self._feed,
            send=self._send,
            overhear=self._microphones.overhear,
        )
        self._persona_link = PersonaLink(
            peers,
            context,
            self._said,
            self._stage,
            timeline,
            abilities=self._abilities,
            persona=opening.persona.id,
            conversation_id=self.conversation_id,
        )
        self._runner = EffectRunner(
            opening,
            context,
            self._persona_link,
            self._stage,
            self._microphones,
            timeline=timeline,
            metrics=self._metrics,
            end=self._ended.set,
        )
        self._requests = Requests(opening, context, self._stage, self._microphones, self._runner)

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

    # --- from ready to the end ----------------------------------------------------------------------------------------

    async def run(self, requests: AsyncIterator[tuple[str, Any]], finished: Callable[[], bool], write: Write) -> None:
        """Converses until the client finishes or leaves. `finished` tells whether the requests ended with `finish`."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._connections.begin(self._tasks)
                writing = self._tasks.create_task(self._stage.output.outbox.run(write), name="outbox")
                await self._get_ready()
                learning = self._tasks.create_task(self._learn_backchannels(), name="backchannels")
                reading = self._tasks.create_task(self._read(requests, finished), name="read")
                watching = self._tasks.create_task(self._watch(), name="watch")
                await self._ended.wait()
                self._stage.output.outbox.close()
                if self._failed is not None:
                    raise self._failed
                await writing
                self._stage.output.close()
                self._connections.close()
                for task in (learning, reading, watching):
                    task.cancel()
        finally:
            if self._timer:
                self._timer.cancel()
            if self._recorder:
                self._recorder.close()
            await self._stage.leave()
            if self._state.phase in (Phase.SPEAKING, Phase.PAUSED):
                heard = self._stage.heard_text(self._stage.reply, interrupted=True)
                self._said.heard(self._state.turn_id, heard, interrupted=True)
            self._conversations.keep(self.conversation_id, self._opening.persona.id, self._said)

    async def _get_ready(self) -> None:
        """Opens every stream, then says hello: what is missing is known before the first word."""
        config = self._opening.config
        self._connections.keep(self._persona_link.llm, self._persona_link.on_llm)
        self._connections.keep(self._stage.output.face, self._stage.output.on_face)
        links = [self._persona_link.llm, self._stage.output.face]
        if config.HasField("input_audio"):
            listener = self._microphones.of(self._opening.speaker)
            links += [listener.asr, listener.turn]
        try:
            async with asyncio.timeout(_SETTLE_S):
                await asyncio.gather(*(link.settled.wait() for link in links))
        except TimeoutError:
            for link in links:
                if not link.settled.is_set():
                    self._abilities.lose(link.ability, None)
        self._began = self._loop.time()
        self._say_hello()
        if config.greeting == session_pb2.GREETING_SPOKEN:
            self._requests.greet()

    async def _learn_backchannels(self) -> None:
        """Beside all else: a voice that takes its time holds up neither the beginning nor the end of a session."""
        texts = self._opening.persona.style.backchannels
        if texts:
            self._runner.sounds = await self._sounds.of(self._manner.synthesis(turn_id=0), texts)

    def _say_hello(self) -> None:
        ready = session_pb2.Ready(
            session_id=self.id,
            conversation_id=self.conversation_id,
            persona=persona_card(self._opening.persona),
            output_audio=self._opening.output_audio,
            started_unix_us=time.time_ns() // 1000,
            missing=sorted(self._abilities.lost),
        )
        video = self._opening.video
        if video.codec != common_pb2.VIDEO_CODEC_NONE and "face" not in self._abilities.lost:
            ready.output_video.CopyFrom(video)
        self._send(ready=ready)
        self._ready = True
        self._stage.output.raise_curtain()

    async def _read(self, requests: AsyncIterator[tuple[str, Any]], finished: Callable[[], bool]) -> None:
        async for kind, message in requests:
            self._requests.take(kind, message)
        if finished():
            self._feed(ev.Finished(self.now()))
        else:
            self._ended.set()

    async def _watch(self) -> None:
        """Notices what does not announce itself: a microphone that went quiet, a session that nobody uses."""
        while True:
            await asyncio.sleep(_WATCH_S)
            self._microphones.end_stalled(self._state.people)
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

    # --- the client ---------------------------------------------------------------------------------------------------

    def _send(self, **response: Message) -> None:
        try:
            self._stage.output.outbox.put(session_pb2.ConverseResponse(**response))  # type: ignore[arg-type]
        except Full as exc:
            self._fail(exc)

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
        if ability == "llm" and not available and not self._state.phase.quiet:
            # Also while it is spoken: no more text will come, and nothing else would end the reply.
            self._feed(ev.ReplyFailed(self.now(), self._state.turn_id, retryable=False))


def _style(opening: Opening, settings: OrchestratorSettings) -> Style:
    manual, listening = opening.manual_turns, opening.config.HasField("input_audio")
    wanted = opening.persona.style
    usual = Style()
    patience = min(max(wanted.patience or 1.0, _LEAST_PATIENCE), _MOST_PATIENCE)
    return replace(
        usual,
        interruptible=settings.interruptible and not manual and not wanted.uninterruptible,
        manual_turns=manual,
        question_rules=_stretched(usual.question_rules, patience),
        beginning_rules=_stretched(usual.beginning_rules, patience),
        endpoint_rules=_stretched(usual.endpoint_rules, patience),
        story_silence=round(usual.story_silence * patience),
        filler_after=usual.filler_after if opening.persona.fillers else None,
        nods=not wanted.still,
        nod_every=ev.ms(wanted.nod_every_ms) if wanted.nod_every_ms else usual.nod_every,
        backchannel_every=ev.ms(wanted.backchannel_every_ms or _BACKCHANNEL_EVERY_MS) if wanted.backchannels else None,
        silent_after=ev.ms(wanted.prompt_after_ms) if wanted.prompt_after_ms else usual.silent_after,
        # Who only types may be reading, or thinking: nobody is hurried.
        prompts=bool(wanted.prompts) and listening and opening.config.initiative != session_pb2.INITIATIVE_NONE,
        waits=bool(wanted.waits),
        names=(opening.persona.name, opening.persona.id),
    )


def _stretched(rules: Rules, patience: float) -> Rules:
    return tuple((round(silence * patience), least) for silence, least in rules)


def _manner(opening: Opening, session_id: str, settings: OrchestratorSettings) -> Manner:
    return Manner(
        session_id=session_id,
        persona=opening.persona.id,
        voice=opening.persona.voice,
        language=opening.language,
        audio=opening.output_audio,
        video=opening.video,
        cues=opening.cues,
        voice_timeout_s=settings.voice_timeout_s,
        pace=opening.persona.style.pace,
    )
