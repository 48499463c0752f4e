"""Speech recognition: word error rate and speed beside the stock library, and the latency of streaming at the pace of speech.

`python -m bench.asr` prints tables and ends in one line of JSON. Quality and speed are measured on 50 read utterances of the
five speakers on whom the recogniser was developed (LibriSpeech test-other), both recognisers one after the other on each, with
one thread; both texts go through Whisper's own English normaliser. What can be expected for others is measured on these and
further speakers by cross-validation (`asr_scoring.py`). Latency is measured on the service in a process of its own, over gRPC,
with 20 ms chunks sent when they would have been spoken.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import grpc
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from whisper_normalizer.english import EnglishTextNormalizer

from bench.asr_material import RATE_HZ, Utterance, development, further
from bench.asr_scoring import Choice, Score, Side, cross_validated, likely_difference, score
from bench.running import running
from services.asr.engine import Engine, StreamConfig
from services.asr.engine import Final as FinalEvent
from services.asr.engines.whisper import WhisperEngine
from services.asr.settings import WhisperOptions
from services.common.audio import pcm_format, to_pcm
from services.common.settings import SharedSettings
from vivant.asr.v1 import asr_pb2, asr_pb2_grpc
from vivant.errors import VivantError

#: What cross-validation chooses from, besides what is set. More of them: `bench.asr_choice`.
CHOICES: Final = (Choice(12, 4, 1), Choice(12, 4, 5), Choice(9, 3, 5))
#: As a browser sends it, and as a file is best sent: the most that a message may hold.
CHUNK: Final = RATE_HZ // 50
FILE_CHUNK: Final = RATE_HZ // 10
#: Utterances of at most this length are streamed; so many of them that it takes about two minutes.
STREAMED_S: Final = 8.0
STREAMED: Final = 20


@dataclass(frozen=True)
class Streamed:
    """The latencies of one streamed utterance, in ms."""

    first_partial: float | None
    final: float


def as_set() -> Choice:
    """What the service would use."""
    options = _options()
    return Choice(options.context_s, options.padding_s, options.beam)


async def recognise(engine: Engine, audio: NDArray[np.float32]) -> str:
    """The final text of one utterance, through the session that the service uses."""
    session = engine.open(StreamConfig(RATE_HZ, "en", partials=False))
    for start in range(0, len(audio), FILE_CHUNK):
        await session.push(audio[start : start + FILE_CHUNK], start)
    await session.finish()
    return " ".join([event.text async for event in session.events() if isinstance(event, FinalEvent)])


async def compare(spoken: list[Utterance], choices: Sequence[Choice]) -> tuple[list[Side], Side]:
    """Ours with each of the choices, and the stock library: one after the other on each utterance, with one thread.

    Seconds are those of the CPU, so that what else the machine does is not counted.
    """
    from faster_whisper import WhisperModel

    engines = [_engine(choice) for choice in choices]
    folder = SharedSettings().models_dir / "whisper-base"
    stock = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)
    ours, theirs = [Side(str(choice)) for choice in choices], Side("faster-whisper, greedy")
    for utterance in track(spoken, "recognising", console=Console(stderr=True)):
        for engine, side in zip(engines, ours, strict=True):
            started = time.process_time()
            side.texts.append(await recognise(engine, utterance.audio))
            side.seconds.append(time.process_time() - started)
        started = time.process_time()
        segments, _ = stock.transcribe(utterance.audio, language="en", beam_size=1)
        theirs.texts.append(" ".join(segment.text for segment in segments))
        theirs.seconds.append(time.process_time() - started)
    for engine in engines:
        engine.close()
    return ours, theirs


def _engine(choice: Choice) -> Engine:
    options = _options(context_s=choice.context_s, padding_s=choice.padding_s, beam=choice.beam, threads=1)
    engine = WhisperEngine(options, SharedSettings())
    engine.load()
    return engine


def _options(**changes: Any) -> WhisperOptions:
    """What is set, with `changes`."""
    return WhisperOptions(**changes)


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
    read, others = development(), further()
    spoken = read + others
    choices = (as_set(), *(choice for choice in CHOICES if choice != as_set()))
    ours, theirs = await compare(spoken, choices)
    streamed = await latencies(read)
    *scores, stock = scored([*ours, theirs], spoken)
    held_out, chosen = cross_validated(scores, stock, [utterance.speaker for utterance in spoken])
    known = np.arange(len(spoken)) < len(read)
    default, reference = scores[0].of(known), stock.of(known)
    low, high = likely_difference(held_out, stock)
    _print(read, [(ours[0].name, default), (theirs.name, reference)], streamed)
    print_choices(ours, scores, stock, chosen, held_out)
    firsts = [each.first_partial for each in streamed if each.first_partial is not None]
    finals = [each.final for each in streamed]
    return {
        "wer": round(default.wer, 2),
        "stock_wer": round(reference.wer, 2),
        "wer_unseen": round(held_out.wer, 2),
        "stock_wer_unseen": round(stock.wer, 2),
        "unseen_difference_low": round(low, 2),
        "unseen_difference_high": round(high, 2),
        "speedup": round(default.times_as_fast(reference), 2),
        "final_p50_ms": round(statistics.median(finals), 1),
        "final_p95_ms": round(float(np.percentile(finals, 95)), 1),
        "first_partial_p50_ms": round(statistics.median(firsts), 1),
    }


def scored(sides: Sequence[Side], spoken: Sequence[Utterance]) -> list[Score]:
    normalise = EnglishTextNormalizer()
    return [score(side, [utterance.transcript for utterance in spoken], normalise) for side in sides]


def print_choices(sides: Sequence[Side], scores: Sequence[Score], stock: Score, chosen: Counter[int], held_out: Score) -> None:
    """What can be chosen, for how many of the speakers each was, and what came of it for them."""
    low, high = likely_difference(held_out, stock)
    table = Table(
        "whisper with", "WER %", "times as fast", "chosen for speakers", title=f"{len(stock.words)} utterances, all speakers"
    )
    for at, (side, each) in enumerate(zip(sides, scores, strict=True)):
        table.add_row(side.name, f"{each.wer:.2f}", f"{each.times_as_fast(stock):.2f}", str(chosen[at]))
    table.add_section()
    table.add_row("chosen on the other speakers", f"{held_out.wer:.2f}", f"{held_out.times_as_fast(stock):.2f}", "")
    table.add_row("faster-whisper, greedy", f"{stock.wer:.2f}", "1.00", "")
    table.add_row("difference, 95 % of draws", f"{low:+.2f} to {high:+.2f}", "", "")
    Console(file=sys.stdout).print(table)


def _print(spoken: Sequence[Utterance], rows: list[tuple[str, Score]], streamed: list[Streamed]) -> None:
    console = Console(file=sys.stdout)
    seconds = sum(utterance.seconds for utterance in spoken)
    table = Table("recogniser", "WER %", "CPU s/utterance", "real-time factor", title=f"{len(spoken)} utterances, one thread")
    for name, each in rows:
        spent = each.seconds.sum()
        table.add_row(name, f"{each.wer:.2f}", f"{spent / len(spoken):.3f}", f"{spent / seconds:.3f}")
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
