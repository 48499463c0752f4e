"""The wire side of the speech service: protobuf to dataclasses, the order of messages, and silence for what was cleared."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from grpc.aio import ServicerContext

from services.common.audio import MAX_CHUNK_MS, ChunkOrder, require_format
from services.common.info import service_info
from services.common.logs import get_logger, session_context
from services.common.metrics import Metrics
from services.common.streams import Admission, Cancelled, ServerStream, rpc
from services.speech import engine as speech
from services.speech.turns import Turns
from vivant.common.v1 import common_pb2
from vivant.errors import InvalidRequest, NotFound
from vivant.speech.v1 import speech_pb2, speech_pb2_grpc

_log = get_logger(__name__)

FULL_NAME: Final = "vivant.speech.v1.SpeechService"
#: As in every contract.
MAX_TEXT_CHARS: Final = 4_000
#: A model's context holds about ten times as much; above it is a mistake.
MAX_INSTRUCTIONS_CHARS: Final = 40_000
MAX_HISTORY_CHARS: Final = 100_000

_ACTIONS: Final = {
    speech.Action.TAKE: speech_pb2.FLOOR_ACTION_TAKE,
    speech.Action.YIELD: speech_pb2.FLOOR_ACTION_YIELD,
    speech.Action.BACKCHANNEL: speech_pb2.FLOOR_ACTION_BACKCHANNEL,
}
_ENDINGS: Final = {
    speech.Ending.COMPLETE: speech_pb2.ENDING_COMPLETE,
    speech.Ending.YIELDED: speech_pb2.ENDING_CLEARED,
    speech.Ending.FAILED: speech_pb2.ENDING_FAILED,
}

Stream = ServerStream[speech_pb2.ConverseRequest, speech_pb2.ConverseResponse]


class SpeechServicer(speech_pb2_grpc.SpeechServiceServicer):
    """Serves one engine."""

    def __init__(self, engine: speech.SpeechEngine, admission: Admission, metrics: Metrics) -> None:
        self._engine = engine
        self._admission = admission
        self.metrics = metrics

    @rpc
    async def GetInfo(
        self, request: speech_pb2.GetInfoRequest, context: ServicerContext[Any, Any]
    ) -> speech_pb2.GetInfoResponse:
        """What this service can do."""
        info = self._engine.info
        able = common_pb2.SpeechCapabilities(turn_taking=info.turn_taking, text=info.text, word_times=info.word_times)
        return speech_pb2.GetInfoResponse(
            info=service_info(
                info, self._admission, able, input_rates_hz=info.input_rates_hz, output_rates_hz=[info.sample_rate_hz]
            ),
            voices=info.voices,
        )

    @rpc
    async def Converse(self, request_iterator: Any, context: ServicerContext[Any, Any]) -> None:  # type: ignore[override]
        """The persona's side of one conversation."""
        with self._admission.admit():
            stream: Stream = ServerStream(context, speech_pb2.ConverseResponse)
            wire = await stream.config(take=False)
            session_context(session_id=wire.session_id)
            session = await self._engine.open(_config(wire, self._engine.info))
            try:
                # Only now: whoever waits for the stream to be taken waits for the model.
                await stream.take()
                await _Conversation(stream, session, self._engine.info, wire, self.metrics).run()
            finally:
                await session.close()


