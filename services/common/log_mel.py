"""Whisper's log-mel spectrogram, and the steps of which it is made, for the models that were trained on one of them.

Source of the constants: Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022), section 2.2, and
the reference implementation: 16 kHz, 25 ms Hann window, 10 ms hop, 80 Slaney mel bands, log10 floored 8 below the maximum.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ: Final = 16_000
WINDOW_SAMPLES: Final = 400
HOP_SAMPLES: Final = 160
FRAMES_PER_S: Final = SAMPLE_RATE_HZ // HOP_SAMPLES
BANDS: Final = 80

_TAPER: Final = np.hanning(WINDOW_SAMPLES + 1)[:-1].astype(np.float32)
_FLOOR: Final = 1e-10


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slaney's scale: linear below 1 kHz (15 mel), logarithmic with 27 steps to a factor of 6.4 above."""
    return np.where(mel < 15.0, mel * (200.0 / 3.0), 1000.0 * np.exp((mel - 15.0) * (np.log(6.4) / 27.0)))


def _hz_to_mel(hz: float) -> float:
    return hz * 3.0 / 200.0 if hz < 1000.0 else float(15.0 + np.log(hz / 1000.0) * 27.0 / np.log(6.4))


@cache
def mel_filters(
    bands: int, *, window: int = WINDOW_SAMPLES, low_hz: float = 0.0, high_hz: float = SAMPLE_RATE_HZ / 2
) -> NDArray[np.float32]:
    """Triangular filters of constant energy for spectra of `window` samples, float32 `[bands, window // 2 + 1]`."""
    edges = _mel_to_hz(np.linspace(_hz_to_mel(low_hz), _hz_to_mel(high_hz), bands + 2))
    bins = np.fft.rfftfreq(window, 1.0 / SAMPLE_RATE_HZ)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return (triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


_FILTERS: Final = mel_filters(BANDS)


def power_spectra(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The power of each frequency in each whole window of `samples`, one window every 10 ms: float32 `[frames, 201]`."""
    if len(samples) < WINDOW_SAMPLES:
        return np.empty((0, WINDOW_SAMPLES // 2 + 1), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW_SAMPLES)[::HOP_SAMPLES]
    power: NDArray[np.float32] = np.abs(np.fft.rfft(frames * _TAPER, axis=1)).astype(np.float32) ** 2
    return power


def log_mel(samples: NDArray[np.float32], filters: NDArray[np.float32] = _FILTERS) -> NDArray[np.float32]:
    """One column for each whole window of `samples`, log10 of the mel power: float32 `[bands, frames]`."""
    columns: NDArray[np.float32] = np.log10(np.maximum(filters @ power_spectra(samples).T, _FLOOR))
    return columns


def whisper_input(columns: NDArray[np.float32], context: int) -> NDArray[np.float32]:
    """Levels the columns as Whisper wants them, and pads them with silence to `context`: float32 `[1, bands, context]`."""
    floor = float(columns.max(initial=-2.0)) - 8.0
    padded = np.full((1, len(columns), max(context, columns.shape[1])), floor, np.float32)
    np.maximum(columns, floor, out=padded[0, :, : columns.shape[1]])
    padded += 4.0
    padded /= 4.0
    return padded
