"""The latency of the service in a process of its own, over gRPC, with chunks sent when they would have been spoken."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.progress import track

from bench.asr.material import RATE_HZ, Utterance
from bench.running import running
from services.common.audio import pcm_format, to_pcm
from vivant.asr.v1 import asr_pb2, asr_pb2_grpc

#: As a browser sends it.
CHUNK: Final = RATE_HZ // 50
#: Utterances of at most this length are streamed; so many of them that it takes about two minutes.
STREAMED_S: Final = 8.0
STREAMED: Final = 20


@dataclass(frozen=True)
class Streamed:
    """The latencies of one streamed utterance, in ms."""

    first_partial: float | None
    final: float


async def stream(stub: Any, utterance: Utterance) -> Streamed:
    """Speaks one utterance to the service and flushes at its end."""
    origin = time.perf_counter()
    flushed: list[float] = []

    async def requests() -> AsyncIterator[asr_pb2.TranscribeRequest]:
        yield asr_pb2.TranscribeRequest(config=asr_pb2.TranscribeConfig(audio=pcm_format(RATE_HZ), partials=True))
        for start in range(0, len(utterance.audio), CHUNK):
            piece = utterance.audio[start : start + CHUNK]
            await asyncio.sleep(origin + (start + len(piece)) / RATE_HZ - time.perf_counter())
            yield asr_pb2.TranscribeRequest(audio=asr_pb2.AudioChunk(pcm=to_pcm(piece), start_sample=start))
        flushed.append(time.perf_counter())
        yield asr_pb2.TranscribeRequest(flush=asr_pb2.Flush(flush_id=1))
        yield asr_pb2.TranscribeRequest(finish=asr_pb2.Finish())

    first: float | None = None
    final = float("nan")
    async for response in stub.Transcribe(requests()):
        now = time.perf_counter()
        kind = response.WhichOneof("response")
        if kind == "partial" and first is None:
            first = (now - origin - response.partial.start_sample / RATE_HZ) * 1000
        elif kind == "final":
            final = (now - flushed[0]) * 1000
    return Streamed(first, final)


async def latencies(spoken: list[Utterance]) -> list[Streamed]:
    short = [utterance for utterance in spoken if utterance.seconds <= STREAMED_S]
    chosen = [short[index] for index in np.linspace(0, len(short) - 1, STREAMED).astype(int)]
    async with running("asr", ASR_ENGINE="whisper") as channel:
        stub = asr_pb2_grpc.AsrServiceStub(channel)
        return [await stream(stub, utterance) for utterance in track(chosen, "streaming", console=Console(stderr=True))]
