"""Speech recognition: word error rate and speed beside the stock library, and the latency of streaming at the pace of speech.

`python -m bench.asr` prints tables and ends in one line of JSON. Quality and speed are measured on 50 read utterances
(LibriSpeech test-other), both recognisers one after the other on each, with one thread; both texts go through Whisper's own
English normaliser. Latency is measured on the service in a process of its own, over gRPC, with 20 ms chunks sent when they
would have been spoken.
"""

from __future__ import annotations

import asyncio
import csv
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc
import jiwer
import numpy as np
import soundfile
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from whisper_normalizer.english import EnglishTextNormalizer

from bench.running import running
from services.asr.engine import Engine, StreamConfig
from services.asr.engine import Final as FinalEvent
from services.asr.engines import ENGINES
from services.common import registry
from services.common.audio import pcm_format, to_pcm
from services.common.settings import SharedSettings
from vivant.asr.v1 import asr_pb2, asr_pb2_grpc
from vivant.errors import VivantError

DATA: Final = Path(__file__).parent / "data" / "librispeech_test_other"
RATE_HZ: Final = 16_000
#: As a browser sends it, and as a file is best sent: the most that a message may hold.
CHUNK: Final = RATE_HZ // 50
FILE_CHUNK: Final = RATE_HZ // 10
#: Utterances of at most this length are streamed; so many of them that it takes about two minutes.
STREAMED_S: Final = 8.0
STREAMED: Final = 20


@dataclass(frozen=True)
class Utterance:
    name: str
    audio: NDArray[np.float32]
    transcript: str

    @property
    def seconds(self) -> float:
        return len(self.audio) / RATE_HZ


@dataclass
class Side:
    """What one recogniser made of the utterances."""

    name: str
    texts: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def wer(self, normalise: Any, references: list[str]) -> float:
        return 100 * float(jiwer.wer([normalise(text) for text in references], [normalise(text) for text in self.texts]))


@dataclass(frozen=True)
class Streamed:
    """The latencies of one streamed utterance, in ms."""

    first_partial: float | None
    final: float


def utterances() -> list[Utterance]:
    with (DATA / "transcripts.csv").open(encoding="utf-8", newline="") as file:
        return [
            Utterance(row["file"], soundfile.read(DATA / row["file"], dtype="float32")[0], row["transcript"])
            for row in csv.DictReader(file)
        ]


async def recognise(engine: Engine, audio: NDArray[np.float32]) -> str:
    """The final text of one utterance, through the session that the service uses."""
    session = engine.open(StreamConfig(RATE_HZ, "en", partials=False))
    for start in range(0, len(audio), FILE_CHUNK):
        await session.push(audio[start : start + FILE_CHUNK], start)
    await session.finish()
    return " ".join([event.text async for event in session.events() if isinstance(event, FinalEvent)])


async def compare(spoken: list[Utterance]) -> tuple[Side, Side]:
    """Ours and the stock library on all utterances."""
    from faster_whisper import WhisperModel

    engine: Engine = registry.load(registry.find(ENGINES, "whisper", "ASR_ENGINE"), SharedSettings())
    engine.load()
    folder = SharedSettings().models_dir / "whisper-base"
    stock = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)
    ours, theirs = Side("whisper, short context"), Side("faster-whisper")
    for utterance in track(spoken, "recognising", console=Console(stderr=True)):
        started = time.perf_counter()
        ours.texts.append(await recognise(engine, utterance.audio))
        between = time.perf_counter()
        segments, _ = stock.transcribe(utterance.audio, language="en", beam_size=1)
        theirs.texts.append(" ".join(segment.text for segment in segments))
        ours.seconds.append(between - started)
        theirs.seconds.append(time.perf_counter() - between)
    engine.close()
    return ours, theirs


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


async def measure() -> dict[str, Any]:
    """All figures."""
    spoken = utterances()
    normalise = EnglishTextNormalizer()
    references = [utterance.transcript for utterance in spoken]
    sides = await compare(spoken)
    streamed = await latencies(spoken)
    wers = [side.wer(normalise, references) for side in sides]
    _print(sides, wers, streamed, sum(utterance.seconds for utterance in spoken))
    firsts = [each.first_partial for each in streamed if each.first_partial is not None]
    finals = [each.final for each in streamed]
    return {
        "wer": round(wers[0], 2),
        "stock_wer": round(wers[1], 2),
        "speedup": round(sum(sides[1].seconds) / sum(sides[0].seconds), 2),
        "final_p50_ms": round(statistics.median(finals), 1),
        "final_p95_ms": round(float(np.percentile(finals, 95)), 1),
        "first_partial_p50_ms": round(statistics.median(firsts), 1),
    }


def _print(sides: tuple[Side, Side], wers: list[float], streamed: list[Streamed], seconds: float) -> None:
    console = Console(file=sys.stdout)
    table = Table(
        "recogniser", "WER %", "s/utterance", "real-time factor", title=f"{len(sides[0].texts)} utterances, one thread"
    )
    for side, wer in zip(sides, wers, strict=True):
        spent = sum(side.seconds)
        table.add_row(side.name, f"{wer:.2f}", f"{spent / len(side.texts):.3f}", f"{spent / seconds:.3f}")
    console.print(table)
    table = Table("ms", "p50", "p95", "most", title=f"{len(streamed)} utterances at the pace of speech, over gRPC")
    partials = [each.first_partial for each in streamed if each.first_partial is not None]
    for name, values in (("speech to first partial", partials), ("flush to final", [each.final for each in streamed])):
        table.add_row(name, *(f"{value:.0f}" for value in (*np.percentile(values, [50, 95]), max(values))))
    console.print(table)


def main() -> None:
    try:
        result = asyncio.run(measure())
    except VivantError as exc:
        raise SystemExit(exc.message) from exc
    except grpc.aio.AioRpcError as exc:
        raise SystemExit(f"the recognition refused: {exc.details()}") from exc
    print(json.dumps(result))


if __name__ == "__main__":
    main()
