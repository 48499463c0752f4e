"""The wire side of the turn service: protobuf to dataclasses, the order of audio, and threads for what computes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import Any, Final

from grpc.aio import ServicerContext

from services.common import ending
from services.common.audio import ChunkOrder, require_format, to_float
from services.common.info import service_info
from services.common.logs import get_logger, session_context
from services.common.metrics import Metrics
from services.common.reading.reading import Reading
from services.common.streams import Admission, Cancelled, ServerStream, rpc
from services.turn import engine as turn
from vivant.common.v1 import common_pb2
from vivant.errors import InvalidRequest
from vivant.turn.v1 import turn_pb2, turn_pb2_grpc

_log = get_logger(__name__)

FULL_NAME: Final = "vivant.turn.v1.TurnService"
MAX_WORDS_CHARS: Final = 4_000
#: The probability from which on the metric calls a turn decided.
_DECIDED: Final = 0.5

_KINDS: Final = {
    turn.OverlapKind.INTERRUPTION: turn_pb2.OVERLAP_KIND_INTERRUPTION,
    turn.OverlapKind.BACKCHANNEL: turn_pb2.OVERLAP_KIND_BACKCHANNEL,
    turn.OverlapKind.NOT_SPEECH: turn_pb2.OVERLAP_KIND_NOT_SPEECH,
}

Stream = ServerStream[turn_pb2.DetectRequest, turn_pb2.DetectResponse]


class TurnServicer(turn_pb2_grpc.TurnServiceServicer):
    """Serves one engine; `threads` bounds how many streams compute at once."""

    def __init__(self, engine: turn.TurnEngine, threads: Executor, admission: Admission, metrics: Metrics) -> None:
        self._engine = engine
        self._threads = threads
        self._admission = admission
        self.metrics = metrics

    @rpc
    async def GetInfo(self, request: turn_pb2.GetInfoRequest, context: ServicerContext[Any, Any]) -> turn_pb2.GetInfoResponse:
        """What this service can do."""
        info = self._engine.info
        able = common_pb2.TurnCapabilities(
            overlap=info.overlap,
            backchannel_opportunities=info.backchannel_opportunities,
            word_languages=info.word_languages,
            bot_audio=info.bot_audio,
        )
        return turn_pb2.GetInfoResponse(info=service_info(info, self._admission, able, input_rates_hz=info.user_rates_hz))

    @rpc
    async def Detect(self, request_iterator: Any, context: ServicerContext[Any, Any]) -> None:  # type: ignore[override]
        """Listens to one person."""
        with self._admission.admit():
            stream: Stream = ServerStream(context, turn_pb2.DetectResponse)
            wire = await stream.config()
            session_context(session_id=wire.session_id)
            await _Detection(stream, wire, self._engine, self._threads, self.metrics).run()


class _Detection:
    """One stream. Messages are computed one after another, so that events come out in the order of what caused them."""

    def __init__(
        self, stream: Stream, wire: turn_pb2.DetectConfig, engine: turn.TurnEngine, threads: Executor, metrics: Metrics
    ) -> None:
        self._stream = stream
        self._threads = threads
        self._metrics = metrics
        self._rate = require_format("user_audio", wire.user_audio, engine.info.user_rates_hz)
        bot_rate = 0
        if wire.HasField("bot_audio"):
            bot_rate = require_format("bot_audio", wire.bot_audio, engine.info.bot_rates_hz)
        self._user = ChunkOrder("user_audio", self._rate)
        self._bot = ChunkOrder("bot_audio", bot_rate) if bot_rate else None
        if wire.language and wire.language.split("-", maxsplit=1)[0].lower() not in engine.info.word_languages:
            _log.warning("language_not_read", language=wire.language, reads=list(engine.info.word_languages))
        self._session = engine.open(turn.StreamConfig(self._rate, bot_rate, wire.language))
        self._decided_for = -1

    async def run(self) -> None:
        try:
            async for kind, payload in self._stream:
                await self._compute(self._call(kind, payload))
            if not self._stream.finished:
                raise Cancelled
            await self._compute(self._session.finish)
        finally:
            self._session.close()
        _log.info("stream_closed", samples=self._user.next_sample)

    def _call(self, kind: str, payload: Any) -> Callable[[], Iterable[turn.Event]]:
        """Checks a message and returns what is to be computed for it."""
        session = self._session
        if kind == "user_audio":
            self._user.accept(payload.pcm, payload.start_sample)
            return lambda: session.push_user(to_float(payload.pcm), payload.start_sample, payload.participant_id)
        if kind == "bot_audio":
            if self._bot is None:
                raise InvalidRequest(
                    "bot_audio came, but config names no format for it: set config.bot_audio", reason="no_bot_audio"
                )
            self._bot.accept(payload.pcm, payload.start_sample)
            return lambda: session.push_bot(to_float(payload.pcm), payload.start_sample)
        if kind == "turn_taken":
            if payload.at_sample < 0:
                raise InvalidRequest("turn_taken: at_sample must not be negative", reason="wrong_at_sample")
            return lambda: self._take(payload.at_sample)
        if kind == "turn_words":
            _require_few(len(payload.text), kind)
            return lambda: session.push_turn_words(payload.text, payload.words_id)
        _require_few(len(payload.stable_text) + len(payload.unstable_text), kind)
        if payload.end_sample < 0:
            raise InvalidRequest("words: end_sample must not be negative", reason="wrong_end_sample")
        ends = ending.from_wire(payload.ending) if payload.HasField("ending") else None
        return lambda: session.push_words(payload.stable_text, payload.unstable_text, payload.end_sample, ends)

    def _take(self, at_sample: int) -> Iterable[turn.Event]:
        self._session.turn_taken(at_sample)
        return ()

    async def _compute(self, call: Callable[[], Iterable[turn.Event]]) -> None:
        """Computes in a thread, and sends each event as soon as it is known."""
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[turn.Event | None] = asyncio.Queue()

        def compute() -> None:
            try:
                for event in call():
                    loop.call_soon_threadsafe(events.put_nowait, event)
            finally:
                loop.call_soon_threadsafe(events.put_nowait, None)

        computed = loop.run_in_executor(self._threads, compute)
        while (event := await events.get()) is not None:
            self._measure(event)
            await _send(self._stream, event)
        await computed

    def _measure(self, event: turn.Event) -> None:
        if isinstance(event, turn.EndOfTurn) and event.probability >= _DECIDED and event.last_speech != self._decided_for:
            self._decided_for = event.last_speech
            seconds = (event.detected_at - event.last_speech) / self._rate
            self._metrics.observe("vivant_end_of_turn_seconds", seconds)
        elif isinstance(event, turn.ModelSteps):
            for seconds in event.seconds:
                self._metrics.observe("vivant_model_step_seconds", seconds)
            self._metrics.count("vivant_model_missed_seconds_total", amount=event.dropped_s)


def _require_few(characters: int, kind: str) -> None:
    if characters > MAX_WORDS_CHARS:
        raise InvalidRequest(f"{kind} hold at most {MAX_WORDS_CHARS} characters", reason="words_too_long")


def _reading(reading: Reading) -> turn_pb2.Reading:
    return turn_pb2.Reading(
        asks=reading.asks,
        looks_for_words=reading.looks_for_words,
        tells_a_story=reading.tells_a_story,
        begins=reading.begins,
    )


async def _send(stream: Stream, event: turn.Event) -> None:
    match event:
        case turn.SpeechSuspected(sample, detected_at):
            await stream.send(speech_suspected=turn_pb2.SpeechSuspected(sample=sample, detected_at_sample=detected_at))
        case turn.SpeechStarted(sample, detected_at, speaker):
            await stream.send(
                speech_started=turn_pb2.SpeechStarted(
                    sample=sample, detected_at_sample=detected_at, participant_id=speaker or None
                )
            )
        case turn.SpeechStopped(last_speech, detected_at):
            await stream.send(
                speech_stopped=turn_pb2.SpeechStopped(last_speech_sample=last_speech, detected_at_sample=detected_at)
            )
        case turn.EndOfTurn(probability, last_speech, detected_at, words_id, reading, waiting_cost_s):
            await stream.send(
                end_of_turn=turn_pb2.EndOfTurn(
                    probability=probability,
                    last_speech_sample=last_speech,
                    detected_at_sample=detected_at,
                    words_id=words_id,
                    reading=_reading(reading) if reading is not None else None,
                    waiting_cost_s=waiting_cost_s,
                )
            )
        case turn.Overlap(kind, probability, start, detected_at):
            await stream.send(
                overlap=turn_pb2.Overlap(
                    kind=_KINDS[kind], probability=probability, start_sample=start, detected_at_sample=detected_at
                )
            )
        case turn.BackchannelOpportunity(probability, detected_at):
            await stream.send(
                backchannel_opportunity=turn_pb2.BackchannelOpportunity(probability=probability, detected_at_sample=detected_at)
            )
