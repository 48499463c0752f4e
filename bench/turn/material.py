"""What the end of a turn is measured on: made turns, meetings and questions, read passages, and which silences are ends.

Made turns and questions are given a room: noise from the start to three seconds after the last word.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import soundfile
from numpy.typing import NDArray

DATA: Final = Path(__file__).parents[1] / "data"
MADE: Final = DATA / "turn" / "made"
MEETINGS: Final = DATA / "turn" / "ami"
RATE_HZ: Final = 16_000
#: The noise of a room, against full scale: a quiet one with a close microphone to a lively one.
_NOISE_DB: Final = (-72.0, -50.0)
_LEVEL_DB: Final = (-32.0, -20.0)
_BEFORE_S: Final = 0.3
_AFTER_S: Final = 3.0
#: A silence that begins this shortly before the known end is the end: voices fade away.
FADE_S: Final = 0.25
#: Who speaks is looked up this far inside the speech, and the labels are taken to be right within as much.
_LABELS_S: Final = 0.15
#: A meeting is silent for longer than that only between turns.
_LONGEST_PAUSE_S: Final = 1.5

Audio = NDArray[np.float32]
Kind = Literal["pause", "end"]


@dataclass(frozen=True)
class Recording:
    """One recording at 16 kHz."""

    name: str
    audio: Audio
    end_s: float | None = None
    """Where its only turn ends; None: see `speakers`."""
    speakers: tuple[tuple[float, float, str], ...] = ()
    """Who spoke from when to when."""
    pauses: bool = True
    """The speaker was made to pause."""

    def kind(self, last_s: float, next_s: float | None) -> Kind | None:
        """What the silence from `last_s` to `next_s` is; None where nobody can tell."""
        if self.end_s is not None:
            return "end" if next_s is None or last_s >= self.end_s - FADE_S else "pause"
        if next_s is None:
            return None
        if not self.speakers:
            return "pause"
        before, after = self._speaking(last_s - 0.1), self._speaking(next_s + 0.1)
        if not before:
            return None
        return "pause" if before & after and next_s - last_s < _LONGEST_PAUSE_S else "end"

    def _speaking(self, at_s: float) -> set[str]:
        return {who for begin, end, who in self.speakers if begin - _LABELS_S <= at_s <= end + _LABELS_S}


def made(folder: Path = MADE) -> Iterator[Recording]:
    """The made turns of a folder with `turns.jsonl`."""
    for line in (folder / "turns.jsonl").read_text(encoding="utf-8").splitlines():
        row: dict[str, Any] = json.loads(line)
        sound = _read(folder / row["file"])
        rng = np.random.default_rng([3, int(Path(row["file"]).stem)])
        yield Recording(row["file"], _in_room(sound, rng), _BEFORE_S + _last_sound_s(sound), pauses=bool(row["pauses"]))


def questions() -> Iterator[Recording]:
    """The recorded questions of `bench/data/questions`, in the noise that they have."""
    table = tomllib.loads((DATA / "questions" / "questions.toml").read_text(encoding="utf-8"))
    for name, row in table.items():
        sound = _read(DATA / "questions" / f"{name}.wav")
        after = _noise(round(_AFTER_S * RATE_HZ), _floor(sound), np.random.default_rng(4))
        yield Recording(name, np.concatenate([sound, after]), row["end_s"])


def meetings() -> Iterator[Recording]:
    """30 s each of AMI meetings with their speaker turns."""
    for file in sorted(MEETINGS.glob("*.opus")):
        lines = file.with_suffix(".rttm").read_text(encoding="utf-8").splitlines()
        fields = [line.split() for line in lines if line.strip()]
        speakers = tuple((float(f[3]), float(f[3]) + float(f[4]), f[7]) for f in fields)
        yield Recording(file.stem, _read(file), speakers=speakers)


def passages() -> Iterator[Recording]:
    """Read utterances: whatever is silent in them is a pause."""
    for file in sorted((DATA / "librispeech_test_other").glob("*.flac")):
        yield Recording(file.stem, _read(file))


def _read(file: Path) -> Audio:
    sound, rate = soundfile.read(file, dtype="float32")
    assert rate == RATE_HZ, f"{file} must be at 16 kHz"
    return np.asarray(sound, np.float32)


def _in_room(sound: Audio, rng: np.random.Generator) -> Audio:
    """The dry voice at some level, with the noise of some room around it."""
    level = 10 ** (rng.uniform(*_LEVEL_DB) / 20)
    voice = sound * (level / np.sqrt(np.mean(sound[np.abs(sound) > 1e-3] ** 2)))
    padded = np.concatenate([np.zeros(round(_BEFORE_S * RATE_HZ)), voice, np.zeros(round(_AFTER_S * RATE_HZ))])
    noise = _noise(len(padded), 10 ** (rng.uniform(*_NOISE_DB) / 20), rng)
    return np.clip(padded + noise, -1, 1).astype(np.float32)


def _noise(samples: int, level: float, rng: np.random.Generator) -> Audio:
    """Noise that falls with frequency, as that of rooms does."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    spectrum /= np.sqrt(1 + np.arange(len(spectrum)) * (RATE_HZ / samples / 200))
    noise = np.fft.irfft(spectrum, samples)
    return np.asarray(noise * (level / noise.std()), np.float32)


def _floor(sound: Audio) -> float:
    """Level of the quietest 50th of the recording."""
    energies = np.sort((sound[: len(sound) // 160 * 160].reshape(-1, 160) ** 2).mean(axis=1))
    return float(np.sqrt(energies[len(energies) // 50]))


def _last_sound_s(sound: Audio) -> float:
    """Where the last 10 ms above -45 dB of the loudest end."""
    energies = (sound[: len(sound) // 160 * 160].reshape(-1, 160) ** 2).mean(axis=1)
    return float(np.flatnonzero(energies > energies.max() * 10**-4.5)[-1] + 1) / 100