class _Conversation:
    """One stream: a task reads what comes for the model, a task writes what it does."""

    def __init__(
        self,
        stream: Stream,
        session: speech.Session,
        info: speech.SpeechInfo,
        wire: speech_pb2.ConverseConfig,
        metrics: Metrics,
    ) -> None:
        self._stream = stream
        self._session = session
        self._persona_id = wire.persona.card.id
        self._metrics = metrics
        self._audio = ChunkOrder("audio", wire.input_audio.sample_rate_hz)
        self._most_samples = info.sample_rate_hz * MAX_CHUNK_MS // 1000
        self._turns = Turns()
        # What was let through has left before `done` says that its turn is over.
        self._order = asyncio.Lock()
        self._taken: tuple[int, float] | None = None

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(), name="read")
            tasks.create_task(self._write(), name="write")
        _log.info("stream_closed", samples=self._audio.next_sample)

    async def _read(self) -> None:
        async for kind, payload in self._stream:
            await self._take(kind, payload)
        if not self._stream.finished:
            raise Cancelled
        await self._session.finish()

    async def _take(self, kind: str, payload: Any) -> None:
        session = self._session
        match kind:
            case "audio":
                self._audio.accept(payload.pcm, payload.start_sample)
                await session.hear(payload.pcm, payload.start_sample)
            case "context":
                await session.know(_text(kind, payload.text))
            case "utterance":
                by_persona = payload.participant_id == self._persona_id
                await session.note(speech.Said(_text(kind, payload.text), by_persona=by_persona))
            case "respond":
                await session.respond(_text(kind, payload.text) if payload.HasField("text") else "")
            case "played":
                self._turns.require_begun(payload.turn_id)
                if payload.position_samples < 0:
                    raise InvalidRequest("played: position_samples must not be negative", reason="wrong_at_sample")
                await session.played(payload.turn_id, payload.position_samples)
            case "clear":
                await self._clear(payload.newest_turn_id)

    async def _clear(self, newest_turn_id: int) -> None:
        # First nothing more is let through, then the model is stopped, then it is said: each holds without the next.
        ended = self._turns.clear(newest_turn_id)
        await self._session.clear(newest_turn_id)
        for turn_id, samples in ended:
            async with self._order:
                await self._stream.send(
                    done=speech_pb2.Done(turn_id=turn_id, ending=speech_pb2.ENDING_CLEARED, samples=samples)
                )

    async def _write(self) -> None:
        async for event in self._session.events():
            match event:
                case speech.Floor():
                    await self._propose(event)
                case speech.Words(turn_id, text):
                    async with self._order:
                        if self._admits(turn_id, "text"):
                            await self._stream.send(text=speech_pb2.Text(turn_id=turn_id, text=text))
                case speech.Speech():
                    await self._speak(event)
                case speech.Done():
                    await self._end(event)
                case speech.Noted(what):
                    self._metrics.count("vivant_model_events_total", what)

    def _admits(self, turn_id: int, stage: str) -> bool:
        if self._turns.admits(turn_id):
            return True
        self._metrics.count("vivant_stale_output_total", stage)
        return False

    async def _propose(self, floor: speech.Floor) -> None:
        async with self._order:
            if not self._admits(floor.turn_id, "floor"):
                return
            if floor.action is speech.Action.TAKE:
                self._taken = (floor.turn_id, time.monotonic())
            await self._stream.send(
                floor=speech_pb2.FloorProposal(
                    turn_id=floor.turn_id,
                    action=_ACTIONS[floor.action],
                    probability=floor.probability,
                    at_sample=floor.at_sample,
                )
            )

    async def _speak(self, said: speech.Speech) -> None:
        """Sends a stretch in messages of at most 100 ms; its words come with the first."""
        size = 2 * self._most_samples
        for at in range(0, len(said.pcm), size):
            pcm = said.pcm[at : at + size]
            async with self._order:
                if not self._admits(said.turn_id, "speech"):
                    return
                message = speech_pb2.Speech(turn_id=said.turn_id, pcm=pcm, start_sample=self._turns.position(said.turn_id))
                if at == 0:
                    message.words.extend(
                        common_pb2.Word(text=w.text, start_sample=w.start_sample, end_sample=w.end_sample, confidence=1.0)
                        for w in said.words
                    )
                # Before it is sent: while it is, the turn may be cleared.
                self._turns.sent(said.turn_id, len(pcm) // 2)
                await self._stream.send(speech=message)
            if self._taken and self._taken[0] == said.turn_id:
                self._metrics.observe("vivant_first_audio_seconds", time.monotonic() - self._taken[1])
                self._taken = None

    async def _end(self, done: speech.Done) -> None:
        async with self._order:
            samples = self._turns.end(done.turn_id)
            if samples is not None:
                await self._stream.send(
                    done=speech_pb2.Done(
                        turn_id=done.turn_id,
                        ending=_ENDINGS[done.ending],
                        samples=samples,
                        reason=done.reason or None,
                        message=done.message or None,
                    )
                )


def _text(kind: str, text: str) -> str:
    if not text.strip():
        raise InvalidRequest(f"{kind}: the text is empty", reason="empty_text")
    if len(text) > MAX_TEXT_CHARS:
        raise InvalidRequest(f"{kind} holds at most {MAX_TEXT_CHARS} characters, got {len(text)}", reason="text_too_long")
    return text


def _config(wire: speech_pb2.ConverseConfig, info: speech.SpeechInfo) -> speech.ConversationConfig:
    """The checked config; raises InvalidRequest, or NotFound for a voice that is not there."""
    rate = require_format("input_audio", wire.input_audio, info.input_rates_hz)
    require_format("output_audio", wire.output_audio, [info.sample_rate_hz])
    if not wire.persona.card.id:
        raise InvalidRequest("persona: card.id is missing; send it as the llm service gives it", reason="invalid_persona")
    if len(wire.instructions) > MAX_INSTRUCTIONS_CHARS:
        raise InvalidRequest(f"instructions hold at most {MAX_INSTRUCTIONS_CHARS} characters", reason="text_too_long")
    if sum(len(each.text) for each in wire.history) > MAX_HISTORY_CHARS:
        raise InvalidRequest(
            f"history holds at most {MAX_HISTORY_CHARS} characters; send the newest of it", reason="text_too_long"
        )
    return speech.ConversationConfig(
        instructions=wire.instructions,
        input_rate_hz=rate,
        history=[speech.Said(each.text, each.participant_id == wire.persona.card.id) for each in wire.history],
        voice=_voice(wire, info),
        language=_language(wire, info),
    )


def _voice(wire: speech_pb2.ConverseConfig, info: speech.SpeechInfo) -> str:
    if wire.voice:
        if info.voices and wire.voice not in info.voices:
            raise NotFound(f"no voice {wire.voice!r} here; there is: {', '.join(info.voices)}", reason="unknown_voice")
        return wire.voice
    suits = wire.persona.manner.voice
    if suits and suits not in info.voices:
        # It names a voice of the tts; whether the model has one of that name is chance.
        _log.warning("voice_of_persona_not_here", voice=suits, voices=list(info.voices))
        return ""
    return suits


def _language(wire: speech_pb2.ConverseConfig, info: speech.SpeechInfo) -> str:
    language = wire.language or next(iter(wire.persona.card.languages), "")
    known = {tag.lower() for tag in info.languages} | {tag.split("-")[0].lower() for tag in info.languages}
    if language and known and language.lower() not in known:
        raise InvalidRequest(
            f"language {language!r} is not spoken here; there is: {', '.join(info.languages)}", reason="unsupported_language"
        )
    return language
