"""What lies in `tests/data`, and recordings as samples."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from environment import ROOT

DATA: Final = ROOT / "tests" / "data"
SPEECH: Final = DATA / "speech"
PORTRAITS: Final = DATA / "portraits"
#: Persons whom only tests know, Pip the lighthouse keeper among them.
PERSONAS: Final = DATA / "personas"
#: Recordings that benchmarks use too.
BENCH: Final = ROOT / "bench" / "data"
RATE_HZ: Final = 16_000


def recording(name: str, folder: Path = SPEECH) -> NDArray[np.float32]:
    """A recording at 16 kHz, -1 to 1."""
    samples, rate = soundfile.read(folder / name, dtype="float32")
    assert rate == RATE_HZ, f"{name} is not at 16 kHz"
    return np.asarray(samples, np.float32)


def holding(folder: Path, words: bytes) -> list[str]:
    """The files of a folder in which these bytes are."""
    return [file.name for file in folder.iterdir() if file.is_file() and words in file.read_bytes()]
