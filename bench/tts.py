"""Measures the voice over real gRPC: time to first audio, quality (DNSMOS), and whether the phoneme times fill the audio.

    python -m bench.tts

Time to first audio is from sending the text to receiving the first PCM, for clauses of at most 40 characters. DNSMOS is the
P.835 overall score of ten sentences, at 16 kHz.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.signal import resample_poly

from bench import dnsmos
from bench.running import running
from services.common.audio import pcm_format, to_float
from vivant.common.v1 import common_pb2
from vivant.tts.v1 import tts_pb2, tts_pb2_grpc

RATE_HZ = 24_000
REPEATS = 8

CLAUSES = (
    "Well, let me think.",
    "In a white house by the harbour,",
    "I never did care for the city.",
    "My brother Tom was born in 1951,",
    "Oh, that is a kind thing to say.",
    "You know how it is.",
    "Yes,",
    "She laughed, and so did I.",
)

SENTENCES = (
    "In a white house by the harbour, with my brother Tom.",
    "The first school I went to was small, just sixteen of us in one classroom.",
    "In the summers we fished off the pier until the sun went down.",
    "It takes patience to fix a clock, and a steady hand.",
    "My father taught me, the way his father taught him.",
    "Did you ever sail alone at night, with nothing but the stars?",
    "We had two cats, a dog, and a boat that leaked!",
    "I married Ellen in 1962; we danced until the band went home.",
    "Dr. Whitcombe paid me $20 for it, which was a good deal of money then.",
    "Some mornings I still make coffee for two, and then I remember.",
)


@dataclass
class Spoken:
    """One reply as it came over the wire."""

    first_audio_s: float = 0.0
    pcm: bytes = b""
    phonemes: list[common_pb2.Phoneme] = field(default_factory=list)
    words: list[common_pb2.Word] = field(default_factory=list)
    samples: int = 0

    @property
    def exact(self) -> bool:
        """The phonemes cover the audio from the first to the last sample without gap or overlap."""
        starts = [p.start_sample for p in self.phonemes] + [self.samples]
        ends = [0] + [p.end_sample for p in self.phonemes]
        return starts == ends and self.samples * 2 == len(self.pcm)


async def speak(stub: tts_pb2_grpc.TtsServiceAsyncStub, text: str) -> Spoken:
    """One reply."""
    sent_at = 0.0

    async def requests() -> AsyncIterator[tts_pb2.SynthesizeRequest]:
        nonlocal sent_at
        yield tts_pb2.SynthesizeRequest(config=tts_pb2.SynthesizeConfig(audio=pcm_format(RATE_HZ), turn_id=1))
        sent_at = time.perf_counter()
        yield tts_pb2.SynthesizeRequest(text=tts_pb2.Text(text=text))
        yield tts_pb2.SynthesizeRequest(finish=tts_pb2.Finish())

    spoken = Spoken()
    async for message in stub.Synthesize(requests()):
        if message.WhichOneof("response") == "done":
            spoken.samples = message.done.samples
            continue
        if not spoken.pcm:
            spoken.first_audio_s = time.perf_counter() - sent_at
        spoken.pcm += message.audio.pcm
        spoken.phonemes.extend(message.audio.phonemes)
        spoken.words.extend(message.audio.words)
    return spoken


def quality(pcm: bytes) -> float:
    """DNSMOS P.835 overall, 1 to 5."""
    return dnsmos.overall(np.clip(resample_poly(to_float(pcm), 2, 3), -1, 1).astype(np.float32))


async def measure() -> dict[str, Any]:
    """All figures."""
    async with running("tts") as channel:
        stub: Any = tts_pb2_grpc.TtsServiceStub(channel)
        first: dict[str, list[float]] = {clause: [] for clause in CLAUSES}
        for _ in range(REPEATS):
            for clause in CLAUSES:
                first[clause].append((await speak(stub, clause)).first_audio_s * 1000)
        started = time.perf_counter()
        spoken = [await speak(stub, sentence) for sentence in SENTENCES]
        elapsed = time.perf_counter() - started
    seconds = sum(s.samples for s in spoken) / RATE_HZ
    scores = [quality(s.pcm) for s in spoken]
    _print(first, spoken, scores)
    every = [ms for times in first.values() for ms in times]
    return {
        "ttfa_p50_ms": round(statistics.median(every), 1),
        "ttfa_p95_ms": round(float(np.percentile(every, 95)), 1),
        "dnsmos": round(statistics.mean(scores), 2),
        "durations_exact": all(s.exact for s in spoken),
        "real_time_factor": round(elapsed / seconds, 4),
    }


def _print(first: dict[str, list[float]], spoken: list[Spoken], scores: list[float]) -> None:
    console = Console(file=sys.stdout)
    table = Table("clause", "chars", "first audio p50 ms", title="Time to first audio")
    for clause, times in first.items():
        table.add_row(clause, str(len(clause)), f"{statistics.median(times):.1f}")
    console.print(table)
    table = Table("sentence", "seconds", "DNSMOS", "phonemes fill the audio", title="Quality")
    for text, reply, score in zip(SENTENCES, spoken, scores, strict=True):
        table.add_row(text, f"{reply.samples / RATE_HZ:.2f}", f"{score:.2f}", "yes" if reply.exact else "NO")
    console.print(table)


def main() -> None:
    try:
        result = asyncio.run(measure())
    except grpc.aio.AioRpcError as exc:
        raise SystemExit(f"the voice refused: {exc.details()}") from exc
    print(json.dumps(result))


if __name__ == "__main__":
    main()
