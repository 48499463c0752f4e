"""Whisper's log-mel spectrogram of a stream, computed once for each 10 ms and kept only as long as it is needed.

Invariant: a column is computed from the 25 ms of audio around it and never again; only the level that Whisper takes from the
loudest column is set anew for each decoding.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.log_mel import BANDS, HOP_SAMPLES, WINDOW_SAMPLES, log_mel, mel_filters

#: The context that Whisper was trained with.
FULL_FRAMES: Final = 3_000


class LogMelStream:
    """Columns of one stream. Column `n` is centred on sample `n * 160`; positions below are such column numbers."""

    def __init__(self, bands: int = BANDS) -> None:
        self._filters = mel_filters(bands)
        # Half a window of silence before the first sample centres column 0 on it.
        self._audio = np.zeros(WINDOW_SAMPLES // 2, np.float32)
        self._columns = np.empty((bands, 0), np.float32)
        self.start = 0
        """The first column that is kept."""

    @property
    def end(self) -> int:
        """One past the last column."""
        return self.start + self._columns.shape[1]

    def push(self, samples: NDArray[np.float32]) -> None:
        """Takes float32 samples in [-1, 1) at 16 kHz."""
        audio = np.concatenate((self._audio, samples))
        columns = log_mel(audio, self._filters)
        count = columns.shape[1]
        if count:
            self._columns = np.concatenate((self._columns, columns), axis=1)
        self._audio = audio[count * HOP_SAMPLES :]

    def skip(self, columns: int) -> None:
        """Moves on over `columns` of silence that nobody will ask for; forgets what was kept."""
        self.start = self.end + columns
        self._columns = self._columns[:, :0]
        self._audio = np.zeros_like(self._audio)

    def forget(self, before: int) -> None:
        """Drops the columns before `before`."""
        drop = min(max(0, before - self.start), self._columns.shape[1])
        if drop:
            self._columns = self._columns[:, drop:].copy()
            self.start += drop

    def cut(self, start: int, end: int) -> NDArray[np.float32]:
        """A copy of the columns `[start, end)`, log10 of the mel power, float32 `[bands, end - start]`."""
        return self._columns[:, max(0, start - self.start) : max(0, end - self.start)].copy()
