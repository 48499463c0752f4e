"""The print of a voice: 256 numbers of unit length, near each other for the same voice, whatever is said.

Method and weights: Wan et al., "Generalized End-to-End Loss for Speaker Verification" (2018), as trained by Resemblyzer: the
power of 40 mel bands every 10 ms, pieces of 1.6 s that overlap, and a network of three LSTM layers that makes a print of each
piece. The pieces run side by side, so a long utterance costs little more than a short one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.log_mel import HOP_SAMPLES, WINDOW_SAMPLES, mel_filters, power_spectra
from services.common.onnx import open_model

Array = NDArray[np.float32]

SAMPLE_RATE_HZ: Final = 16_000
_BANDS: Final = 40
#: Frames of one piece, and from one piece to the next.
_PIECE: Final = 160
_STEP: Final = 80
#: A further piece with less speech in it than this is left out.
_COVERED: Final = 80
#: Less speech than this is little.
_SHORT: Final = 250
#: More pieces than this tell nothing new: the latest are taken.
_MOST_PIECES: Final = 8
_SIZE: Final = 256
#: Softer recordings are raised to this level before (-30 dBFS).
_LEVEL: Final = 10 ** (-30 / 20)
#: Frames so far below the loudest ones are pauses, and longer pauses than this are left out.
_PAUSE_DB: Final = 35.0
_PAUSE_FRAMES: Final = 12


class Voiceprints:
    """The loaded model; used by several threads at once."""

    def __init__(self, path: Path) -> None:
        self._model = open_model(path)
        self._filters = mel_filters(_BANDS)

    def of(self, samples: Array) -> tuple[Array, float]:
        """The print of mono float32 audio at 16 kHz, and how many seconds of speech it is made of; blocks.

        float32 `[256]` of length 1; zeros for silence.
        """
        mels = self._mels(samples)
        spoken = len(mels) * HOP_SAMPLES / SAMPLE_RATE_HZ
        if not len(mels):
            return np.zeros(_SIZE, np.float32), 0.0
        pieces = _pieces(mels)[-_MOST_PIECES:]
        (prints,) = self._model.run(["prints"], {"mels": pieces})
        mean = prints.mean(axis=0)
        return mean / max(float(np.linalg.norm(mean)), 1e-9), spoken

    def _mels(self, samples: Array) -> Array:
        """The power of each band, `[frames, 40]`, without long pauses and at the level that the model knows."""
        if len(samples) < WINDOW_SAMPLES:
            return np.zeros((0, _BANDS), np.float32)
        mels = power_spectra(np.pad(samples, WINDOW_SAMPLES // 2)) @ self._filters.T
        energy = mels.sum(axis=1)
        loud = np.percentile(energy, 95)
        kept = _without_pauses(energy > loud * 10 ** (-_PAUSE_DB / 10))
        rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
        if loud <= 0 or rms <= 0:
            return np.zeros((0, _BANDS), np.float32)
        return mels[kept] * np.float32(max(1.0, _LEVEL / rms) ** 2)


def _pieces(mels: Array) -> Array:
    """`[frames, 40]` cut into pieces `[n, 160, 40]`, the last one filled up with silence.

    Where there is little speech it is also heard again and again: both together err less than each alone.
    """
    starts = [start for start in range(0, len(mels), _STEP) if not start or len(mels) - start >= _COVERED]
    pieces = np.zeros((len(starts), _PIECE, _BANDS), np.float32)
    for piece, start in zip(pieces, starts, strict=True):
        part = mels[start : start + _PIECE]
        piece[: len(part)] = part
    if len(mels) < _SHORT:
        again = np.tile(mels, (-(-_PIECE // len(mels)), 1))[:_PIECE]
        pieces = np.concatenate((pieces, again[None]))
    return pieces


def _without_pauses(voiced: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which frames are kept: those with a voice, and short pauses between them."""
    kept = voiced.copy()
    last = -1
    for frame in np.flatnonzero(voiced):
        if last >= 0 and frame - last - 1 <= _PAUSE_FRAMES:
            kept[last:frame] = True
        last = int(frame)
    return kept
