"""Smart Turn v3.2: from the sound of the last 8 s the probability that the speaker has finished.

Input as the model's authors prepare it: the newest 8 s at 16 kHz, shorter audio padded with zeros in front, scaled to zero
mean and unit variance, then Whisper's log-mel spectrogram (Radford et al. 2022, section 2.2) of exactly these 8 s. About 36
ms a call.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.common.onnx import open_model

RATE_HZ: Final = 16_000
SECONDS: Final = 8
SAMPLES: Final = SECONDS * RATE_HZ
_FFT: Final = 400
_HOP: Final = 160
_MELS: Final = 80
_POWER_FLOOR: Final = 1e-10
_VARIANCE_FLOOR: Final = 1e-7


class SmartTurn:
    """The model; shared by all streams."""

    def __init__(self, path: Path) -> None:
        self._model: Any = open_model(path)

    def probability(self, audio: NDArray[np.float32]) -> float:
        """`audio` [n] float32 at 16 kHz up to now, the silence after the last word included."""
        features = log_mel(normalised(audio))[None]
        result = self._model.run(None, {"input_features": features})[0]
        return float(result[0, 0])


def normalised(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """The last 8 s, padded in front, zero mean, unit variance: float32 [128000]."""
    last = audio[-SAMPLES:]
    padded = np.concatenate([np.zeros(SAMPLES - len(last), np.float32), last])
    scaled: NDArray[np.float32] = ((padded - padded.mean()) / np.sqrt(padded.var() + _VARIANCE_FLOOR)).astype(np.float32)
    return scaled


def log_mel(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Whisper's log-mel spectrogram: float32 [n] at 16 kHz to float32 [80, n / 160]."""
    padded = np.pad(audio, _FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[:-1:_HOP]
    power = np.abs(np.fft.rfft(frames * _WINDOW, axis=1).astype(np.complex64)) ** 2
    levels = np.log10(np.maximum(_FILTERS @ power.T, _POWER_FLOOR))
    levels = np.maximum(levels, levels.max() - 8.0)
    result: NDArray[np.float32] = ((levels + 4.0) / 4.0).astype(np.float32)
    return result


def _hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slaney's mel scale: linear up to 1 kHz (15 mel), then 27 mel to each factor of 6.4."""
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


def _filters() -> NDArray[np.float32]:
    """Triangles of equal area over the frequency axis: float32 [80, 201]."""
    top = 15 + np.log(RATE_HZ / 2 / 1000) / np.log(6.4) * 27
    corners = _hz(np.linspace(0, top, _MELS + 2))
    bins = np.linspace(0, RATE_HZ / 2, _FFT // 2 + 1)
    low, middle, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    triangles = np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)).clip(min=0)
    return (triangles * 2 / (high - low)).astype(np.float32)


_WINDOW: Final = np.hanning(_FFT + 1)[:-1].astype(np.float32)
_FILTERS: Final = _filters()
