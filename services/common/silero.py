"""Silero VAD, the model: for each 32 ms of a stream the probability that somebody speaks. Imported only by engines.

It takes 512 samples at 16 kHz with the 64 samples before them, and a recurrent state. About 0.2 ms a call.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.common.engine import Model
from services.common.onnx import open_model

MODEL: Final = Model("Silero VAD v5", "MIT")
#: In the folder of the models.
FILE: Final = Path("silero-vad") / "silero_vad.onnx"

RATE_HZ: Final = 16_000
WINDOW_SAMPLES: Final = 512
CONTEXT_SAMPLES: Final = 64


class Silero:
    """The loaded model, shared by all streams; each keeps its own state."""

    def __init__(self, path: Path) -> None:
        """Raises Unusable when the file is missing or broken."""
        self._model: Any = open_model(path)
        self._rate = np.array(RATE_HZ, np.int64)

    def probability(self, window: NDArray[np.float32], state: NDArray[np.float32]) -> tuple[float, NDArray[np.float32]]:
        """`window` is float32 `[576]`: 64 samples of the window before, then 512. Returns speech probability and new state."""
        result, state = self._model.run(None, {"input": window[None], "state": state, "sr": self._rate})
        return float(result[0, 0]), state


def rested() -> NDArray[np.float32]:
    """The state of a stream in which nothing was heard yet: float32 `[2, 1, 128]`."""
    return np.zeros((2, 1, 128), np.float32)
