"""Measures the face: what a picture costs, whether the pace is kept, and whether lips and voice fit.

    python -m bench.face [--seconds 300]

Lip sync is read from mp4 files recorded over real gRPC: June, the two other portraits of the project, and the public-domain
photograph in scikit-image (it is measured and not kept).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from bench import lipsync
from bench.face_client import RATE_HZ, Take, idle, perform
from bench.running import running
from bench.tts import Spoken, speak
from services.common.audio import to_float
from services.common.settings import SharedSettings
from services.face.codecs import Codec, make_encoder
from services.face.engine import Look, Phoneme, Slot
from services.face.engines.portrait.engine import PortraitEngine
from services.face.enrolment.enroller import Enroller
from services.face.enrolment.finder import Finder
from services.face.settings import FaceSettings, PortraitOptions
from vivant.face.v1 import face_pb2_grpc
from vivant.tts.v1 import tts_pb2_grpc

REPOSITORY = Path(__file__).parents[1]
PORTRAITS = {
    "june": REPOSITORY / "personas/june/portrait.png",
    "man": REPOSITORY / "tests/data/portraits/man.jpg",
    "elder": REPOSITORY / "tests/data/portraits/elder.jpg",
    "astronaut": Path(str(files("skimage.data"))) / "astronaut.png",
}
TEXT = (
    "My mother bought a big brown piano. Papa put it by the back window, and my brother and I bumped it every time we passed. "
    "People came for supper in the summer. Mum made plum jam, Bob played, and nobody went home before midnight."
)
FRAMES = 500
SIZE_PX = 512
UNIT = RATE_HZ // 25

console = Console(file=sys.stdout)


@dataclass(frozen=True)
class Reading:
    """One line of the lip sync table."""

    name: str
    sync: lipsync.Sync
    repeated: int


async def speech() -> Spoken:
    """The text in the voice of the tts service, with its phonemes."""
    async with running("tts") as channel:
        stub: Any = tts_pb2_grpc.TtsServiceStub(channel)
        return await speak(stub, TEXT)


def frame_cost(spoken: Spoken) -> tuple[float, float, float]:
    """Median milliseconds of render, encode and both, for speech at 512 px on one core."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    engine = PortraitEngine(PortraitOptions(), SharedSettings())
    engine.load()
    session = engine.open("june", SIZE_PX, 25, seed=1)
    encoder = make_encoder(Codec.VP8, SIZE_PX)
    voice = to_float(spoken.pcm)
    sounds = [Phoneme(item.symbol, item.start_sample, item.end_sample, item.stress) for item in spoken.phonemes]
    reach = int(0.4 * RATE_HZ)
    costs = []
    for index in range(FRAMES):
        at = index * UNIT % (len(voice) - UNIT)
        near = [item for item in sounds if item.end_sample > at - reach and item.start_sample < at + reach]
        slot = Slot(index, voice[at : at + UNIT], RATE_HZ, 1, at, near, Look.IDLE, None, paused=False)
        started = perf_counter()
        picture = session.render(slot)
        rendered = perf_counter()
        encoder.encode(picture, keyframe=False)
        costs.append((rendered - started, perf_counter() - rendered))
    render, encode = (1000 * statistics.median(part) for part in zip(*costs, strict=True))
    return render, encode, 1000 * statistics.median(a + b for a, b in costs)


async def enrol(personas: Path, python: Path, portraits: dict[str, Path]) -> None:
    """Makes a persona of each portrait."""
    engine = PortraitEngine(PortraitOptions(), SharedSettings(personas_dir=personas))
    enroller = Enroller(engine, Finder(python, 60), personas)
    for name, path in portraits.items():
        (personas / name).mkdir(parents=True)
        (personas / name / "consent.toml").write_text('[[consent]]\nwhat = "portrait"\nbasis = "measuring only"\n')
        async for _ in enroller.enrol(name, path.read_bytes()):
            pass


