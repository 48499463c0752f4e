"""Whisper's log-mel spectrogram, computed once for each 10 ms of a stream and kept only as long as it is needed.

Invariant: a column is computed from the 25 ms of audio around it and never again; only the level that Whisper takes from the
loudest column is set anew for each decoding.

Source of the constants: Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022), section 2.2, and
the reference implementation: 16 kHz, 25 ms Hann window, 10 ms hop, 80 Slaney mel bands, log10 floored 8 below the maximum.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ: Final = 16_000
HOP_SAMPLES: Final = 160
FRAMES_PER_S: Final = SAMPLE_RATE_HZ // HOP_SAMPLES
#: The context that Whisper was trained with.
FULL_FRAMES: Final = 3_000

_WINDOW_SAMPLES: Final = 400
_MELS: Final = 80
_FLOOR: Final = 1e-10


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slaney's scale: linear below 1 kHz (15 mel), logarithmic with 27 steps to a factor of 6.4 above."""
    return np.where(mel < 15.0, mel * (200.0 / 3.0), 1000.0 * np.exp((mel - 15.0) * (np.log(6.4) / 27.0)))


def mel_filters(bands: int = _MELS) -> NDArray[np.float32]:
    """Triangular filters of constant energy, float32 `[bands, 201]`."""
    top_mel = 15.0 + np.log(SAMPLE_RATE_HZ / 2 / 1000.0) * 27.0 / np.log(6.4)
    edges = _mel_to_hz(np.linspace(0.0, top_mel, bands + 2))
    bins = np.fft.rfftfreq(_WINDOW_SAMPLES, 1.0 / SAMPLE_RATE_HZ)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return (triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


class LogMelStream:
    """Columns of one stream. Column `n` is centred on sample `n * 160`; positions below are such column numbers."""

    _filters = mel_filters()
    _window = np.hanning(_WINDOW_SAMPLES + 1)[:-1].astype(np.float32)

    def __init__(self) -> None:
        # Half a window of silence before the first sample centres column 0 on it.
        self._audio = np.zeros(_WINDOW_SAMPLES // 2, np.float32)
        self._columns = np.empty((_MELS, 0), np.float32)
        self.start = 0
        """The first column that is kept."""

    @property
    def end(self) -> int:
        """One past the last column."""
        return self.start + self._columns.shape[1]

    def push(self, samples: NDArray[np.float32]) -> None:
        """Takes float32 samples in [-1, 1) at 16 kHz."""
        audio = np.concatenate((self._audio, samples))
        count = max(0, (len(audio) - _WINDOW_SAMPLES) // HOP_SAMPLES + 1)
        if count:
            frames = np.lib.stride_tricks.sliding_window_view(audio, _WINDOW_SAMPLES)[: count * HOP_SAMPLES : HOP_SAMPLES]
            power = np.abs(np.fft.rfft(frames * self._window, axis=1)).astype(np.float32) ** 2
            columns = np.log10(np.maximum(self._filters @ power.T, _FLOOR))
            self._columns = np.concatenate((self._columns, columns), axis=1)
        self._audio = audio[count * HOP_SAMPLES :]

    def skip(self, columns: int) -> None:
        """Moves on over `columns` of silence that nobody will ask for; forgets what was kept."""
        self.start = self.end + columns
        self._columns = np.empty((_MELS, 0), np.float32)
        self._audio = np.zeros_like(self._audio)

    def forget(self, before: int) -> None:
        """Drops the columns before `before`."""
        drop = min(max(0, before - self.start), self._columns.shape[1])
        if drop:
            self._columns = self._columns[:, drop:].copy()
            self.start += drop

    def cut(self, start: int, end: int) -> NDArray[np.float32]:
        """A copy of the columns `[start, end)`, log10 of the mel power, float32 `[80, end - start]`."""
        return self._columns[:, max(0, start - self.start) : max(0, end - self.start)].copy()


def whisper_input(columns: NDArray[np.float32], context: int) -> NDArray[np.float32]:
    """Levels the columns as Whisper wants them and pads them with silence to `context` columns: float32 `[1, 80, context]`."""
    floor = float(columns.max(initial=-2.0)) - 8.0
    padded = np.full((1, _MELS, max(context, columns.shape[1])), floor, np.float32)
    np.maximum(columns, floor, out=padded[0, :, : columns.shape[1]])
    padded += 4.0
    padded /= 4.0
    return padded
