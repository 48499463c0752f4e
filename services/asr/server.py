"""The asr contract over gRPC: what is asked is checked here, what is understood becomes messages here."""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter
from typing import Any, Final

from services.asr.engine import Ends, Engine, NoSpeech, Partial, Session, StreamConfig, Word
from services.asr.engine import Final as FinalEvent
from services.common import ending
from services.common.audio import ChunkOrder, require_format, to_float
from services.common.info import service_info
from services.common.labels import Labels
from services.common.logs import get_logger, session_context
from services.common.metrics import Metrics
from services.common.streams import Admission, ServerStream, rpc
from vivant.asr.v1 import asr_pb2, asr_pb2_grpc
from vivant.common.v1 import common_pb2
from vivant.errors import InvalidRequest

FULL_NAME: Final = asr_pb2.DESCRIPTOR.services_by_name["AsrService"].full_name

_log = get_logger(__name__)

Stream = ServerStream[asr_pb2.TranscribeRequest, asr_pb2.TranscribeResponse]


class AsrServicer(asr_pb2_grpc.AsrServiceServicer):
    """Serves one engine."""

    def __init__(self, engine: Engine, admission: Admission, metrics: Metrics) -> None:
        self.metrics = metrics
        self._engine = engine
        self._admission = admission

    @rpc
    async def GetInfo(self, request: asr_pb2.GetInfoRequest, context: Any) -> asr_pb2.GetInfoResponse:
        info = self._engine.info
        able = common_pb2.AsrCapabilities(
            partials=True,
            word_times=True,
            word_confidence=info.word_confidence,
            voices=info.voices,
            ending_languages=info.ending_languages,
        )
        return asr_pb2.GetInfoResponse(info=service_info(info, self._admission, able, input_rates_hz=info.sample_rates_hz))

    @rpc
    async def Transcribe(self, request: Any, context: Any) -> None:  # type: ignore[override]
        with self._admission.admit():
            stream: Stream = ServerStream(context, asr_pb2.TranscribeResponse)
            call = _Call(stream, await stream.config(), self._engine, self.metrics)
            await call.run()


class _Call:
    """One stream: a task that reads it and one that writes it, around an engine's session."""

    def __init__(self, stream: Stream, config: asr_pb2.TranscribeConfig, engine: Engine, metrics: Metrics) -> None:
        rate = require_format("audio", config.audio, engine.info.sample_rates_hz)
        language = _language(config.language, engine.info.languages)
        session_context(session_id=config.session_id)
        self._stream = stream
        self._metrics = metrics
        self._rate = rate
        self._order = ChunkOrder("audio", rate)
        self._speakers = Labels[str]()
        self._voices: set[str] = set()
        self._given_up: dict[str, str] = {}
        self._flushes: deque[float] = deque()
        self._silent_until = 0
        self._session: Session = engine.open(StreamConfig(rate, language, config.partials, config.voices, config.endings))

    async def run(self) -> None:
        _log.info("stream_opened", sample_rate_hz=self._rate)
        try:
            async with asyncio.TaskGroup() as tasks:
                writer = tasks.create_task(self._write(), name="write")
                await self._read()
                if not self._stream.finished:
                    writer.cancel()
        finally:
            await self._session.close()
        _log.info("stream_closed", finished=self._stream.finished, samples=self._order.next_sample)

    async def _read(self) -> None:
        async for kind, message in self._stream:
            if kind == "audio":
                await self._hear(message)
            else:
                if message.flush_id < 1:
                    raise InvalidRequest("flush: flush_id must be above 0; 0 is the answer to finish", reason="wrong_flush_id")
                self._flushes.append(perf_counter())
                await self._session.flush(message.flush_id)
        if self._stream.finished:
            self._flushes.append(perf_counter())
            await self._session.finish()

    async def _hear(self, chunk: asr_pb2.AudioChunk) -> None:
        self._order.accept(chunk.pcm, chunk.start_sample)
        end = self._order.next_sample
        self._speakers.heard(chunk.participant_id, chunk.start_sample, end)
        await self._session.push(to_float(chunk.pcm), chunk.start_sample)

    async def _write(self) -> None:
        async for event in self._session.events():
            if isinstance(event, Ends):
                await self._stream.send(ends=asr_pb2.Ends(flush_id=event.flush_id, ending=ending.to_wire(event.ending)))
                continue
            self._measure(event)
            if not isinstance(event, NoSpeech):
                await self._introduce(event)
            if isinstance(event, Partial):
                await self._stream.send(partial=self._partial(event))
            elif isinstance(event, FinalEvent):
                await self._stream.send(final=self._final(event))
            else:
                await self._stream.send(no_speech=_no_speech(event))

    async def _introduce(self, event: Partial | FinalEvent) -> None:
        """Says whose voices there are before anything refers to them, and which of them turned out to be one."""
        if event.speaker and event.speaker not in self._voices:
            self._voices.add(event.speaker)
            person = common_pb2.Participant(id=event.speaker, kind=common_pb2.PARTICIPANT_KIND_PERSON)
            await self._stream.send(voice=asr_pb2.Voice(participant=person, start_sample=event.start_sample))
        if isinstance(event, FinalEvent):
            for younger, older in event.given_up.items():
                if self._given_up.get(younger) != older:
                    await self._stream.send(relabel=common_pb2.Relabel(from_id=younger, to_id=older))
            self._voices -= event.given_up.keys() - {event.speaker}
            self._given_up = dict(event.given_up)

    def _measure(self, event: Partial | FinalEvent | NoSpeech) -> None:
        """The first partial of an utterance on the audio's own clock, a final on the wall's."""
        if not isinstance(event, Partial):
            self._metrics.observe("vivant_final_seconds", perf_counter() - self._flushes.popleft())
            self._silent_until = event.end_sample
        elif event.start_sample >= self._silent_until:
            late = (self._order.next_sample - event.start_sample) / self._rate
            self._metrics.observe("vivant_first_partial_seconds", late)
            self._silent_until = self._order.next_sample + 1

    def _partial(self, event: Partial) -> asr_pb2.Partial:
        return asr_pb2.Partial(
            stable_text=event.stable_text,
            unstable_text=event.unstable_text,
            start_sample=event.start_sample,
            end_sample=event.end_sample,
            participant_id=self._who(event),
        )

    def _final(self, event: FinalEvent) -> asr_pb2.Final:
        return asr_pb2.Final(
            flush_id=event.flush_id,
            text=event.text,
            words=[_word(word) for word in event.words],
            start_sample=event.start_sample,
            end_sample=event.end_sample,
            participant_id=self._who(event),
            language=event.language or None,
        )

    def _who(self, event: Partial | FinalEvent) -> str | None:
        """As the caller said, else as the voice tells."""
        return self._speakers.during(event.start_sample, event.end_sample) or event.speaker or None


def _no_speech(event: NoSpeech) -> asr_pb2.NoSpeech:
    return asr_pb2.NoSpeech(flush_id=event.flush_id, start_sample=event.start_sample, end_sample=event.end_sample)


def _word(word: Word) -> common_pb2.Word:
    return common_pb2.Word(
        text=word.text, start_sample=word.start_sample, end_sample=word.end_sample, confidence=word.confidence
    )


def _language(asked: str, languages: tuple[str, ...]) -> str:
    """The engine's name for a BCP 47 tag: the tag itself, or its language without region and script."""
    if not asked:
        return languages[0]
    for tag in (asked, asked.split("-", maxsplit=1)[0].lower()):
        if tag in languages:
            return tag
    raise InvalidRequest(f"language {asked!r} is not one of this engine's: {', '.join(languages)}", reason="unknown_language")
