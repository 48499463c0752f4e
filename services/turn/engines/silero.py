"""Silero VAD: for each 32 ms of a stream the probability that somebody speaks.

The model takes 512 samples at 16 kHz with the 64 samples before them, and its recurrent state. About 0.2 ms a call.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.common.onnx import open_model

RATE_HZ: Final = 16_000
WINDOW: Final = 512
_CONTEXT: Final = 64
_STATE: Final = (2, 1, 128)
#: After this much sound without speech the state is set back, once it is quiet: music and noise leave it half deaf for the
#: speech that follows (seen by others too, e.g. pipecat 1.14, whose interval this is).
_RESET_AFTER: Final = 2 * RATE_HZ // WINDOW
_QUIET_WINDOWS: Final = 5
_QUIET: Final = 0.1


class Silero:
    """The model; shared by all streams."""

    def __init__(self, path: Path) -> None:
        self._model: Any = open_model(path)
        self._rate = np.array(RATE_HZ, np.int64)

    def run(self, window: NDArray[np.float32], state: NDArray[np.float32]) -> tuple[float, NDArray[np.float32]]:
        """`window` [1, 64 + 512] float32, `state` [2, 1, 128]; the probability and the next state."""
        probability, state = self._model.run(None, {"input": window, "state": state, "sr": self._rate})
        return float(probability[0, 0]), state


class VoiceActivity:
    """One stream."""

    def __init__(self, model: Silero) -> None:
        self._model = model
        self.reset()

    def reset(self) -> None:
        """As after a long silence."""
        self._state = np.zeros(_STATE, np.float32)
        self._input = np.zeros((1, _CONTEXT + WINDOW), np.float32)
        self._windows = 0
        self._quiet = 0

    def probability(self, window: NDArray[np.float32]) -> float:
        """Probability of speech in the next 512 samples. Digital silence is answered without the model."""
        if not window.any():
            if self._windows:
                self.reset()
            return 0.0
        self._input[0, :_CONTEXT] = self._input[0, -_CONTEXT:]
        self._input[0, _CONTEXT:] = window
        probability, self._state = self._model.run(self._input, self._state)
        self._windows += 1
        self._quiet = self._quiet + 1 if probability < _QUIET else 0
        if self._windows >= _RESET_AFTER and self._quiet >= _QUIET_WINDOWS:
            self._state = np.zeros(_STATE, np.float32)
            self._windows = 0
        return probability
