"""The wire side of the tts service: protobuf to dataclasses, the order of a reply, and the bounds on its text."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Final

from grpc.aio import ServicerContext

from services.common.audio import MAX_CHUNK_MS, require_format
from services.common.info import service_info
from services.common.logs import get_logger, session_context
from services.common.metrics import Metrics
from services.common.streams import Admission, Cancelled, ServerStream, rpc
from services.tts.engine import Flush, Speech, Text, TtsInfo, VoiceConfig, VoiceEngine
from vivant.common.v1 import common_pb2
from vivant.errors import InvalidRequest, NotFound
from vivant.tts.v1 import tts_pb2, tts_pb2_grpc

_log = get_logger(__name__)

FULL_NAME: Final = "vivant.tts.v1.TtsService"
MAX_TEXT_CHARS: Final = 2_000
MAX_REPLY_CHARS: Final = 20_000
MIN_SPEED: Final = 0.5
MAX_SPEED: Final = 2.0
#: Inputs waiting for the engine; then the sender is held by flow control.
_QUEUE: Final = 64

Stream = ServerStream[tts_pb2.SynthesizeRequest, tts_pb2.SynthesizeResponse]


class TtsServicer(tts_pb2_grpc.TtsServiceServicer):
    """Serves one engine."""

    def __init__(self, engine: VoiceEngine, admission: Admission, metrics: Metrics) -> None:
        self._engine = engine
        self._admission = admission
        self.metrics = metrics

    @rpc
    async def GetInfo(self, request: tts_pb2.GetInfoRequest, context: ServicerContext[Any, Any]) -> tts_pb2.GetInfoResponse:
        """What this service can do."""
        info = self._engine.info
        return tts_pb2.GetInfoResponse(
            info=service_info(
                info,
                self._admission,
                common_pb2.TtsCapabilities(phoneme_times=info.phoneme_times, word_times=True, speed=info.speed),
                output_rates_hz=[info.sample_rate_hz],
            ),
            voices=info.voices,
        )

    @rpc
    async def Synthesize(self, request_iterator: Any, context: ServicerContext[Any, Any]) -> None:  # type: ignore[override]
        """Speaks one reply."""
        with self._admission.admit():
            stream: Stream = ServerStream(context, tts_pb2.SynthesizeResponse)
            wire = await stream.config()
            session_context(session_id=wire.session_id, turn_id=wire.turn_id)
            config = _config(wire, self._engine.info)
            await _Reply(stream, self._engine, config, wire.turn_id, self.metrics).run()


class _Reply:
    """One reply: a task reads text, a task speaks it, and the end of one is the end of both."""

    def __init__(self, stream: Stream, engine: VoiceEngine, config: VoiceConfig, turn_id: int, metrics: Metrics) -> None:
        self._stream = stream
        self._engine = engine
        self._config = config
        self._turn_id = turn_id
        self._metrics = metrics
        self._inputs: asyncio.Queue[Text | Flush | None] = asyncio.Queue(_QUEUE)
        self._samples = 0
        self._waiting_since: float | None = None

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(), name="read")
            tasks.create_task(self._speak(), name="speak")

    async def _read(self) -> None:
        chars = 0
        async for kind, payload in self._stream:
            if kind == "flush":
                await self._inputs.put(Flush())
                continue
            text = payload.text
            chars += len(text)
            if len(text) > MAX_TEXT_CHARS:
                raise InvalidRequest(
                    f"a text message holds at most {MAX_TEXT_CHARS} characters, got {len(text)}: send it clause by clause",
                    reason="text_too_long",
                )
            if chars > MAX_REPLY_CHARS:
                raise InvalidRequest(f"a reply holds at most {MAX_REPLY_CHARS} characters", reason="reply_too_long")
            if self._waiting_since is None and self._samples == 0 and text.strip():
                self._waiting_since = time.monotonic()
            await self._inputs.put(Text(text))
        if not self._stream.finished:
            raise Cancelled
        await self._inputs.put(None)

    async def _speak(self) -> None:
        async with aclosing(self._engine.synthesize(self._config, self._texts())) as stretches:
            async for speech in stretches:
                await self._send(speech)
        await self._stream.send(done=tts_pb2.Done(turn_id=self._turn_id, samples=self._samples))
        _log.info("reply_spoken", samples=self._samples)

    async def _texts(self) -> AsyncIterator[Text | Flush]:
        while (item := await self._inputs.get()) is not None:
            yield item

    async def _send(self, speech: Speech) -> None:
        """Sends a stretch in messages of at most 100 ms; all its times come with the first."""
        if self._samples == 0 and self._waiting_since is not None:
            self._metrics.observe("vivant_first_audio_seconds", time.monotonic() - self._waiting_since)
        size = 2 * (self._engine.info.sample_rate_hz * MAX_CHUNK_MS // 1000)
        for at in range(0, len(speech.pcm), size):
            pcm = speech.pcm[at : at + size]
            audio = tts_pb2.Audio(turn_id=self._turn_id, pcm=pcm, start_sample=self._samples)
            if at == 0:
                audio.phonemes.extend(
                    common_pb2.Phoneme(symbol=p.symbol, start_sample=p.start_sample, end_sample=p.end_sample, stress=p.stress)
                    for p in speech.phonemes
                )
                audio.words.extend(
                    common_pb2.Word(text=w.text, start_sample=w.start_sample, end_sample=w.end_sample, confidence=1.0)
                    for w in speech.words
                )
                audio.unspoken_scripts.extend(speech.unspoken_scripts)
            await self._stream.send(audio=audio)
            self._samples += len(pcm) // 2


def _config(wire: tts_pb2.SynthesizeConfig, info: TtsInfo) -> VoiceConfig:
    """The checked config; raises InvalidRequest, or NotFound for a voice that is not there."""
    require_format("audio", wire.audio, [info.sample_rate_hz])
    voice = wire.voice or info.voices[0]
    if voice not in info.voices:
        raise NotFound(f"no voice {voice!r} here; there is: {', '.join(info.voices)}", reason="unknown_voice")
    language = wire.language.lower()
    tags = {tag.lower() for tag in info.languages}
    # Where an engine names no region it speaks the language in all of them (RFC 4647, lookup).
    known = language in tags or language.split("-")[0] in tags or language in {tag.split("-")[0] for tag in tags}
    if language and tags and not known:
        raise InvalidRequest(
            f"language {wire.language!r} is not spoken here; there is: {', '.join(info.languages)}",
            reason="unsupported_language",
        )
    speed = wire.speed if wire.HasField("speed") else 1.0
    if not MIN_SPEED <= speed <= MAX_SPEED:
        raise InvalidRequest(f"speed must be {MIN_SPEED} to {MAX_SPEED}, not {wire.speed}", reason="wrong_speed")
    return VoiceConfig(voice=voice, speed=speed, language=wire.language)
