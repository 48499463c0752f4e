"""A stand-in for an NVIDIA Riva server, of the vendor's own messages: it keeps the protocol, or breaks it as it is told.

It recognises tones and speaks in tones. A word is a stretch of sound between two silences, named by its pitch, so that words
say which sound was heard; a letter that is spoken is a tone, so that sound says which text was sent.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html import unescape
from typing import Any, Final, Literal

import grpc
import numpy as np
from numpy.typing import NDArray
from riva.client.proto import riva_asr_pb2, riva_asr_pb2_grpc, riva_tts_pb2, riva_tts_pb2_grpc

KEY, FUNCTION = "sesame-1234", "fn-5678"
MODEL: Final = "tones-en-US-streaming"
VOICE, SPANISH_VOICE = "English-US.Female-1", "Spanish-US.Male-1"

WORDS: Final = (
    "amber",
    "birch",
    "cedar",
    "delta",
    "ember",
    "fern",
    "grove",
    "heron",
    "iris",
    "juniper",
    "kestrel",
    "lark",
    "maple",
    "nettle",
    "otter",
    "pine",
    "quail",
    "reed",
    "sable",
    "thistle",
)
#: The pitch of a word's middle is so far from that of the next word.
_STEP_HZ: Final = 100
_FRAME_MS: Final = 10
_LOUD: Final = 0.01
#: A word is over after so much silence, and at this length even while it sounds; words are final after so much silence.
_WORD_PAUSE_MS, _LONGEST_MS, _ENDPOINT_MS = 30, 400, 800

LETTER_MS: Final = 40
_CHUNK_MS: Final = 100

Refusal = tuple[grpc.StatusCode, str]


def tone(word: str, ms: int = 200, rate_hz: int = 16_000) -> NDArray[np.float32]:
    """Sound that the stand-in recognises as `word`."""
    hz = (WORDS.index(word) + 2.5) * _STEP_HZ
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(rate_hz * ms // 1000) / rate_hz)).astype(np.float32)


@dataclass
class Behaviour:
    """How it serves; as it should unless it is told otherwise."""

    key: str = KEY
    function: str = FUNCTION
    refuse: Refusal | None = None
    """Every call ends with this."""
    lists: bool = True
    """It says what it has."""
    slow_s: float = 0.0
    """Before its first answer to a call."""
    pace_s: float = 0.0
    """Between two pieces of sound."""
    mute: bool = False
    """It takes everything and gives nothing."""
    cuts: list[tuple[float, grpc.StatusCode]] = field(default_factory=list)
    """After how many seconds of sound the next calls end, and with what; those after them are served."""
    timed: Literal["words", "late", "durations", "no"] = "words"
    """Which times it gives of its words, and whether with the first answer."""
    disordered: bool = False
    """Final words come in the wrong order, and interim ones after their final."""
    parts: bool = False
    """Interim words come in two results, the stable ones first."""
    sound: Literal["whole", "none", "odd", "short"] = "whole"


class RivaServer(riva_asr_pb2_grpc.RivaSpeechRecognitionServicer, riva_tts_pb2_grpc.RivaSpeechSynthesisServicer):
    """`behaviour` may be changed between two calls."""

    def __init__(self) -> None:
        self.behaviour = Behaviour()
        self.address = ""
        self.configs: list[Any] = []
        """Of each stream of recognition."""
        self.requests: list[Any] = []
        """For speech."""
        self.cancelled = 0

    async def GetRivaSpeechRecognitionConfig(self, request: Any, context: Any) -> Any:
        await self._admit(context, listing=True)
        answer = riva_asr_pb2.RivaSpeechRecognitionConfigResponse()
        for name, kind, language in ((MODEL, "online", "en-US"), ("tones-de", "online", "de-DE"), ("slow", "offline", "fr-FR")):
            entry = answer.model_config.add(model_name=name)
            entry.parameters.update({"type": kind, "language_code": language})
        return answer

    async def GetRivaSynthesisConfig(self, request: Any, context: Any) -> Any:
        await self._admit(context, listing=True)
        answer = riva_tts_pb2.RivaSynthesisConfigResponse()
        for name, language, parts in (("English-US", "en-US", "Female-1:0,Male-1:1"), ("Spanish-US", "es-US", "Male-1:0")):
            entry = answer.model_config.add(model_name="letters")
            entry.parameters.update({"voice_name": name, "language_code": language, "subvoices": parts})
        return answer

    async def _admit(self, context: Any, *, listing: bool = False) -> None:
        behaviour, metadata = self.behaviour, dict(context.invocation_metadata())
        if listing and not behaviour.lists:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "no such method")
        if behaviour.refuse:
            await context.abort(*behaviour.refuse)
        if metadata.get("authorization") != f"Bearer {behaviour.key}":
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, f"invalid key {metadata.get('authorization')}")
        if metadata.get("function-id") != behaviour.function:
            await context.abort(grpc.StatusCode.NOT_FOUND, "function not found")

    async def StreamingRecognize(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        await self._admit(context)
        recognition = await self._recognition(requests, context)
        cut_s, status = self.behaviour.cuts.pop(0) if self.behaviour.cuts else (float("inf"), grpc.StatusCode.OK)
        async for request in requests:
            if request.WhichOneof("streaming_request") != "audio_content":
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "only audio after the configuration")
            for answer in recognition.hear(request.audio_content):
                if not self.behaviour.mute:
                    yield answer
            if recognition.heard_s >= cut_s:
                if status is not grpc.StatusCode.OK:
                    await context.abort(status, "the worker is gone")
                return
        if self.behaviour.mute:
            await asyncio.Event().wait()
        await asyncio.sleep(self.behaviour.slow_s)
        for answer in recognition.finish():
            yield answer

    async def _recognition(self, requests: Any, context: Any) -> _Recognition:
        first = await anext(aiter(requests))
        if first.WhichOneof("streaming_request") != "streaming_config":
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the first request must be the configuration")
        config = first.streaming_config
        self.configs.append(config)
        asked = config.config
        if asked.language_code not in ("en-US", "de-DE") or asked.model not in ("", MODEL):
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, f"Unavailable model requested: language_code={asked.language_code}"
            )
        return _Recognition(config, self.behaviour)

    async def SynthesizeOnline(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        await self._admit(context)
        (request,) = [each async for each in requests]
        self.requests.append(request)
        behaviour = self.behaviour
        try:
            await asyncio.sleep(behaviour.slow_s)
            if behaviour.mute:
                await asyncio.Event().wait()
            cut_s, status = behaviour.cuts.pop(0) if behaviour.cuts else (float("inf"), grpc.StatusCode.OK)
            for index, answer in enumerate(_speech(request, behaviour)):
                if index * _CHUNK_MS / 1000 >= cut_s:
                    await context.abort(status, "the worker is gone")
                yield answer
                await asyncio.sleep(behaviour.pace_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


@dataclass(frozen=True)
class _Heard:
    text: str
    start_ms: int
    end_ms: int


class _Recognition:
    """One stream: frames of 10 ms become words."""

    def __init__(self, config: Any, behaviour: Behaviour) -> None:
        self._interim = config.interim_results
        self._timed = config.config.enable_word_time_offsets and behaviour.timed != "no"
        self._behaviour = behaviour
        self._rate = config.config.sample_rate_hertz
        self._frame = self._rate * _FRAME_MS // 1000
        self._rest = np.empty(0, np.float32)
        self._ms = 0
        self._word: list[NDArray[np.float32]] = []
        self._quiet_ms = 0
        self._words: list[_Heard] = []
        self._finals: list[Any] = []
        self._told = ""

    @property
    def heard_s(self) -> float:
        return self._ms / 1000

    def hear(self, pcm: bytes) -> Iterator[Any]:
        audio = np.concatenate((self._rest, np.frombuffer(pcm, "<i2").astype(np.float32) / 32768))
        whole = len(audio) // self._frame * self._frame
        self._rest = audio[whole:]
        for frame in audio[:whole].reshape(-1, self._frame):
            self._ms += _FRAME_MS
            self._take(frame)
            if self._words and self._quiet_ms == _ENDPOINT_MS:
                yield from self._final()
        yield from self._guess()

    def _take(self, frame: NDArray[np.float32]) -> None:
        loud = float(np.abs(frame).max()) > _LOUD
        self._quiet_ms = 0 if loud else self._quiet_ms + _FRAME_MS
        if loud or self._word:
            self._word.append(frame)
        if self._word and (self._quiet_ms >= _WORD_PAUSE_MS or len(self._word) * _FRAME_MS >= _LONGEST_MS):
            self._end_word()

    def _end_word(self) -> None:
        sounding = len(self._word) - min(self._quiet_ms, _WORD_PAUSE_MS) // _FRAME_MS
        start_ms = self._ms - len(self._word) * _FRAME_MS
        self._words.append(_Heard(_name(self._word[:sounding], self._rate), start_ms, start_ms + sounding * _FRAME_MS))
        self._word = []

    def finish(self) -> Iterator[Any]:
        if self._word:
            self._end_word()
        if self._words:
            yield from self._final()
        if self._behaviour.disordered:
            late = self._result("nonsense from long ago", audio_processed=0.1)
            yield from (*self._finals[::-1], _response(late))

    def _final(self) -> Iterator[Any]:
        words, self._words, self._told = self._words, [], ""
        text = " ".join(word.text for word in words)
        result = self._result(f"{text.capitalize()}. ", is_final=True, stability=1)
        if self._timed:
            for word in words:
                result.alternatives[0].words.add(word=word.text, start_time=word.start_ms, end_time=word.end_ms, confidence=0.9)
        if self._behaviour.disordered:
            self._finals.append(_response(result))
        else:
            yield _response(result)

    def _guess(self) -> Iterator[Any]:
        """An interim result, when it is another one than before."""
        known = [word.text for word in self._words]
        guess = [_name(self._word, self._rate)] if self._word else []
        text = " ".join([*known, *guess])
        if not self._interim or not text or text == self._told:
            return
        self._told = text
        if self._behaviour.parts and known:
            yield _response(
                self._result(" ".join(known), stability=0.9), *([self._result(f" {guess[0]}", stability=0.1)] if guess else [])
            )
        else:
            yield _response(self._result(text, stability=0.1))

    def _result(self, text: str, **fields: Any) -> Any:
        fields = {"audio_processed": self._ms / 1000} | fields
        return riva_asr_pb2.StreamingRecognitionResult(
            alternatives=[riva_asr_pb2.SpeechRecognitionAlternative(transcript=text)], **fields
        )


def _response(*results: Any) -> Any:
    return riva_asr_pb2.StreamingRecognizeResponse(results=results)


def _name(frames: Sequence[NDArray[np.float32]], rate_hz: int) -> str:
    """The word whose pitch it is."""
    audio = np.concatenate(frames)
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 4 * rate_hz // 10))
    hz = int(spectrum.argmax()) * rate_hz / (4 * rate_hz // 10)
    return WORDS[int(hz / _STEP_HZ - 2) % len(WORDS)]


def _speech(request: Any, behaviour: Behaviour) -> Iterator[Any]:
    """The answers to a request for speech."""
    ssml = re.fullmatch(r'<speak><prosody rate="(\d+)%">(.*)</prosody></speak>', request.text)
    text, rate = (unescape(ssml[2]), int(ssml[1]) / 100) if ssml else (request.text, 1.0)
    letter = round(LETTER_MS / rate)
    pcm = b"".join(_letter(char, letter, request.sample_rate_hz) for char in text)
    pcm = {"whole": pcm, "none": b"", "odd": pcm[:-1], "short": pcm[: len(pcm) // 4 * 2]}[behaviour.sound]
    meta = _times(text, letter, behaviour, asked=request.enable_word_time_offsets)
    size = 2 * request.sample_rate_hz * _CHUNK_MS // 1000
    chunks = [pcm[at : at + size] for at in range(0, len(pcm), size)] or [b""]
    with_times = len(chunks) // 2 if behaviour.timed == "late" else 0
    for index, chunk in enumerate(chunks):
        yield riva_tts_pb2.SynthesizeSpeechResponse(audio=chunk, meta=meta if index == with_times else None)


def _letter(char: str, ms: int, rate_hz: int) -> bytes:
    at = np.arange(rate_hz * ms // 1000)
    hz = 200 + 20 * (ord(char.lower()) % 64)
    level = 0.3 if char.isalnum() else 0.0
    return bytes((level * 32767 * np.sin(2 * np.pi * hz * at / rate_hz)).astype("<i2").tobytes())


def _times(text: str, letter_ms: int, behaviour: Behaviour, *, asked: bool) -> Any:
    meta = riva_tts_pb2.SynthesizeSpeechResponseMetadata(text=text)
    if behaviour.timed == "durations":
        meta.processed_text = text
        meta.predicted_durations.extend([1.0] * len(text))
    elif behaviour.timed != "no" and asked:
        for word in re.finditer(r"\S+", text):
            meta.words.add(word=word[0], start_time=word.start() * letter_ms, end_time=word.end() * letter_ms)
    return meta


@asynccontextmanager
async def riva_serving(
    address: str = "127.0.0.1:0", credentials: grpc.ServerCredentials | None = None
) -> AsyncIterator[RivaServer]:
    """A running server."""
    made = RivaServer()
    server = grpc.aio.server()
    riva_asr_pb2_grpc.add_RivaSpeechRecognitionServicer_to_server(made, server)
    riva_tts_pb2_grpc.add_RivaSpeechSynthesisServicer_to_server(made, server)
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    made.address = f"{address.rpartition(':')[0]}:{port}"
    await server.start()
    try:
        yield made
    finally:
        await server.stop(None)
