"""Speech of many voices with the times of its phonemes: texts of people chatting, spoken by the engines of the tts service.

Texts: PyPI `chitchat-dataset` (MIT), dealt out to training and test by conversation. Voices: those of Kokoro-82M (Apache-2.0),
dealt out as in `bench/turn/training/voices.py`. A folder holds sound files at 24 kHz, with a silent second before and after the
words, and `utterances.jsonl`: file, voice, text and the phonemes, each [symbol, start_sample, end_sample, stress].
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import soundfile
from numpy.typing import NDArray
from rich.progress import track

from bench.turn.training.texts import spoken
from bench.turn.training.voices import RATE_HZ, TEST, TRAIN
from services.common import registry
from services.common.audio import to_float
from services.common.settings import SharedSettings
from services.face.engine import Phoneme
from services.tts.engine import Flush, Text, VoiceConfig, VoiceEngine
from services.tts.engines import ENGINES

Split = Literal["train", "test"]
#: Engine -> the voices of training and test. Hibari is fifty times as fast as Kokoro: many more sounds, of one voice.
VOICES: Final[dict[str, dict[Split, Sequence[str]]]] = {
    "kokoro": {"train": TRAIN, "test": TEST},
    "hibari": {"train": ("heart",), "test": ()},
}
INDEX: Final = "utterances.jsonl"
_SILENCE_S: Final = 1.0
_SPEEDS: Final = (0.85, 1.25)


@dataclass(frozen=True)
class Utterance:
    voice: str
    text: str
    audio: NDArray[np.float32]
    """At RATE_HZ, -1..1."""
    phonemes: list[Phoneme]
    """They cover it."""


class Speaker:
    """An engine of the tts service, which tells when it says what."""

    def __init__(self, engine: str) -> None:
        self._engine: VoiceEngine = registry.load(registry.find(ENGINES, engine, "--engine"), SharedSettings())
        self._engine.load()

    def say(self, text: str, voice: str, speed: float) -> Utterance:
        """Blocking."""
        return asyncio.run(self._say(text, voice, speed))

    async def _say(self, text: str, voice: str, speed: float) -> Utterance:
        async def inputs() -> AsyncIterator[Text | Flush]:
            yield Text(text)

        parts = [part async for part in self._engine.synthesize(VoiceConfig(voice, speed), inputs())]
        audio = to_float(b"".join(part.pcm for part in parts))
        sounds = [Phoneme(p.symbol, p.start_sample, p.end_sample, p.stress) for part in parts for p in part.phonemes]
        return _padded(voice, text, audio, sounds)


def _padded(voice: str, text: str, audio: NDArray[np.float32], sounds: Sequence[Phoneme]) -> Utterance:
    """With a silent second before and after; the sounds cover the audio."""
    silence = np.zeros(round(_SILENCE_S * RATE_HZ), np.float32)
    offset = len(silence)
    moved = [Phoneme(p.symbol, p.start_sample + offset, p.end_sample + offset, p.stress) for p in sounds]
    end = offset + len(audio)
    phonemes = [Phoneme("", 0, offset, 0), *moved, Phoneme("", end, end + offset, 0)]
    return Utterance(voice, text, np.concatenate([silence, audio * _ramps(len(audio)), silence]), phonemes)


def make(
    speaker: Speaker,
    voices: Sequence[str],
    chats: Path,
    out: Path,
    split: Split,
    *,
    count: int,
    seed: int,
    suffix: str,
) -> None:
    """Makes utterances in `out` until there are `count`, the voices in turn."""
    out.mkdir(parents=True, exist_ok=True)
    index = out / INDEX
    done = len(index.read_text("utf-8").splitlines()) if index.exists() else 0
    texts = spoken(chats, split, count, seed)
    for n in track(range(done, count), "speaking"):
        speed = float(np.random.default_rng([seed, n]).uniform(*_SPEEDS))
        said = speaker.say(texts[n], voices[n % len(voices)], speed)
        name = f"{n:04}.{suffix}"
        opus = {"format": "OGG", "subtype": "OPUS"} if suffix == "opus" else {}
        soundfile.write(out / name, np.clip(said.audio, -1, 1), RATE_HZ, **opus)
        phonemes = [[each.symbol, each.start_sample, each.end_sample, each.stress] for each in said.phonemes]
        with index.open("a", encoding="utf-8") as file:
            row = {"file": name, "voice": said.voice, "text": said.text, "phonemes": phonemes}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def read(folder: Path) -> Iterator[Utterance]:
    """All utterances of a folder, in order."""
    for line in (folder / INDEX).read_text("utf-8").splitlines():
        row = json.loads(line)
        audio, rate_hz = soundfile.read(folder / row["file"], dtype="float32")
        assert rate_hz == RATE_HZ, f"{row['file']} has {rate_hz} Hz"
        yield Utterance(row["voice"], row["text"], audio, [Phoneme(*each) for each in row["phonemes"]])


def _ramps(count: int) -> NDArray[np.float32]:
    """Both ends rise from nothing within 5 ms."""
    edge = np.minimum(np.arange(count), np.arange(count)[::-1]) / (RATE_HZ * 0.005)
    return np.minimum(edge, 1).astype(np.float32)
