"""What users sound like: recordings of people, and made voices for words that nobody has recorded.

A made voice is the tts service's own at another pitch and pace: it is asked to speak slower or faster, and its samples are
then played faster or slower. Where somebody speaks in a sound is known to 10 ms, from its energy; delays count from there.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from bench.conversation.questions import MICROPHONE_HZ, questions
from bench.conversation.scenarios import Line, Scenario
from vivant import audio
from vivant.channel import open_channel
from vivant.common.v1 import common_pb2
from vivant.tts.v1 import tts_pb2, tts_pb2_grpc

Samples = NDArray[np.int16]

_FOLDER: Final = Path(__file__).parents[1] / "data" / "scenarios"
_TTS_HZ: Final = 24_000
#: (pitch, pace) as factors on the persona's own voice.
VOICES: Final = {"low": (0.78, 1.0), "high": (1.18, 1.05), "slow": (0.86, 0.85), "quick": (1.1, 1.25)}
#: How loud a made voice is at the microphone, -26 dBFS over its speech.
_SPEECH_RMS: Final = 1640.0
#: Less than the loudest 10 ms by so much is not speech, in a made voice; in a room, whose noise fills the pauses.
_FLOOR_DB: Final = 32.0
_ROOM_FLOOR_DB: Final = 22.0
_FRAME: Final = MICROPHONE_HZ // 100
#: A gap that counts as a pause inside a turn.
PAUSE_S: Final = 0.3
#: Around what is said, so that nothing of it is cut off.
_MARGIN_S: Final = 0.05
#: The quietest place between two words is looked for so far around their border; what is cut is faded.
_REACH: Final = MICROPHONE_HZ * 60 // 1000
_FADE: Final = _FRAME
_PAUSE: Final = re.compile(r"\[(\d+(?:\.\d+)?)\]")


@dataclass(frozen=True)
class Sound:
    """Something to be said aloud at `MICROPHONE_HZ`."""

    samples: Samples
    spans: tuple[tuple[float, float], ...]
    """Where in it somebody speaks, in seconds; between them are pauses."""
    floor_s: float
    """Where the words begin that interrupt somebody."""


class Sounds:
    """All sounds of some scenarios, made before anybody speaks."""

    def __init__(self, recordings: dict[str, Sound], made: dict[tuple[str, str], Sound]) -> None:
        self._recordings = recordings
        self._made = made

    def of(self, line: Line, run: int) -> Sound:
        """How a spoken line sounds."""
        return self._recordings[line.recording] if line.recording else self._made[line.text, line.voice(run)]


async def prepare(scenarios: Sequence[Scenario], runs: int, tts_address: str) -> Sounds:
    """Reads and makes what these scenarios need."""
    known = recordings()
    made: dict[tuple[str, str], Sound] = {}
    async with open_channel(tts_address) as channel:
        stub: Any = tts_pb2_grpc.TtsServiceStub(channel)
        voice = Voice(stub)
        for scenario in scenarios:
            for line in scenario.lines:
                if line.recording and line.recording not in known:
                    raise ValueError(f"{scenario.name}: there is no recording {line.recording}; there are: {', '.join(known)}")
                for run in range(runs if line.text else 0):
                    key = (line.text, line.voice(run))
                    if key not in made:
                        made[key] = await voice.speak(*key)
    return Sounds(known, made)


def recordings() -> dict[str, Sound]:
    """The recordings of `bench/data/scenarios`, and the questions of `bench/data/questions`."""
    found = {
        each.name: Sound(each.samples, spans_of(each.samples, each.start_s, each.end_s), each.floor_s) for each in questions()
    }
    for name, row in tomllib.loads((_FOLDER / "sounds.toml").read_text("utf-8")).items():
        spans = tuple((float(start), float(end)) for start, end in row["spans"])
        found[name] = Sound(audio.read(_FOLDER / f"{name}.flac", MICROPHONE_HZ), spans, row.get("floor_s", spans[0][0]))
    return found


class Voice:
    """Makes voices with the tts service."""

    def __init__(self, stub: tts_pb2_grpc.TtsServiceAsyncStub) -> None:
        self._stub = stub

    async def speak(self, text: str, voice: str) -> Sound:
        """Words with pauses in brackets, said in one of `VOICES`.

        All is spoken in one go and cut where the pauses belong: who stops to think does not sound as at the end of a sentence.
        """
        pitch, pace = VOICES[voice]
        parts = _PAUSE.split(text)
        said = [part.strip() for part in parts[::2]]
        pcm, words = await self._say(said, pace / pitch)
        counts = list(accumulate(len(part.split()) for part in said))
        if counts[-1] != len(words):
            raise ValueError(f"the tts service has {len(words)} words for the {counts[-1]} of: {text}")
        borders = [(words[count - 1].end_sample, words[count].start_sample) for count in counts[:-1]]
        scale = MICROPHONE_HZ / (_TTS_HZ * pitch)
        scaled = [(round(end * scale), round(start * scale)) for end, start in borders]
        return joined(cut(pitched(pcm, pitch), scaled), [float(pause) for pause in parts[1::2]])

    async def _say(self, parts: Sequence[str], speed: float) -> tuple[Samples, list[common_pb2.Word]]:
        async def requests() -> AsyncIterator[tts_pb2.SynthesizeRequest]:
            format_ = common_pb2.AudioFormat(encoding=common_pb2.AUDIO_ENCODING_PCM_S16LE, sample_rate_hz=_TTS_HZ, channels=1)
            yield tts_pb2.SynthesizeRequest(config=tts_pb2.SynthesizeConfig(audio=format_, speed=speed, turn_id=1))
            for part in parts:
                yield tts_pb2.SynthesizeRequest(text=tts_pb2.Text(text=f"{part} "))
            yield tts_pb2.SynthesizeRequest(finish=tts_pb2.Finish())

        pcm, words = bytearray(), list[common_pb2.Word]()
        async for response in self._stub.Synthesize(requests()):
            pcm += response.audio.pcm
            words += response.audio.words
        return np.frombuffer(bytes(pcm), "<i2"), words


def pitched(samples: Samples, pitch: float) -> Samples:
    """Samples of the tts service for the microphone, higher and faster by `pitch`."""
    ratio = Fraction(MICROPHONE_HZ / (_TTS_HZ * pitch)).limit_denominator(200)
    sound = resample_poly(samples.astype(np.float64), ratio.numerator, ratio.denominator)
    level = np.sqrt(np.mean(sound[np.abs(sound) > 0.01 * np.abs(sound).max()] ** 2))
    scaled: Samples = np.clip(sound * _SPEECH_RMS / level, -32768, 32767).astype(np.int16)
    return scaled


def cut(samples: Samples, borders: Sequence[tuple[int, int]]) -> list[Samples]:
    """Parts of one sound, cut at the quietest 10 ms near each border (the end of a word, the start of the next), and faded."""
    levels = np.convolve(samples.astype(np.float64) ** 2, np.ones(_FRAME), "same")
    places = [0]
    for end, start in borders:
        begin = max(places[-1], end - _REACH)
        places.append(begin + int(np.argmin(levels[begin : max(start, end) + _REACH])))
    ramp = np.ones(_FADE), np.linspace(0, 1, _FADE)
    parts: list[Samples] = []
    for begin, end in pairwise([*places, len(samples)]):
        part = samples[begin:end].astype(np.float64)
        part[:_FADE] *= ramp[begin > 0][: len(part)]
        part[-_FADE:] *= ramp[end < len(samples)][::-1][-len(part) :]
        parts.append(part.astype(np.int16))
    return parts


def joined(parts: Sequence[Samples], pauses_s: Sequence[float]) -> Sound:
    """Parts with these pauses between the last speech of one and the first of the next."""
    margin = round(_MARGIN_S * MICROPHONE_HZ)
    pieces: list[Samples] = []
    spans: list[tuple[float, float]] = []
    at = 0
    for number, part in enumerate(parts):
        first, last = speech_of(part)
        begin, end = max(0, first - margin), min(len(part), last + margin)
        silence = 0
        if number:
            silence = max(0, round((spans[-1][1] + pauses_s[number - 1]) * MICROPHONE_HZ) - at - (first - begin))
            pieces.append(np.zeros(silence, np.int16))
        at += silence
        spans.append(((at + first - begin) / MICROPHONE_HZ, (at + last - begin) / MICROPHONE_HZ))
        pieces.append(part[begin:end])
        at += end - begin
    return Sound(np.concatenate(pieces), tuple(spans), spans[0][0])


def spans_of(samples: Samples, start_s: float, end_s: float) -> tuple[tuple[float, float], ...]:
    """Where somebody speaks between these moments, with pauses of at least `PAUSE_S` in between."""
    loud = np.flatnonzero(_loud(samples, _ROOM_FLOOR_DB)) / 100
    inside = loud[(loud > start_s) & (loud < end_s)]
    pauses = [(before + 0.01, after) for before, after in pairwise(inside.tolist()) if after - before > PAUSE_S]
    edges = [start_s, *(edge for pause in pauses for edge in pause), end_s]
    return tuple(zip(edges[::2], edges[1::2], strict=True))


def _loud(samples: Samples, floor_db: float) -> NDArray[np.bool_]:
    """Which steps of 10 ms are as loud as speech."""
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME).astype(np.float64)
    levels = 10 * np.log10(np.mean(frames**2, axis=1) + 1)
    found: NDArray[np.bool_] = levels > levels.max() - floor_db
    return found


def speech_of(samples: Samples) -> tuple[int, int]:
    """The first sample of speech and one past the last, in steps of 10 ms."""
    loud = np.flatnonzero(_loud(samples, _FLOOR_DB))
    return int(loud[0]) * _FRAME, int(loud[-1] + 1) * _FRAME
