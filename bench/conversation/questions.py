"""The questions that are recorded, and what clients of the benchmarks have in common: a microphone that never stops."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vivant import audio

MICROPHONE_HZ: Final = 16_000
CHUNK: Final = MICROPHONE_HZ // 50
#: -50 dBFS: what is below is silence.
AUDIBLE: Final = 104
#: A quiet room at a microphone, -66 dBFS.
NOISE_RMS: Final = 16.0
UNIT_S: Final = 0.04
_FOLDER: Final = Path(__file__).parents[1] / "data" / "questions"


@dataclass(frozen=True)
class Question:
    """A recording, and where in it somebody speaks, in seconds."""

    name: str
    text: str
    samples: NDArray[np.int16]
    start_s: float
    end_s: float
    floor_s: float
    """Where the words begin that interrupt somebody; `start_s` but for an acknowledgement that stands before them."""


def questions() -> list[Question]:
    """All that `bench/data/questions` holds."""
    table = tomllib.loads((_FOLDER / "questions.toml").read_text("utf-8"))
    return [
        Question(
            name,
            row["text"],
            audio.read(_FOLDER / f"{name}.wav", MICROPHONE_HZ),
            row["start_s"],
            row["end_s"],
            row.get("floor_s", row["start_s"]),
        )
        for name, row in table.items()
    ]


def asking() -> dict[str, bool]:
    """Whether each of those recordings asks for something."""
    table = tomllib.loads((_FOLDER / "questions.toml").read_text("utf-8"))
    return {name: row.get("asks", True) for name, row in table.items()}