async def film(personas: Path, names: Sequence[str], spoken: Spoken, python: Path, folder: Path) -> list[Reading]:
    """Records each persona saying the text, and reads the meter."""
    sounds = [Phoneme(item.symbol, item.start_sample, item.end_sample, item.stress) for item in spoken.phonemes]
    readings = []
    async with running("face", VIVANT_PERSONAS_DIR=str(personas), FACE_PORTRAIT_DEFAULT_PERSONA=names[0]) as channel:
        stub: Any = face_pb2_grpc.FaceServiceStub(channel)
        takes = [await perform(stub, name, spoken, SIZE_PX, folder / f"{name}.mp4") for name in names]
    for name, take in zip(names, takes, strict=True):
        decoded = lipsync.read(folder / f"{name}.mp4")
        opening = lipsync.lips(decoded, python)
        sync = lipsync.measure(decoded, opening, sounds, take.speech_start_s, RATE_HZ)
        readings.append(Reading(name, sync, take.repeated))
    return readings


async def pace(seconds: float, spoken: Spoken) -> Take:
    """June, idle and speaking by turns, as a client sees her."""
    async with running("face") as channel:
        stub: Any = face_pb2_grpc.FaceServiceStub(channel)
        return await idle(stub, "june", spoken, SIZE_PX, seconds)


def report(cost: tuple[float, float, float], take: Take, readings: Sequence[Reading]) -> dict[str, Any]:
    """Prints the tables and returns the figures."""
    table = Table("", "ms p50", title=f"One picture at {SIZE_PX} px, VP8, one core")
    for name, value in zip(("render", "encode", "both"), cost, strict=True):
        table.add_row(name, f"{value:.2f}")
    console.print(table)
    table = Table("seconds", "fps", "largest gap ms", "bursts", "without new picture", title="Pace at the client")
    table.add_row(f"{take.seconds:.0f}", f"{take.fps:.3f}", f"{take.largest_gap_ms:.0f}", str(take.bursts), str(take.repeated))
    console.print(table)
    table = Table(
        "portrait",
        "lips after voice ms",
        "r",
        "p/b/m shut",
        "shut in silence",
        "faces lost",
        "without new picture",
        title="Lip sync",
    )
    for item in readings:
        sync = item.sync
        table.add_row(
            item.name,
            f"{sync.offset_ms:+.0f}",
            f"{sync.correlation:.2f}",
            f"{sync.closed}/{sync.closures}",
            f"{sync.silent_shut:.0%}",
            str(sync.lost),
            str(item.repeated),
        )
    console.print(table)
    worst = max(readings, key=lambda item: abs(item.sync.offset_ms)).sync.offset_ms
    return {
        "frame_p50_ms": round(cost[2], 2),
        "fps": round(take.fps, 2),
        "largest_gap_ms": round(take.largest_gap_ms),
        "bursts": take.bursts,
        "lip_offset_ms": round(worst, 1),
        "closed": sum(item.sync.closed for item in readings),
        "closures": sum(item.sync.closures for item in readings),
        "silent_shut": round(float(np.mean([item.sync.silent_shut for item in readings])), 3),
    }


async def measure(seconds: float, keep: Path | None) -> dict[str, Any]:
    """All figures."""
    python = FaceSettings().enroll_python
    if not python.exists():
        raise SystemExit(f"{python} is missing; run: make enroll-env (or set FACE_ENROLL_PYTHON)")
    spoken = await speech()
    with tempfile.TemporaryDirectory(prefix="vivant-bench-") as temporary:
        folder = keep or Path(temporary)
        personas = Path(temporary, "personas")
        await enrol(personas, python, PORTRAITS)
        readings = await film(personas, list(PORTRAITS), spoken, python, folder)
    take = await pace(seconds, spoken)
    cost = await asyncio.to_thread(frame_cost, spoken)
    return report(cost, take, readings)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures the face.")
    parser.add_argument("--seconds", type=float, default=300.0, help="how long the pace is watched")
    parser.add_argument("--keep", type=Path, help="a folder for the recorded mp4 files")
    arguments = parser.parse_args()
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)
    figures = asyncio.run(measure(arguments.seconds, arguments.keep))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
