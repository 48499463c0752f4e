"""The spectrogram that Wav2Lip was trained on, for one picture at a time.

Source: the constants of the reference implementation. 16 kHz, pre-emphasis .97, 50 ms Hann window, 12.5 ms hop, 80 Slaney mel
bands from 55 to 7600 Hz, amplitude in dB with 20 dB as reference, and -100 to 0 dB spread over -4 to 4.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.log_mel import SAMPLE_RATE_HZ, mel_filters
from services.face.engines.wav2lip.network import COLUMNS, MELS

WINDOW: Final = 800
HOP: Final = 200
#: Samples that one picture hears.
HEARD: Final = (COLUMNS - 1) * HOP + WINDOW
#: The first of its windows has its middle one picture before it: so the network was trained.
BEFORE: Final = SAMPLE_RATE_HZ // 25 + WINDOW // 2
_EMPHASIS: Final = 0.97
_REFERENCE_DB: Final = 20.0
_RANGE_DB: Final = 100.0
_LARGEST: Final = 4.0
_TAPER: Final = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
_FILTERS: Final = mel_filters(MELS, window=WINDOW, low_hz=55.0, high_hz=7600.0)


def mel(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of HEARD + 1 samples, the first of them for the pre-emphasis, float32 [MELS, COLUMNS]."""
    emphasised = sound[1:] - _EMPHASIS * sound[:-1]
    frames = np.lib.stride_tricks.sliding_window_view(emphasised, WINDOW)[::HOP]
    amplitude = np.abs(np.fft.rfft(frames * _TAPER, axis=1))
    decibels = 20 * np.log10(np.maximum(_FILTERS @ amplitude.T, 1e-5)) - _REFERENCE_DB
    spread = 2 * _LARGEST * (decibels + _RANGE_DB) / _RANGE_DB - _LARGEST
    return np.asarray(np.clip(spread, -_LARGEST, _LARGEST), np.float32)
