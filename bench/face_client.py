"""A client of the face service that watches the clock: records a reply to a file, or keeps count of the pace."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import Any, Final

import grpc

from bench.tts import Spoken
from services.common.audio import pcm_format
from vivant.common.v1 import common_pb2
from vivant.events import Frame, Unit
from vivant.face.v1 import face_pb2
from vivant.formats import Video
from vivant.recording import Recorder

RATE_HZ: Final = 24_000
UNIT_S: Final = 0.040
#: Samples in one message of speech: 100 ms.
MESSAGE: Final = 2400
#: Units that come closer together than this are a burst.
BURST_S: Final = UNIT_S / 4
LEAD_UNITS: Final = 38
REST_UNITS: Final = 50
#: From the end of one reply to the start of the next, when the pace is watched.
PAUSE_UNITS: Final = 100


@dataclass
class Take:
    """One stream as its client saw it."""

    arrivals: list[float] = field(default_factory=list)
    repeated: int = 0
    speech_start_s: float = 0.0
    """Of the first sample of the reply, on the clock of the units."""

    @property
    def seconds(self) -> float:
        return self.arrivals[-1] - self.arrivals[0]

    @property
    def fps(self) -> float:
        return (len(self.arrivals) - 1) / self.seconds

    @property
    def largest_gap_ms(self) -> float:
        return 1000 * max(b - a for a, b in pairwise(self.arrivals))

    @property
    def bursts(self) -> int:
        return sum(b - a < BURST_S for a, b in pairwise(self.arrivals))

    def add(self, unit: common_pb2.Unit) -> None:
        self.arrivals.append(monotonic())
        self.repeated += unit.frame.repeated
        if unit.turn_id and not self.speech_start_s:
            self.speech_start_s = (unit.start_sample - unit.turn_sample) / RATE_HZ


async def perform(stub: Any, persona: str, spoken: Spoken, size_px: int, path: Path) -> Take:
    """Records one reply with silence before and after it, as H.264 in an mp4."""
    call = await _open(stub, persona, common_pb2.VIDEO_CODEC_H264, size_px)
    take = Take()
    rest: int | None = None
    with Recorder(path, voice_rate_hz=RATE_HZ, video=Video("h264", size_px)) as recorder:
        while rest != 0:
            message = await call.read()
            if message.WhichOneof("response") == "playback":
                if message.playback.state == face_pb2.PLAYBACK_STATE_FINISHED:
                    rest = REST_UNITS
                continue
            unit = message.unit
            take.add(unit)
            frame = Frame(unit.frame.data, unit.frame.keyframe, unit.frame.repeated)
            recorder.write(Unit(unit.index, unit.start_sample, unit.pcm, frame, unit.turn_id, unit.turn_sample))
            rest = rest and rest - 1
            if len(take.arrivals) == LEAD_UNITS:
                await _say(call, 1, spoken)
    await _close(call)
    return take


async def idle(stub: Any, persona: str, spoken: Spoken, size_px: int, seconds: float) -> Take:
    """Watches a stream that speaks, rests and speaks again."""
    call = await _open(stub, persona, common_pb2.VIDEO_CODEC_VP8, size_px)
    take = Take()
    turn_id, rest = 0, LEAD_UNITS
    while not take.arrivals or take.seconds < seconds:
        message = await call.read()
        if message.WhichOneof("response") == "playback":
            if message.playback.state == face_pb2.PLAYBACK_STATE_FINISHED:
                rest = PAUSE_UNITS
            continue
        take.add(message.unit)
        rest -= 1
        if rest == 0:
            turn_id += 1
            await _say(call, turn_id, spoken)
    await _close(call)
    return take


async def _open(stub: Any, persona: str, codec: common_pb2.VideoCodec.ValueType, size_px: int) -> Any:
    call = stub.Animate()
    video = common_pb2.VideoFormat(codec=codec, size_px=size_px, frames_per_second=25)
    config = face_pb2.AnimateConfig(persona_id=persona, audio=pcm_format(RATE_HZ), video=video, session_id="bench")
    await call.write(face_pb2.AnimateRequest(config=config))
    return call


async def _say(call: Any, turn_id: int, spoken: Spoken) -> None:
    """Pushes the whole reply at once: the face holds it."""
    samples = len(spoken.pcm) // 2
    for start in range(0, samples, MESSAGE):
        sounds = [item for item in spoken.phonemes if start <= item.start_sample < start + MESSAGE]
        pcm = spoken.pcm[2 * start : 2 * (start + MESSAGE)]
        speech = face_pb2.Speech(turn_id=turn_id, pcm=pcm, start_sample=start, phonemes=sounds)
        await call.write(face_pb2.AnimateRequest(speech=speech))
    await call.write(face_pb2.AnimateRequest(speech_end=face_pb2.SpeechEnd(turn_id=turn_id)))


async def _close(call: Any) -> None:
    await call.write(face_pb2.AnimateRequest(finish=face_pb2.Finish()))
    async with asyncio.timeout(10):
        while await call.read() is not grpc.aio.EOF:
            pass
