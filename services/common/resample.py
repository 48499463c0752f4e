"""Streaming conversion of the sample rate to 16 kHz by a polyphase filter.

Invariant: output sample `n` lies at the time of input sample `n * down / up`; the filter's delay is taken out.
"""

from __future__ import annotations

from math import gcd
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: Filter taps on each side, in samples of the slower rate.
_HALF_WIDTH: Final = 16


class Resampler:
    """Converts one stream from `rate_hz` to `target_hz`; equal rates pass through."""

    def __init__(self, rate_hz: int, target_hz: int) -> None:
        common = gcd(rate_hz, target_hz)
        self._up, self._down = target_hz // common, rate_hz // common
        if self._up == self._down:
            return
        slower = max(self._up, self._down)
        half = _HALF_WIDTH * slower
        # A sinc with its edge at 0.92 of the slower Nyquist rate; Kaiser's beta of 8 keeps what is above 80 dB down.
        taps = np.sinc(np.arange(-half, half + 1) * 0.92 / slower) * np.kaiser(2 * half + 1, 8.0)
        self._taps = (taps * (self._up / taps.sum())).astype(np.float32)
        # The raised stream begins with the filter's first half, so that output 0 is centred on input 0.
        self._raised = np.zeros(half, np.float32)
        self._phase = 0

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Float32 in, float32 out; the output lags the input by 16 samples of the slower rate."""
        if self._up == self._down:
            return samples
        raised = np.zeros(len(samples) * self._up, np.float32)
        raised[:: self._up] = samples
        self._raised = np.concatenate((self._raised, raised))
        if len(self._raised) < len(self._taps):
            return np.empty(0, np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(self._raised, len(self._taps))
        result: NDArray[np.float32] = windows[self._phase :: self._down] @ self._taps[::-1]
        used = self._phase + len(result) * self._down
        keep = min(used, len(windows))
        self._raised = self._raised[keep:]
        self._phase = used - keep
        return result
