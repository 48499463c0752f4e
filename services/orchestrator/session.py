"""One conversation: carries out what the dialog machine decides, and tells it what happens.

Everything runs on one event loop and nothing here waits: events are fed to the machine as they come, effects are sends into
bounded queues. The streams to the services, the way out to the client and the timer are tasks of one TaskGroup.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from google.protobuf.message import Message

from services.common.logs import get_logger
from services.common.metrics import Metrics
from services.orchestrator import events as ev
from services.orchestrator import machine, notices
from services.orchestrator.abilities import Abilities
from services.orchestrator.clients import Link, OnChange, Peers
from services.orchestrator.dialog.state import State, Style
from services.orchestrator.events import CLOCK_HZ, Contribution, Phase
from services.orchestrator.listener import Listener
from services.orchestrator.outbox import Write
from services.orchestrator.playout import Reply
from services.orchestrator.recollection import Conversations
from services.orchestrator.settings import OrchestratorSettings
from services.orchestrator.stage import Manner, Stage
from services.orchestrator.timeline import Timeline
from vivant.common.v1 import common_pb2
from vivant.errors import Full, InvalidRequest, VivantError
from vivant.face.v1 import face_pb2
from vivant.llm.v1 import llm_pb2
from vivant.session.v1 import session_pb2

_log = get_logger(__name__)

MAX_TEXT: Final = 4000
MAX_NAME: Final = 64
#: A microphone that stops sending while somebody speaks has ended their turn after this long.
_MIC_STALL: Final = ev.ms(1000)
_WATCH_S: Final = 0.25
_SETTLE_S: Final = 5.0
_APOLOGY: Final = "I'm sorry, I lost my train of thought. Could you ask me that again?"

_STATES: Final = {
    Phase.LISTENING: session_pb2.STATE_LISTENING,
    Phase.THINKING: session_pb2.STATE_THINKING,
    Phase.SPEAKING: session_pb2.STATE_SPEAKING,
    Phase.PAUSED: session_pb2.STATE_PAUSED,
}


@dataclass(frozen=True)
class Opening:
    """What a session is opened with, checked."""

    persona: llm_pb2.Persona
    config: session_pb2.ConverseConfig
    output_audio: common_pb2.AudioFormat
    missing: tuple[str, ...] = ()
    cues: frozenset[str] = frozenset()
    """Expressions that the face knows."""

    @property
    def video(self) -> common_pb2.VideoFormat:
        """The video asked for; codec NONE without any."""
        if self.config.HasField("output_video") and self.config.output_video.codec:
            return self.config.output_video
        return common_pb2.VideoFormat(codec=common_pb2.VIDEO_CODEC_NONE)


class Session:
    """One conversation from `ready` to its end."""

    def __init__(
        self,
        opening: Opening,
        peers: Peers,
        settings: OrchestratorSettings,
        metrics: Metrics,
        conversations: Conversations,
    ) -> None:
        self._opening = opening
        self._peers = peers
        self._settings = settings
        self._metrics = metrics
        config = opening.config
        self.id = uuid.uuid4().hex[:12]
        self.conversation_id = config.conversation_id or uuid.uuid4().hex
        self._conversations = conversations
        self._said = conversations.open(self.conversation_id, opening.persona.id)
        self._speaker = config.speaker or "Spk1"
        self._language = config.language or next(iter(opening.persona.languages), "")
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._state = State()
        manual = config.turns == session_pb2.TURNS_MANUAL
        self._style = Style(interruptible=settings.interruptible and not manual, manual_turns=manual)
        if not opening.persona.fillers:
            self._style = replace(self._style, filler_after=None)
        self._fillers = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timeline = Timeline(metrics)
        self._abilities = Abilities(opening.missing, self._notify, self._on_ability)
        self._listeners: dict[str, Listener] = {}
        self._closed: deque[int] = deque(maxlen=2)
        self._last_event = 0
        self._ready = False
        self._ended = asyncio.Event()
        self._failed: VivantError | None = None
        self._tasks: asyncio.TaskGroup
        self._links: list[asyncio.Task[None]] = []
        self._llm: Link = peers.link("llm", self._llm_config)
        self._stage = Stage(
            self._manner(),
            peers,
            self._abilities,
            metrics,
            self._timeline,
            now=self.now,
            feed=self._feed,
            send=self._send,
            overhear=self._overhear,
        )

    # --- running ------------------------------------------------------------------------------------------------------

    async def run(self, requests: AsyncIterator[tuple[str, Any]], finished: Callable[[], bool], write: Write) -> None:
        """Converses until the client finishes or leaves. `finished` tells whether the requests ended with `finish`."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                writing = self._tasks.create_task(self._stage.outbox.run(write), name="outbox")
                await self._get_ready()
                reading = self._tasks.create_task(self._read(requests, finished), name="read")
                watching = self._tasks.create_task(self._watch(), name="watch")
                await self._ended.wait()
                self._stage.outbox.close()
                if self._failed is not None:
                    raise self._failed
                await writing
                self._stage.close()
                for task in (reading, watching, *self._links):
                    task.cancel()
        finally:
            if self._timer:
                self._timer.cancel()
            await self._stage.leave()
            if self._state.phase in (Phase.SPEAKING, Phase.PAUSED):
                heard = self._stage.heard_text(self._stage.reply, interrupted=True)
                self._said.heard(self._state.turn_id, heard, interrupted=True)
            self._conversations.keep(self.conversation_id, self._opening.persona.id, self._said)

    async def _get_ready(self) -> None:
        """Opens every stream, then says hello: what is missing is known before the first word."""
        config = self._opening.config
        self._connect(self._llm, self._on_llm)
        self._connect(self._stage.face, self._stage.on_face)
        links = [self._llm, self._stage.face]
        if config.HasField("input_audio"):
            listener = self._listen_to(self._speaker)
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
            self._greet()

    def _greet(self) -> None:
        if self._opening.persona.greeting:
            self._feed(ev.Greeted(self.now(), self._opening.persona.greeting))

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
        self._stage.raise_curtain()

    async def _read(self, requests: AsyncIterator[tuple[str, Any]], finished: Callable[[], bool]) -> None:
        async for kind, message in requests:
            self._on_request(kind, message)
        if finished():
            self._feed(ev.Finished(self.now()))
        else:
            self._ended.set()

    async def _watch(self) -> None:
        """Notices what does not announce itself: a microphone that went quiet, a session that nobody uses."""
        while True:
            await asyncio.sleep(_WATCH_S)
            now = self.now()
            for speaker, ear in self._state.ears.items():
                listener = self._listeners.get(speaker)
                if listener and ear.speaking and now - listener.last_audio_at > _MIC_STALL:
                    self._feed(ev.SpeechStopped(now, speaker, listener.last_audio_at))
                    self._feed(ev.EndOfTurn(now, speaker, 1.0))
            if now - self._last_event > self._settings.idle_timeout_s * CLOCK_HZ:
                self._fail(Full(f"nobody has said anything for {self._settings.idle_timeout_s:.0f} s", reason="idle"))

    def now(self) -> int:
        """The session clock."""
        return round((self._loop.time() - self._began) * CLOCK_HZ)

    # --- the client ---------------------------------------------------------------------------------------------------

    def _on_request(self, kind: str, message: Any) -> None:
        if kind in ("audio", "text"):
            require_name("speaker", message.speaker)
            require_name("addressee", message.addressee)
        match kind:
            case "audio":
                self._listen_to(message.speaker or self._speaker).hear(message)
            case "text":
                self._on_text(message)
            case "played":
                self._on_played(message)
            case "interrupt":
                self._feed(ev.Interrupted(self.now()))
            case "keyframe":
                self._stage.want_keyframe()
            case "greet":
                self._greet()
            case "turn_end":
                require_name("speaker", message.speaker)
                self._end_turn(message.speaker or self._speaker)

    def _on_text(self, message: session_pb2.TextInput) -> None:
        text = message.text.strip()
        if not text:
            raise InvalidRequest("text must not be empty", reason="empty_text")
        if len(text) > MAX_TEXT:
            raise InvalidRequest(f"text holds at most {MAX_TEXT} characters, got {len(text)}", reason="text_too_long")
        now = self.now()
        speaker = message.speaker or self._speaker
        transcript = session_pb2.Transcript(
            final=True,
            stable_text=text,
            speaker=speaker,
            addressee=message.addressee,
            start_sample=message.start_sample,
            end_sample=message.start_sample,
            typed=True,
        )
        self._send(transcript=transcript)
        self._feed(ev.TextTyped(now, Contribution(speaker, text, message.addressee, typed=True, ended_at=now)))

    def _on_played(self, message: session_pb2.Played) -> None:
        if not message.last:
            self._stage.played(message.unit_index)
            return
        reply = self._stage.truncate(message.unit_index)
        if reply is not None and reply.turn_id in self._closed:
            self._tell_heard(reply, interrupted=True)

    def _end_turn(self, speaker: str) -> None:
        if not self._style.manual_turns:
            raise InvalidRequest("turn_end is for sessions whose config says TURNS_MANUAL", reason="no_manual_turns")
        if speaker in self._listeners:
            self._feed(ev.TurnEnded(self.now(), speaker))

    def _listen_to(self, speaker: str) -> Listener:
        if speaker in self._listeners:
            return self._listeners[speaker]
        config = self._opening.config
        if not config.HasField("input_audio"):
            raise InvalidRequest("audio was sent, but the config has no input_audio", reason="no_input_audio")
        most = self._settings.max_speakers
        if sum(listener.used for listener in self._listeners.values()) >= most:
            raise InvalidRequest(f"at most {most} speakers may have a microphone of their own", reason="too_many_speakers")
        listener = Listener(
            speaker,
            config.input_audio,
            self._opening.output_audio,
            self._peers,
            session_id=self.id,
            language=self._language,
            now=self.now,
            feed=self._feed,
            send=self._send,
        )
        self._listeners[speaker] = listener
        self._connect(listener.asr, listener.on_asr, listener.rebase)
        self._connect(listener.turn, listener.on_turn, listener.rebase)
        return listener

    def _overhear(self, unit: common_pb2.Unit) -> None:
        for listener in self._listeners.values():
            listener.overhear(unit)

    def _send(self, **response: Message) -> None:
        try:
            self._stage.outbox.put(session_pb2.ConverseResponse(**response))  # type: ignore[arg-type]
        except Full as exc:
            self._fail(exc)

    def _notify(self, notice: session_pb2.Notice) -> None:
        if self._ready:
            self._metrics.count("vivant_notices_total", notice.reason)
            self._send(notice=notice)

    def _fail(self, error: VivantError) -> None:
        self._failed = error
        self._ended.set()

    # --- the machine --------------------------------------------------------------------------------------------------

    def _feed(self, event: ev.Event) -> None:
        if self._ended.is_set():
            return
        if not isinstance(event, ev.Ticked):
            self._last_event = event.at
        self._state, effects = machine.step(self._state, event, self._style)
        if effects:
            _log.info(
                "decided",
                turn_id=self._state.turn_id,
                at=event.at,
                heard=type(event).__name__,
                phase=self._state.phase.value,
                effects=[type(effect).__name__ for effect in effects],
                **_inputs(event),
            )
        for effect in effects:
            self._perform(effect)
        self._arm()

    def _arm(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        due = machine.deadline(self._state, self._style)
        if due is not None and not self._ended.is_set():
            # One sample late rather than one early: a tick before its time does nothing and would be armed again at once.
            self._timer = self._loop.call_at(self._began + (due + 1) / CLOCK_HZ, lambda: self._feed(ev.Ticked(self.now())))

    def _perform(self, effect: ev.Effect) -> None:
        match effect:
            case ev.Flush(speaker, flush_id):
                self._listeners[speaker].flush(flush_id)
            case ev.Prefill() | ev.Commit() | ev.Note() | ev.Cancel():
                self._think(effect)
            case ev.CloseTurn(turn_id, interrupted):
                self._close_turn(turn_id, interrupted)
            case ev.Show(phase, turn_id):
                self._show(phase, turn_id)
            case ev.Notify(reason):
                self._notify(notices.event(reason))
            case ev.DropStale(_, where):
                self._metrics.count("vivant_stale_output_total", where)
            case ev.End():
                self._ended.set()
            case _:
                self._act(effect)

    def _think(self, effect: ev.Effect) -> None:
        match effect:
            case ev.Prefill(turn_id, speaker, text, draft):
                self._llm.send(words=llm_pb2.HeardWords(turn_id=turn_id, text=text, speaker=speaker, draft=draft))
            case ev.Commit(turn_id, contribution):
                self._commit(turn_id, contribution)
            case ev.Note(contribution):
                self._said.add(0, _history_item(contribution))
                self._llm.send(utterance=llm_pb2.Utterance(utterance=_history_item(contribution)))
            case ev.Cancel(turn_id):
                self._said.forget(turn_id)
                self._llm.send(cancel=llm_pb2.Cancel(turn_id=turn_id))

    def _act(self, effect: ev.Effect) -> None:
        match effect:
            case ev.Say(turn_id, text):
                self._stage.say(turn_id, text)
            case ev.Apologise(turn_id):
                apologies = self._opening.persona.apologies or [_APOLOGY]
                self._stage.say(turn_id, apologies[turn_id % len(apologies)])
            case ev.Fill(turn_id):
                self._timeline.mark(turn_id, "filler", self.now())
                fillers = self._opening.persona.fillers
                self._stage.say(turn_id, f"{fillers[self._fillers % len(fillers)]} ")
                self._fillers += 1
            case ev.SayEnd(turn_id):
                self._stage.say_end(turn_id)
            case ev.Hold():
                self._stage.direct(pause=face_pb2.Pause())
                self._measure_interruption("held")
            case ev.Release():
                self._stage.direct(resume=face_pb2.Resume())
            case ev.Silence(_, newest_turn_id):
                self._stage.silence(newest_turn_id)
                self._measure_interruption("stopped")

    def _commit(self, turn_id: int, contribution: Contribution) -> None:
        self._said.add(turn_id, _history_item(contribution))
        self._stage.begin(turn_id)
        self._timeline.begin(turn_id, contribution.ended_at)
        self._timeline.mark(turn_id, "end_of_turn", self.now())
        if "llm" in self._abilities.lost:
            self._loop.call_soon(self._feed, ev.ReplyFailed(self.now(), turn_id, retryable=False))
            return
        self._llm.send(commit=llm_pb2.Commit(turn_id=turn_id, utterance=_history_item(contribution)))

    def _close_turn(self, turn_id: int, interrupted: bool) -> None:
        reply = self._stage.reply
        if reply.turn_id == turn_id:
            self._closed.append(turn_id)
            self._tell_heard(reply, interrupted=interrupted or reply.cut_at is not None)

    def _tell_heard(self, reply: Reply, *, interrupted: bool) -> None:
        """What was heard of a reply is remembered, here and by the persona; and the client is told."""
        turn_id, heard = reply.turn_id, self._stage.heard_text(reply, interrupted=interrupted)
        self._said.heard(turn_id, heard, interrupted=interrupted)
        self._llm.send(heard=llm_pb2.Heard(turn_id=turn_id, text=heard, interrupted=interrupted))
        turn = session_pb2.Turn(
            turn_id=turn_id,
            heard_text=heard,
            full_text=reply.text.strip(),
            interrupted=interrupted,
            sources=reply.sources,
        )
        self._send(turn=turn)

    def _show(self, phase: Phase, turn_id: int) -> None:
        input_hz = self._opening.config.input_audio.sample_rate_hz or CLOCK_HZ
        change = session_pb2.StateChange(
            state=_STATES[phase],
            turn_id=turn_id,
            input_sample=self.now() * input_hz // CLOCK_HZ,
            output_sample=self._stage.output_sample,
        )
        self._send(state=change)
        look = face_pb2.LOOK_THINKING if phase is Phase.THINKING else face_pb2.LOOK_LISTENING
        self._stage.direct(look=face_pb2.LookChange(look=look))
        if phase is Phase.LISTENING:
            self._stage.regain_face()

    def _measure_interruption(self, stage: str) -> None:
        started = max((listener.started_at for listener in self._listeners.values()), default=0)
        if started:
            self._metrics.observe("vivant_interruption_seconds", (self.now() - started) / CLOCK_HZ, stage)

    # --- the services -------------------------------------------------------------------------------------------------

    def _connect(
        self, link: Link, on_response: Callable[[str, Any], None], on_open: Callable[[str], None] | None = None
    ) -> None:
        """Keeps a stream to a service open for as long as the session lasts."""

        def on_change(available: bool, error: VivantError | None) -> None:
            if available and on_open:
                on_open(link.ability)
            if available:
                self._abilities.regain(link.ability)
            else:
                self._abilities.lose(link.ability, error)

        change: OnChange = on_change
        self._links.append(self._tasks.create_task(link.run(on_response, change), name=link.ability))

    def _on_ability(self, ability: str, available: bool) -> None:
        self._feed(ev.AbilityChanged(self.now(), ability, available))
        if ability == "face":
            if not available:
                self._stage.lose_face(self._tasks)
            elif self._state.phase is Phase.LISTENING:
                self._stage.regain_face()
        if ability == "llm" and not available and self._state.phase is not Phase.LISTENING:
            # Also while it is spoken: no more text will come, and nothing else would end the reply.
            self._feed(ev.ReplyFailed(self.now(), self._state.turn_id, retryable=False))

    def _on_llm(self, kind: str, message: Any) -> None:
        turn_id, now = message.turn_id, self.now()
        match kind:
            case "text":
                if self._timeline.mark(turn_id, "llm_first_text", now) and self._timeline.reached(turn_id, "first_unit"):
                    self._send(metrics=self._timeline.report(turn_id))
                self._feed(ev.ReplyText(now, turn_id, message.text))
            case "cue":
                self._stage.express(message.cue)
            case "source":
                if turn_id == self._stage.reply.turn_id:
                    self._stage.reply.sources.append(message.passage)
            case "done":
                self._feed(ev.ReplyDone(now, turn_id))
            case "failed":
                self._notify(notices.reply_failed(message.reason, message.message))
                self._feed(ev.ReplyFailed(now, turn_id, message.retryable))

    def _llm_config(self) -> llm_pb2.GenerateConfig:
        return llm_pb2.GenerateConfig(
            persona=self._opening.persona.id,
            conversation_id=self.conversation_id,
            session_id=self.id,
            history=self._said.items,
        )

    def _manner(self) -> Manner:
        opening = self._opening
        return Manner(
            session_id=self.id,
            persona=opening.persona.id,
            voice=opening.persona.voice,
            language=self._language,
            audio=opening.output_audio,
            video=opening.video,
            cues=opening.cues,
            voice_timeout_s=self._settings.voice_timeout_s,
        )


def _inputs(event: ev.Event) -> dict[str, Any]:
    """The numbers of an event that a decision was made from; nothing of what was said."""
    match event:
        case ev.Overlapped(kind=kind, probability=probability):
            return {"kind": kind.value, "probability": round(probability, 2)}
        case ev.EndOfTurn(probability=probability):
            return {"probability": round(probability, 2)}
        case ev.SpeechStopped(last_speech_at=last):
            return {"last_speech_at": last}
    return {}


def _history_item(contribution: Contribution) -> llm_pb2.HistoryItem:
    return llm_pb2.HistoryItem(speaker=contribution.speaker, addressee=contribution.addressee, text=contribution.text)


def require_name(what: str, name: str) -> None:
    """Refuses a name that no service behind this one would take; raises InvalidRequest."""
    if len(name) > MAX_NAME:
        raise InvalidRequest(
            f"{what}: a name has at most {MAX_NAME} characters, this one has {len(name)}", reason="name_too_long"
        )


def persona_card(persona: llm_pb2.Persona) -> session_pb2.PersonaCard:
    """What clients are shown of a persona."""
    return session_pb2.PersonaCard(
        id=persona.id,
        name=persona.name,
        description=persona.description,
        disclosure=persona.disclosure,
        greeting=persona.greeting,
    )
