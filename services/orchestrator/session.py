"""One conversation: carries out what the dialog machine decides, and tells it what happens.

Everything runs on one event loop and nothing here waits: events are fed to the machine as they come, effects are sends into
bounded queues. The streams to the services, the way out to the client and the timer are tasks of one TaskGroup.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import Message

from services.common.logs import get_logger
from services.common.metrics import Metrics
from services.orchestrator import events as ev
from services.orchestrator import machine, notices
from services.orchestrator.clients import Link, Peers
from services.orchestrator.events import CLOCK_HZ, Contribution, Phase
from services.orchestrator.listener import Listener
from services.orchestrator.machine import State, Style
from services.orchestrator.outbox import Outbox, Write, mute
from services.orchestrator.pacer import Pacer
from services.orchestrator.playout import Ledger
from services.orchestrator.settings import OrchestratorSettings
from services.orchestrator.timeline import Timeline
from services.orchestrator.voice import Voice, synthesize_config
from vivant.common.v1 import common_pb2
from vivant.errors import Full, InvalidRequest, VivantError
from vivant.face.v1 import face_pb2
from vivant.llm.v1 import llm_pb2
from vivant.session.v1 import session_pb2
from vivant.tts.v1 import tts_pb2

_log = get_logger(__name__)

MAX_TEXT: Final = 4000
#: A microphone that stops sending while somebody speaks has ended their turn after this long.
_MIC_STALL: Final = ev.ms(1000)
_WATCH_S: Final = 0.25
_SETTLE_S: Final = 5.0

_STATES: Final = {
    Phase.LISTENING: session_pb2.STATE_LISTENING,
    Phase.THINKING: session_pb2.STATE_THINKING,
    Phase.SPEAKING: session_pb2.STATE_SPEAKING,
    Phase.PAUSED: session_pb2.STATE_PAUSED,
}
_LOOKS: Final = {
    Phase.LISTENING: face_pb2.LOOK_LISTENING,
    Phase.THINKING: face_pb2.LOOK_THINKING,
    Phase.SPEAKING: face_pb2.LOOK_LISTENING,
    Phase.PAUSED: face_pb2.LOOK_LISTENING,
}
_PLAYBACK: Final = {
    face_pb2.PLAYBACK_STATE_STARTED: ev.PlaybackState.STARTED,
    face_pb2.PLAYBACK_STATE_FINISHED: ev.PlaybackState.FINISHED,
}
APOLOGY: Final = "I'm sorry, I lost my train of thought. Could you ask me that again?"


@dataclass(frozen=True)
class Opening:
    """What a session is opened with, checked."""

    persona: llm_pb2.Persona
    config: session_pb2.ConverseConfig
    output_audio: common_pb2.AudioFormat
    missing: tuple[str, ...] = ()


class Session:
    """One conversation from `ready` to its end."""

    def __init__(self, opening: Opening, peers: Peers, settings: OrchestratorSettings, metrics: Metrics, write: Write) -> None:
        self._opening = opening
        self._peers = peers
        self._settings = settings
        self._metrics = metrics
        self._write = write
        config = opening.config
        self.id = uuid.uuid4().hex[:12]
        self.conversation_id = config.conversation_id or uuid.uuid4().hex
        self._speaker = config.speaker or "Spk1"
        self._language = config.language or next(iter(opening.persona.languages), "")
        self._video = config.output_video
        self._has_video = config.HasField("output_video") and config.output_video.codec > common_pb2.VIDEO_CODEC_NONE
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._state = State()
        self._style = Style(interruptible=settings.interruptible)
        self._timer: asyncio.TimerHandle | None = None
        self._timeline = Timeline(metrics)
        self._ledger = Ledger()
        self._outbox = Outbox(metrics, self._on_sent, self._want_keyframe)
        self._listeners: dict[str, Listener] = {}
        self._voice: Voice | None = None
        self._voices: set[Voice] = set()
        self._output_index = 0
        self._newest = 0
        self._last_event = 0
        self._cue: common_pb2.Cue | None = None
        self._ended = asyncio.Event()
        self._failed: VivantError | None = None
        self._llm: Link = peers.link("llm", self._llm_config)
        self._face: Link = peers.link("face", self._face_config)
        self._pacer: Pacer | None = None
        self._pacing: asyncio.Task[None] | None = None
        self._tasks: asyncio.TaskGroup
        self._lost: set[str] = set(opening.missing)

    # --- running ------------------------------------------------------------------------------------------------------

    async def run(self, requests: AsyncIterator[tuple[str, Any]], finished: Callable[[], bool]) -> None:
        """Converses until the client finishes or leaves. `finished` tells whether the requests ended with `finish`."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                running = [
                    self._tasks.create_task(self._llm.run(self._on_llm, self._change("llm")), name="llm"),
                    self._tasks.create_task(self._face.run(self._on_face, self._change("face")), name="face"),
                    self._tasks.create_task(self._watch(), name="watch"),
                ]
                writing = self._tasks.create_task(self._outbox.run(self._write), name="outbox")
                await self._get_ready()
                reading = self._tasks.create_task(self._read(requests, finished), name="read")
                await self._ended.wait()
                reading.cancel()
                self._outbox.close()
                if self._failed is not None:
                    raise self._failed
                await writing
                for task in [*running, *self._listening()]:
                    task.cancel()
                if self._pacing:
                    self._pacing.cancel()
        finally:
            if self._timer:
                self._timer.cancel()
            for voice in tuple(self._voices):
                voice.cancel()
                await voice.closed()

    def _listening(self) -> list[asyncio.Task[None]]:
        return self._listener_tasks

    async def _get_ready(self) -> None:
        """Opens every stream, then says hello: what is missing is known before the first word."""
        self._listener_tasks: list[asyncio.Task[None]] = []
        config = self._opening.config
        waiting = [self._llm.settled.wait(), self._face.settled.wait()]
        if config.HasField("input_audio"):
            listener = self._listen_to(self._speaker)
            waiting += [listener.asr.settled.wait(), listener.turn.settled.wait()]
        try:
            async with asyncio.timeout(_SETTLE_S):
                await asyncio.gather(*waiting)
        except TimeoutError:
            _log.warning("services_slow", lost=sorted(self._lost))
        self._began = self._loop.time()
        persona = self._opening.persona
        ready = session_pb2.Ready(
            session_id=self.id,
            conversation_id=self.conversation_id,
            persona=persona_card(persona),
            output_audio=self._opening.output_audio,
            started_unix_us=time.time_ns() // 1000,
            missing=sorted(self._lost),
        )
        if self._has_video and "face" not in self._lost:
            ready.output_video.CopyFrom(self._video)
        self._send(ready=ready)
        if config.greeting == session_pb2.GREETING_SPOKEN and persona.greeting:
            self._feed(ev.Greeted(self.now(), persona.greeting))

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
        if kind == "audio":
            self._listen_to(message.speaker or self._speaker).hear(message)
        elif kind == "text":
            self._on_text(message)
        elif kind == "played":
            self._ledger.played(message.unit_index)
        elif kind == "interrupt":
            self._feed(ev.Interrupted(self.now()))
        elif kind == "keyframe":
            self._want_keyframe()

    def _on_text(self, message: session_pb2.TextInput) -> None:
        text = message.text.strip()
        if not text:
            raise InvalidRequest("text must not be empty", reason="empty_text")
        if len(text) > MAX_TEXT:
            raise InvalidRequest(f"text holds at most {MAX_TEXT} characters, got {len(text)}", reason="text_too_long")
        now = self.now()
        speaker = message.speaker or self._speaker
        transcript = session_pb2.Transcript(
            final=True, stable_text=text, speaker=speaker, addressee=message.addressee, typed=True,
            start_sample=message.start_sample, end_sample=message.start_sample,
        )  # fmt: skip
        self._send(transcript=transcript)
        self._feed(ev.TextTyped(now, Contribution(speaker, text, message.addressee, typed=True, ended_at=now)))

    def _listen_to(self, speaker: str) -> Listener:
        if speaker in self._listeners:
            return self._listeners[speaker]
        config = self._opening.config
        if not config.HasField("input_audio"):
            raise InvalidRequest("audio was sent, but the config has no input_audio", reason="no_input_audio")
        if len(self._listeners) >= self._settings.max_speakers:
            raise InvalidRequest(
                f"at most {self._settings.max_speakers} speakers may have a microphone of their own", reason="too_many_speakers"
            )
        listener = Listener(
            speaker, config.input_audio, self._opening.output_audio, self._peers,
            session_id=self.id, language=self._language, now=self.now, feed=self._feed, send=self._put,
        )  # fmt: skip
        self._listeners[speaker] = listener
        for link, on_response in ((listener.asr, listener.on_asr), (listener.turn, listener.on_turn)):
            on_change = self._change(link.ability, listener)
            self._listener_tasks.append(self._tasks.create_task(link.run(on_response, on_change), name=link.ability))
        return listener

    def _send(self, **response: Message) -> None:
        self._put(session_pb2.ConverseResponse(**response))  # type: ignore[arg-type]

    def _put(self, response: session_pb2.ConverseResponse) -> None:
        try:
            self._outbox.put(response)
        except Full as exc:
            self._fail(exc)

    def _fail(self, error: VivantError) -> None:
        self._failed = error
        self._ended.set()

    # --- the machine --------------------------------------------------------------------------------------------------

    def _feed(self, event: ev.Event) -> None:
        if self._ended.is_set():
            return
        if not isinstance(event, ev.Ticked):
            self._last_event = event.at
        before = self._state
        self._state, effects = machine.step(before, event, self._style)
        if effects:
            _log.info(
                "decided",
                turn_id=self._state.turn_id,
                at=event.at,
                heard=type(event).__name__,
                phase=self._state.phase.value,
                effects=[type(effect).__name__ for effect in effects],
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

    def _perform(self, effect: ev.Effect) -> None:  # noqa: PLR0912 - a table in the form of a match
        match effect:
            case ev.Flush(speaker, flush_id):
                self._listeners[speaker].flush(flush_id)
            case ev.Prefill(turn_id, speaker, text, draft):
                self._llm.send(words=llm_pb2.HeardWords(turn_id=turn_id, text=text, speaker=speaker, draft=draft))
            case ev.Commit(turn_id, contribution):
                self._commit(turn_id, contribution)
            case ev.Note(contribution):
                self._llm.send(utterance=llm_pb2.Utterance(utterance=history_item(contribution)))
            case ev.Cancel(turn_id):
                self._llm.send(cancel=llm_pb2.Cancel(turn_id=turn_id))
            case ev.Say(turn_id, text):
                self._say(turn_id, text)
            case ev.Apologise(turn_id):
                apologies = self._opening.persona.apologies
                self._say(turn_id, apologies[turn_id % len(apologies)] if apologies else APOLOGY)
            case ev.SayEnd(turn_id):
                self._say_end(turn_id)
            case ev.Hold():
                self._to_face(pause=face_pb2.Pause())
            case ev.Release():
                self._to_face(resume=face_pb2.Resume())
            case ev.Silence(_, newest_turn_id):
                self._silence(newest_turn_id)
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

    def _commit(self, turn_id: int, contribution: Contribution) -> None:
        self._ledger.begin(turn_id)
        self._cue = None
        self._timeline.begin(turn_id, contribution.ended_at)
        self._timeline.mark(turn_id, "end_of_turn", self.now())
        if "llm" in self._lost:
            self._loop.call_soon(self._feed, ev.ReplyFailed(self.now(), turn_id, retryable=False))
            return
        self._llm.send(commit=llm_pb2.Commit(turn_id=turn_id, utterance=history_item(contribution)))

    def _say(self, turn_id: int, text: str) -> None:
        if self._ledger.reply.turn_id != turn_id:
            self._ledger.begin(turn_id)
        self._ledger.reply.text += text
        if self._voice is None or self._voice.turn_id != turn_id:
            self._voice = self._open_voice(turn_id)
        self._voice.say(text)

    def _say_end(self, turn_id: int) -> None:
        if self._voice is not None and self._voice.turn_id == turn_id:
            self._voice.end()

    def _silence(self, newest_turn_id: int) -> None:
        self._newest = newest_turn_id
        if self._voice is not None:
            self._voice.cancel()
            self._voice = None
        self._to_face(clear=face_pb2.Clear(newest_turn_id=newest_turn_id))
        self._outbox.silence(newest_turn_id)
        started = [item.started_at for item in self._listeners.values() if item.started_at]
        if started:
            self._metrics.observe("vivant_interruption_seconds", (self.now() - max(started)) / CLOCK_HZ)

    def _close_turn(self, turn_id: int, interrupted: bool) -> None:
        reply = self._ledger.reply
        if reply.turn_id != turn_id:
            return
        heard = self._ledger.heard_text(interrupted=interrupted)
        self._llm.send(heard=llm_pb2.Heard(turn_id=turn_id, text=heard, interrupted=interrupted))
        turn = session_pb2.Turn(
            turn_id=turn_id, heard_text=heard, full_text=reply.text.strip(), interrupted=interrupted, sources=reply.sources
        )
        self._send(turn=turn)

    def _show(self, phase: Phase, turn_id: int) -> None:
        now = self.now()
        change = session_pb2.StateChange(
            state=_STATES[phase],
            turn_id=turn_id,
            input_sample=now * (self._opening.config.input_audio.sample_rate_hz or CLOCK_HZ) // CLOCK_HZ,
            output_sample=self._output_index * self._unit_samples,
        )
        self._send(state=change)
        self._to_face(look=face_pb2.LookChange(look=_LOOKS[phase]))
        if phase is Phase.LISTENING and self._pacer and self._face.up:
            self._stop_pacing()

    def _notify(self, notice: session_pb2.Notice) -> None:
        self._metrics.count("vivant_notices_total", notice.reason)
        self._send(notice=notice)

    # --- the services -------------------------------------------------------------------------------------------------

    def _change(self, ability: str, listener: Listener | None = None) -> Callable[[bool, VivantError | None], None]:
        """What to do when the stream of an ability breaks or comes back."""

        def on_change(available: bool, error: VivantError | None) -> None:
            if available:
                if listener:
                    listener.rebase(ability)
                if ability in self._lost:
                    self._lost.discard(ability)
                    self._notify(notices.back(ability))
                    self._feed(ev.AbilityChanged(self.now(), ability, available=True))
                if ability == "face" and self._pacer and self._state.phase is Phase.LISTENING:
                    self._stop_pacing()
                return
            if ability not in self._lost:
                self._lost.add(ability)
                self._notify(notices.lost(ability, error))
            self._feed(ev.AbilityChanged(self.now(), ability, available=False))
            if ability == "face":
                self._start_pacing()
            if ability == "llm" and self._state.phase is Phase.THINKING:
                self._feed(ev.ReplyFailed(self.now(), self._state.turn_id, retryable=False))

        return on_change

    def _on_llm(self, kind: str, message: Any) -> None:
        turn_id, now = message.turn_id, self.now()
        if kind == "text":
            self._timeline.mark(turn_id, "llm_first_text", now)
            self._feed(ev.ReplyText(now, turn_id, message.text))
        elif kind == "cue":
            self._cue = message.cue
        elif kind == "source" and turn_id == self._ledger.reply.turn_id:
            self._ledger.reply.sources.append(message.passage)
        elif kind == "done":
            self._feed(ev.ReplyDone(now, turn_id))
        elif kind == "failed":
            self._notify(notices.reply_failed(message.reason, message.message))
            self._feed(ev.ReplyFailed(now, turn_id, message.retryable))

    def _open_voice(self, turn_id: int) -> Voice:
        config = synthesize_config(
            turn_id, self._opening.output_audio,
            voice=self._opening.persona.voice, language=self._language, session_id=self.id,
        )  # fmt: skip
        voice = Voice(
            turn_id, self._peers, config, self._settings.voice_timeout_s, on_audio=self._on_audio, on_end=self._on_voice_end
        )
        self._voices.add(voice)
        return voice

    def _on_audio(self, audio: tts_pb2.Audio) -> None:
        reply = self._ledger.reply
        if audio.turn_id != reply.turn_id or audio.turn_id < self._newest:
            self._metrics.count("vivant_stale_output_total", "audio")
            return
        if "tts" in self._lost:
            self._lost.discard("tts")
            self._notify(notices.back("tts"))
        self._timeline.mark(audio.turn_id, "tts_first_audio", self.now())
        speech = face_pb2.Speech(
            turn_id=audio.turn_id, pcm=audio.pcm, start_sample=audio.start_sample, phonemes=audio.phonemes, cue=self._cue
        )
        self._cue = None
        reply.words.extend(audio.words)
        reply.speech.append(speech)
        self._to_face(speech=speech)
        if audio.words:
            text = " ".join(word.text for word in audio.words)
            self._send(caption=session_pb2.Caption(turn_id=audio.turn_id, text=text, words=audio.words))

    def _on_voice_end(self, turn_id: int, error: VivantError | None) -> None:
        self._voices = {voice for voice in self._voices if voice.turn_id != turn_id}
        reply = self._ledger.reply
        if turn_id != reply.turn_id or turn_id < self._newest:
            return
        if error is None and reply.speech:
            reply.complete = True
            self._to_face(speech_end=face_pb2.SpeechEnd(turn_id=turn_id))
            return
        if error is not None and "tts" not in self._lost:
            self._lost.add("tts")
            self._notify(notices.lost("tts", error))
        self._show_rest(turn_id)

    def _show_rest(self, turn_id: int) -> None:
        """What cannot be spoken is shown."""
        reply = self._ledger.reply
        reply.voiceless = True
        spoken = " ".join(word.text for word in reply.words)
        self._send(caption=session_pb2.Caption(turn_id=turn_id, text=reply.text.strip().removeprefix(spoken).strip()))
        if reply.speech:
            reply.complete = True
            self._to_face(speech_end=face_pb2.SpeechEnd(turn_id=turn_id))
        else:
            self._feed(ev.VoiceFailed(self.now(), turn_id))

    # --- the output ---------------------------------------------------------------------------------------------------

    @property
    def _unit_samples(self) -> int:
        return self._opening.output_audio.sample_rate_hz // 25

    def _to_face(self, **payload: Message) -> None:
        if self._pacer is not None:
            self._pacer.send(**payload)
        else:
            self._face.send(**payload)

    def _on_face(self, kind: str, message: Any) -> None:
        if self._pacer is None:
            self._on_output(kind, message)

    def _on_output(self, kind: str, message: Any) -> None:
        if kind == "playback":
            if message.state in _PLAYBACK:
                self._feed(ev.PlaybackChanged(self.now(), message.turn_id, _PLAYBACK[message.state]))
            return
        unit: common_pb2.Unit = message
        if 0 < unit.turn_id < self._newest:
            self._metrics.count("vivant_stale_output_total", "unit")
            mute(unit)
        unit.index = self._output_index
        unit.start_sample = self._output_index * self._unit_samples
        self._output_index += 1
        first = self._timeline.mark(unit.turn_id, "first_unit", self.now()) if unit.turn_id else False
        for listener in self._listeners.values():
            listener.overhear(unit)
        self._outbox.put_unit(unit)
        if first:
            self._send(metrics=self._timeline.report(unit.turn_id))

    def _on_sent(self, unit: common_pb2.Unit) -> None:
        if unit.turn_id:
            self._ledger.sent(unit)

    def _want_keyframe(self) -> None:
        self._to_face(keyframe=face_pb2.KeyframeRequest())

    def _start_pacing(self) -> None:
        """The face is gone: the voice goes on at the sample that was sent last."""
        if self._pacer is not None:
            return
        self._pacer = pacer = Pacer(self._opening.output_audio.sample_rate_hz, self._on_output)
        self._pacing = self._tasks.create_task(pacer.run(), name="pacer")
        reply = self._ledger.reply
        if reply.turn_id >= self._newest and reply.turn_id == self._state.turn_id and not self._state.candidate:
            for speech in reply.rest():
                pacer.send(speech=speech)
            if reply.complete:
                pacer.send(speech_end=face_pb2.SpeechEnd(turn_id=reply.turn_id))

    def _stop_pacing(self) -> None:
        if self._pacing:
            self._pacing.cancel()
        self._pacer = self._pacing = None

    # --- configs ------------------------------------------------------------------------------------------------------

    def _llm_config(self) -> llm_pb2.GenerateConfig:
        return llm_pb2.GenerateConfig(
            persona=self._opening.persona.id, conversation_id=self.conversation_id, session_id=self.id
        )

    def _face_config(self) -> face_pb2.AnimateConfig:
        config = face_pb2.AnimateConfig(persona=self._opening.persona.id, audio=self._opening.output_audio, session_id=self.id)
        if self._has_video:
            config.video.CopyFrom(self._video)
        else:
            config.video.codec = common_pb2.VIDEO_CODEC_NONE
        return config


def history_item(contribution: Contribution) -> llm_pb2.HistoryItem:
    return llm_pb2.HistoryItem(speaker=contribution.speaker, addressee=contribution.addressee, text=contribution.text)


def persona_card(persona: llm_pb2.Persona) -> session_pb2.PersonaCard:
    """What clients are shown of a persona."""
    return session_pb2.PersonaCard(
        id=persona.id,
        name=persona.name,
        description=persona.description,
        disclosure=persona.disclosure,
        greeting=persona.greeting,
    )
