"""Smart Turn v3.2: from the sound of the last 8 s the probability that the speaker has finished.

Input as the model's authors prepare it: the newest 8 s at 16 kHz, shorter audio padded with zeros in front, scaled to zero
mean and unit variance, then Whisper's log-mel spectrogram of exactly these 8 s. About 36 ms a call.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.common.log_mel import HOP_SAMPLES, SAMPLE_RATE_HZ, WINDOW_SAMPLES, log_mel, whisper_input
from services.common.onnx import open_model

SECONDS: Final = 8
SAMPLES: Final = SECONDS * SAMPLE_RATE_HZ
_VARIANCE_FLOOR: Final = 1e-7


class SmartTurn:
    """The model; shared by all streams."""

    def __init__(self, path: Path) -> None:
        self._model: Any = open_model(path)

    def probability(self, audio: NDArray[np.float32]) -> float:
        """`audio` [n] float32 at 16 kHz up to now, the silence after the last word included."""
        result = self._model.run(None, {"input_features": features(normalised(audio))})[0]
        return float(result[0, 0])


def normalised(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """The last 8 s, padded in front, zero mean, unit variance: float32 [128000]."""
    last = audio[-SAMPLES:]
    padded = np.concatenate([np.zeros(SAMPLES - len(last), np.float32), last])
    scaled: NDArray[np.float32] = ((padded - padded.mean()) / np.sqrt(padded.var() + _VARIANCE_FLOOR)).astype(np.float32)
    return scaled


def features(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of normalised audio: float32 [1, 80, 800]."""
    # Column n is centred on sample 160 n, with the sound mirrored at both ends; the one after the last sample is left out.
    mirrored = np.pad(audio, WINDOW_SAMPLES // 2, mode="reflect")[:-1]
    return whisper_input(log_mel(mirrored), SAMPLES // HOP_SAMPLES)
