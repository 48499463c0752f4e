"""Silero VAD along one stream, and when its state is set back: by digital silence, and in the quiet after a noise."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.silero import CONTEXT_SAMPLES, RATE_HZ, WINDOW_SAMPLES, Silero, rested

#: After this much sound without speech the state is set back, once it is quiet: music and noise leave it half deaf for the
#: speech that follows (seen by others too, e.g. pipecat 1.14, whose interval this is).
_RESET_AFTER: Final = 2 * RATE_HZ // WINDOW_SAMPLES
_QUIET_WINDOWS: Final = 5
_QUIET: Final = 0.1


class VoiceActivity:
    """A segments.Detector: one stream."""

    def __init__(self, model: Silero) -> None:
        self._model = model
        self.reset()

    def reset(self) -> None:
        """As after a long silence."""
        self._state = rested()
        self._input = np.zeros(CONTEXT_SAMPLES + WINDOW_SAMPLES, np.float32)
        self._windows = 0
        self._quiet = 0

    def probability(self, window: NDArray[np.float32]) -> float:
        """Probability of speech in the next 512 samples. Digital silence is answered without the model."""
        if not window.any():
            if self._windows:
                self.reset()
            return 0.0
        self._input[:CONTEXT_SAMPLES] = self._input[-CONTEXT_SAMPLES:]
        self._input[CONTEXT_SAMPLES:] = window
        probability, self._state = self._model.probability(self._input, self._state)
        self._windows += 1
        self._quiet = self._quiet + 1 if probability < _QUIET else 0
        if self._windows >= _RESET_AFTER and self._quiet >= _QUIET_WINDOWS:
            self._state = rested()
            self._windows = 0
        return probability
