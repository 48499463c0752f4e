"""Speech whose words are known, for `bench.asr` and `bench.asr.choice`."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
from numpy.typing import NDArray

RATE_HZ: Final = 16_000
_DATA: Final = Path(__file__).parents[1] / "data"
_DEVELOPMENT: Final = _DATA / "librispeech_test_other"
_FURTHER: Final = _DATA / "further_speech"


@dataclass(frozen=True)
class Utterance:
    name: str
    speaker: str
    audio: NDArray[np.float32]
    transcript: str

    @property
    def seconds(self) -> float:
        return len(self.audio) / RATE_HZ


def development() -> list[Utterance]:
    """50 utterances of the five speakers on whom the recogniser was developed."""
    return _listed(_DEVELOPMENT)


def further() -> list[Utterance]:
    """Of other speakers, and other rooms and microphones."""
    return _listed(_FURTHER)


def librispeech(folder: Path) -> list[Utterance]:
    """The first utterance of each speaker in a folder of LibriSpeech as it is published, `*.trans.txt` beside the audio."""
    found: dict[str, Utterance] = {}
    for file in sorted(folder.rglob("*.trans.txt")):
        for line in file.read_text(encoding="utf-8").splitlines():
            name, _, transcript = line.partition(" ")
            speaker = name.partition("-")[0]
            path = file.parent / f"{name}.flac"
            if speaker not in found and path.is_file():
                found[speaker] = Utterance(path.name, speaker, _read(path), transcript)
    return list(found.values())


def _listed(folder: Path) -> list[Utterance]:
    with (folder / "transcripts.csv").open(encoding="utf-8", newline="") as file:
        return [
            Utterance(row["file"], row["speaker"], _read(folder / row["file"]), row["transcript"])
            for row in csv.DictReader(file)
        ]


def _read(path: Path) -> NDArray[np.float32]:
    audio, rate = soundfile.read(path, dtype="float32")
    if rate != RATE_HZ or audio.ndim != 1:
        raise SystemExit(f"{path} is not mono of {RATE_HZ} Hz; convert it first")
    return np.asarray(audio, np.float32)
