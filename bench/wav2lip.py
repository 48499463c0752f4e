"""Whether units keep their sound and their pictures together when a mouth is painted more slowly than the pictures are due.

    python -m bench.wav2lip [--minutes 10]

The face service runs in a process of its own, with Wav2Lip in its true shapes and weights made at random, on the CPU, where a
picture takes longer than a unit. It shows a base clip in which each picture bears its number, so every picture that comes back
tells for which unit it was drawn and painted. Recorded speech is said in replies, at the pace of the units. How good a mouth
looks is not measured.

A busy machine paints more slowly, and then most pictures are further behind; a clock that drifts would leave all of them so.
So the drift is that of the pictures that are least behind (the 5th percentile), and the mean stands beside it in the table.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Final

import numpy as np
import psutil
import soundfile
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bench.running import running
from services.common.audio import pcm_format
from services.common.settings import SharedSettings
from services.face.engine import FRAMES_PER_SECOND, resting
from services.face.engines.portrait.actor import Actor, Still
from services.face.engines.portrait.engine import PortraitEngine
from services.face.engines.portrait.renderer import Renderer
from services.face.engines.wav2lip.network import Wav2Lip
from services.face.enrolment.clip import stored, track
from services.face.enrolment.clip.stored import BaseClip
from services.face.enrolment.folder import replace
from services.face.settings import PortraitOptions
from vivant.common.v1 import common_pb2
from vivant.face.v1 import face_pb2, face_pb2_grpc

SPEECH: Final = Path(__file__).parent / "data" / "further_speech"
RATE_HZ: Final = 16_000
UNIT: Final = RATE_HZ // FRAMES_PER_SECOND
UNITS_A_MINUTE: Final = 60 * FRAMES_PER_SECOND
MESSAGE: Final = RATE_HZ // 10
SIZE_PX: Final = 256
REPLY_S: Final = 20
REST_UNITS: Final = FRAMES_PER_SECOND
#: The number of a picture stands in its upper left corner, a square for each bit: large enough for every codec.
BITS: Final = 7
SQUARE_PX: Final = 16
#: 16-bit sound that became float and 16-bit again may be one step off.
ONE_STEP: Final = 1

Picture = NDArray[np.uint8]
console = Console(file=sys.stdout)


@dataclass
class Minute:
    """What came in one minute."""

    new_pictures: int = 0
    age_units: list[int] = field(default_factory=list)
    """Of the picture that is seen with each spoken unit: so many units before it was it drawn for."""
    lateness_ms: list[float] = field(default_factory=list)
    """Of each unit, on an absolute schedule of one each 40 ms."""
    rss_mb: list[float] = field(default_factory=list)


@dataclass
class Run:
    """The whole stream."""

    minutes: list[Minute] = field(default_factory=list)
    spoken_units: int = 0
    wrong_sound: int = 0
    """Units whose sound is not that of their place in the reply."""
    gaps: int = 0
    starved: int = 0


def mark(picture: Picture, number: int) -> None:
    """Writes a number into the corner of a picture."""
    for bit in range(BITS):
        columns = slice(bit * SQUARE_PX, (bit + 1) * SQUARE_PX)
        picture[:SQUARE_PX, columns] = 255 if number >> bit & 1 else 0


def number_of(picture: Picture) -> int:
    """Reads it again."""
    middle = picture[SQUARE_PX // 2, SQUARE_PX // 2 : BITS * SQUARE_PX : SQUARE_PX]
    return sum(1 << bit for bit, light in enumerate(middle.mean(1)) if light > 127)


def numbered_clip(folder: Path) -> None:
    """June, alive and silent, as the base clip of a persona: 128 pictures with their numbers."""
    folder.mkdir(parents=True)
    (folder / "consent.toml").write_text(
        '[[consent]]\nwhat = "portrait"\nbasis = "a portrait that was made for this project"\n'
    )
    rig = PortraitEngine(PortraitOptions(default_persona="june"), SharedSettings()).rig("june", SIZE_PX)
    actor, renderer = Actor(1, FRAMES_PER_SECOND, Still()), Renderer(rig)
    pictures, points = [], []
    for number in range(1 << BITS):
        expression = actor.step(resting())
        pictures.append(renderer.draw(expression).copy())
        mark(pictures[-1], number)
        points.append(rig.mesh.move(expression)[0][:478, :2])
    places = track.smoothed(np.array(points, np.float64))
    boxes = track.smoothed(track.outlines(places))
    clip = BaseClip(SIZE_PX, places.astype(np.float32), boxes.astype(np.float32), there_and_back=False, rest=0)
    replace(folder, stored.files(clip, pictures))


def random_weights(models: Path) -> None:
    """The file of weights that the engine reads, with others in it."""
    torch.manual_seed(1)
    (models / "wav2lip").mkdir(parents=True)
    torch.save({"state_dict": Wav2Lip().state_dict()}, models / "wav2lip" / "wav2lip_gan.pth")


def reply() -> NDArray[np.int16]:
    """Twenty seconds of recorded speech."""
    spoken = np.concatenate([soundfile.read(file, dtype="int16")[0] for file in sorted(SPEECH.glob("*.flac"))])
    return np.resize(spoken, REPLY_S * RATE_HZ)


async def watch(stub: Any, persona: str, minutes: float, process: psutil.Process) -> Run:
    """Has replies said one after another, and looks at every unit."""
    voice, run, call = reply(), Run(), stub.Animate()
    video = common_pb2.VideoFormat(codec=common_pb2.VIDEO_CODEC_RGB24, size_px=SIZE_PX, frames_per_second=FRAMES_PER_SECOND)
    config = face_pb2.AnimateConfig(persona_id=persona, audio=pcm_format(RATE_HZ), video=video, session_id="bench")
    await call.write(face_pb2.AnimateRequest(config=config))
    begun, expected, turn_id, rest, shown = 0.0, 0, 0, REST_UNITS, 0
    while expected < minutes * UNITS_A_MINUTE:
        message = await call.read()
        if message.WhichOneof("response") == "playback":
            run.starved += message.playback.state == face_pb2.PLAYBACK_STATE_STARVED
            rest = REST_UNITS if message.playback.state == face_pb2.PLAYBACK_STATE_FINISHED else rest
            continue
        unit, now = message.unit, monotonic()
        if not expected:
            begun = now
        if expected % UNITS_A_MINUTE == 0:
            run.minutes.append(Minute())
        minute = run.minutes[-1]
        run.gaps += unit.index != expected or unit.start_sample != expected * UNIT
        minute.lateness_ms.append(1000 * (now - begun) - 40 * expected)
        if expected % FRAMES_PER_SECOND == 0:
            minute.rss_mb.append(process.memory_info().rss / 2**20)
        expected += 1
        if unit.frame.data:
            minute.new_pictures += 1
            shown = number_of(np.frombuffer(unit.frame.data, np.uint8).reshape(SIZE_PX, SIZE_PX, 3))
        if unit.turn_id:
            run.spoken_units += 1
            minute.age_units.append((unit.index - shown) % (1 << BITS))
            run.wrong_sound += not _is_part(unit, voice)
            continue
        rest -= 1
        if rest == 0:
            turn_id += 1
            await _say(call, turn_id, voice)
    await call.write(face_pb2.AnimateRequest(finish=face_pb2.Finish()))
    return run


def _is_part(unit: common_pb2.Unit, voice: NDArray[np.int16]) -> bool:
    pcm = np.frombuffer(unit.pcm, "<i2")
    part = np.zeros(UNIT, int)
    there = voice[unit.turn_sample : unit.turn_sample + UNIT]
    part[: len(there)] = there
    return bool(np.abs(part - pcm).max() <= ONE_STEP)


async def _say(call: Any, turn_id: int, voice: NDArray[np.int16]) -> None:
    """All of it at once: the face holds it."""
    for start in range(0, len(voice), MESSAGE):
        pcm = voice[start : start + MESSAGE].astype("<i2").tobytes()
        await call.write(face_pb2.AnimateRequest(speech=face_pb2.Speech(turn_id=turn_id, pcm=pcm, start_sample=start)))
    await call.write(face_pb2.AnimateRequest(speech_end=face_pb2.SpeechEnd(turn_id=turn_id)))


async def measure(minutes: float) -> dict[str, Any]:
    """All figures."""
    with tempfile.TemporaryDirectory(prefix="vivant-bench-") as temporary:
        models, personas = Path(temporary, "models"), Path(temporary, "personas")
        random_weights(models)
        numbered_clip(personas / "numbered")
        settings = {
            "FACE_ENGINE": "wav2lip",
            "FACE_WAV2LIP_DEVICE": "cpu",
            "FACE_WAV2LIP_DEFAULT_PERSONA": "numbered",
            "VIVANT_MODELS_DIR": str(models),
            "VIVANT_PERSONAS_DIR": str(personas),
        }
        async with running("face", **settings) as channel:
            (process,) = [each for each in psutil.Process().children() if each.cmdline()[-1] == "services.face"]
            run = await watch(face_pb2_grpc.FaceServiceStub(channel), "numbered", minutes, process)
    return report(run)


def report(run: Run) -> dict[str, Any]:
    """Prints the table and returns the figures: the last minute against the second, since caches fill in the first."""
    columns = (
        "minute",
        "new pictures a second",
        "picture behind its sound, ms p5",
        "mean",
        "p95",
        "unit late, ms p50",
        "p95",
        "RSS MB",
    )
    table = Table(*columns, title=f"Wav2Lip with random weights on the CPU, {SIZE_PX} px")
    for number, minute in enumerate(run.minutes, 1):
        units = len(minute.lateness_ms)
        ages, late = 40 * np.array(minute.age_units), minute.lateness_ms
        values = (
            np.percentile(ages, 5),
            ages.mean(),
            np.percentile(ages, 95),
            *np.percentile(late, [50, 95]),
            np.median(minute.rss_mb),
        )
        table.add_row(
            str(number), f"{minute.new_pictures * FRAMES_PER_SECOND / units:.1f}", *(f"{value:.0f}" for value in values)
        )
    console.print(table)
    first, last = (run.minutes[1], run.minutes[-1]) if len(run.minutes) > 2 else (run.minutes[0], run.minutes[-1])
    rss = [float(np.median(minute.rss_mb)) for minute in (first, last)]
    drift = 40 * float(np.percentile(last.age_units, 5) - np.percentile(first.age_units, 5))
    clock = float(np.median(last.lateness_ms) - np.median(first.lateness_ms))
    return {
        "av_drift_ms": round(drift, 1),
        "rss_growth_pct": round(100 * (rss[1] / rss[0] - 1), 2),
        "clock_drift_ms": round(clock, 1),
        "picture_behind_ms": round(40 * _mean([age for minute in run.minutes for age in minute.age_units]), 1),
        "pictures_a_second": round(
            FRAMES_PER_SECOND * sum(m.new_pictures for m in run.minutes) / sum(len(m.lateness_ms) for m in run.minutes), 1
        ),
        "spoken_units": run.spoken_units,
        "wrong_sound": run.wrong_sound,
        "gaps": run.gaps,
        "starved": run.starved,
    }


def _mean(values: Sequence[int]) -> float:
    return float(np.mean(values))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures whether sound and painted pictures stay together.")
    parser.add_argument("--minutes", type=float, default=10.0)
    figures = asyncio.run(measure(parser.parse_args().minutes))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
