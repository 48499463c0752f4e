"""Kokoro 82M, to speak the made turns in many voices, with the times of its words.

The folder holds `model.onnx` (`python -m models fetch kokoro-82m`) and `voices/*.bin` of the npm package kokoro-js 1.2.1, each
[-1, 1, 256] float32: one style for each length of text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from hibari.g2p import G2P
from numpy.typing import NDArray

from models.onnx_outputs import suffix

RATE_HZ: Final = 24_000
_DURATIONS: Final = "/encoder/Clip_output_0"
#: Voices of the training turns, and others for the test; the first letter is the accent, American or British.
TRAIN: Final = (
    *(f"af_{name}" for name in ("alloy", "aoede", "heart", "jessica", "kore", "nova", "river", "sarah")),
    *(f"am_{name}" for name in ("adam", "echo", "eric", "liam", "onyx", "santa")),
    *("bf_alice", "bf_isabella", "bm_daniel", "bm_fable"),
)
TEST: Final = (
    *("af_bella", "af_nicole", "af_sky", "am_fenrir", "am_michael", "am_puck"),
    *("bf_emma", "bf_lily", "bm_george", "bm_lewis"),
)

Audio = NDArray[np.float32]


@dataclass(frozen=True)
class Spoken:
    audio: Audio
    """At 24 kHz."""
    ends: list[int]
    """The sample at which each piece ends, in the middle of whatever stands between it and the next."""


class Kokoro:
    """Speaks with both cores; about half as long as what it says."""

    def __init__(self, folder: Path, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._folder = folder
        model = (folder / "model.onnx").read_bytes() + suffix([_DURATIONS])
        self._model: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._g2p: dict[bool, Any] = {}

    def say(self, pieces: Sequence[str], voice: str, speed: float, ids: dict[str, int]) -> Spoken:
        """All pieces in one breath: the melody goes on over the places between them."""
        british = voice.startswith("b")
        g2p = self._g2p.setdefault(british, G2P(british=british))
        tokens, borders = [0], []
        for piece in pieces:
            if len(tokens) > 1:
                tokens.append(ids[" "])
                borders.append(len(tokens) - 1)
            tokens += [ids[letter] for letter in g2p(piece).strip() if letter in ids]
        tokens.append(0)
        styles = np.fromfile(self._folder / "voices" / f"{voice}.bin", np.float32).reshape(-1, 1, 256)
        given = {"tokens": [tokens], "style": styles[len(tokens) - 2], "speed": [speed]}
        kinds = {"tokens": np.int64, "style": np.float32, "speed": np.float32}
        inputs = {name: np.asarray(value, kinds[name]) for name, value in given.items()}
        audio, durations = (np.asarray(result).reshape(-1) for result in self._model.run(["audio", _DURATIONS], inputs))
        times = np.concatenate([[0], np.cumsum(durations)]) * (len(audio) / durations.sum())
        return Spoken(audio, [*(round((times[at] + times[at + 1]) / 2) for at in borders), len(audio)])
