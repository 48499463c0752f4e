"""Measures the voices over real gRPC: time to first audio, quality (DNSMOS), and whether the phoneme times fill the audio.

    python -m bench.tts

hibari, and kokoro beside it if its model is here. Time to first audio is from sending the text to receiving the first PCM, for
clauses of at most 40 characters; a clause that is heard from then on is late by as much as its sound then has to wait.
DNSMOS is the P.835 overall score of ten sentences, at 16 kHz.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.signal import resample_poly

import environment
from bench import dnsmos
from bench.running import running
from models import manifest
from models.store import Store
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
    late_s: float = 0.0
    """The longest that some of it came after it was due, when it is heard from the first sample on without a stop."""
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


@dataclass
class Measured:
    """One engine."""

    clauses: dict[str, list[Spoken]]
    sentences: list[Spoken]
    scores: list[float]
    real_time_factor: float

    def figures(self, prefix: str = "") -> dict[str, Any]:
        """For the line of JSON."""
        spoken = [each for times in self.clauses.values() for each in times]
        first = [each.first_audio_s * 1000 for each in spoken]
        return {
            f"{prefix}ttfa_p50_ms": round(statistics.median(first), 1),
            f"{prefix}ttfa_p95_ms": round(float(np.percentile(first, 95)), 1),
            f"{prefix}late_p50_ms": round(statistics.median(each.late_s * 1000 for each in spoken), 1),
            f"{prefix}late_p95_ms": round(float(np.percentile([each.late_s * 1000 for each in spoken], 95)), 1),
            f"{prefix}dnsmos": round(statistics.mean(self.scores), 2),
            f"{prefix}durations_exact": all(each.exact for each in self.sentences),
        }


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
        came_s = time.perf_counter() - sent_at
        if not spoken.pcm:
            spoken.first_audio_s = came_s
        spoken.late_s = max(spoken.late_s, came_s - spoken.first_audio_s - message.audio.start_sample / RATE_HZ)
        spoken.pcm += message.audio.pcm
        spoken.phonemes.extend(message.audio.phonemes)
        spoken.words.extend(message.audio.words)
    return spoken


def quality(pcm: bytes) -> float:
    """DNSMOS P.835 overall, 1 to 5."""
    return dnsmos.overall(np.clip(resample_poly(to_float(pcm), 2, 3), -1, 1).astype(np.float32))


async def measured(engine: str) -> Measured:
    """What one engine does, with its default voice."""
    async with running("tts", TTS_ENGINE=engine) as channel:
        stub: Any = tts_pb2_grpc.TtsServiceStub(channel)
        clauses: dict[str, list[Spoken]] = {clause: [] for clause in CLAUSES}
        for _ in range(REPEATS):
            for clause in CLAUSES:
                clauses[clause].append(await speak(stub, clause))
        started = time.perf_counter()
        sentences = [await speak(stub, sentence) for sentence in SENTENCES]
        elapsed = time.perf_counter() - started
    seconds = sum(each.samples for each in sentences) / RATE_HZ
    return Measured(clauses, sentences, [quality(each.pcm) for each in sentences], elapsed / seconds)


async def measure() -> dict[str, Any]:
    """All figures."""
    engines = {"hibari": await measured("hibari")}
    if kokoro_is_here():
        engines["kokoro"] = await measured("kokoro")
    else:
        print("kokoro is not measured, its model is not here: python -m models fetch kokoro")
    _print(engines)
    figures = engines["hibari"].figures() | {"real_time_factor": round(engines["hibari"].real_time_factor, 4)}
    if "kokoro" in engines:
        figures |= engines["kokoro"].figures("kokoro_") | {"kokoro_rtf": round(engines["kokoro"].real_time_factor, 3)}
    return figures


def kokoro_is_here() -> bool:
    """Its model was fetched."""
    (kokoro,) = manifest.select(manifest.load(), ["kokoro"])
    return not any(Store(environment.models_dir(environment.read())).problems(kokoro))


def _print(engines: Mapping[str, Measured]) -> None:
    console = Console(file=sys.stdout)
    table = Table("clause", "chars", *engines, title="Time to first audio, p50 ms")
    for clause in CLAUSES:
        times = [statistics.median(each.first_audio_s * 1000 for each in engine.clauses[clause]) for engine in engines.values()]
        table.add_row(clause, str(len(clause)), *(f"{ms:.1f}" for ms in times))
    console.print(table)
    table = Table("sentence", *engines, title="DNSMOS, and what the phonemes do not fill")
    for at, text in enumerate(SENTENCES):
        scores = [
            f"{engine.scores[at]:.2f}" + ("" if engine.sentences[at].exact else " NOT EXACT") for engine in engines.values()
        ]
        table.add_row(text, *scores)
    console.print(table)
    for name, engine in engines.items():
        late = engine.figures()
        print(f"{name}: {engine.real_time_factor:.3f} s for a second of speech; late by {late['late_p50_ms']} ms (p50)")


def main() -> None:
    try:
        result = asyncio.run(measure())
    except grpc.aio.AioRpcError as exc:
        raise SystemExit(f"the voice refused: {exc.details()}") from exc
    print(json.dumps(result))


if __name__ == "__main__":
    main()
