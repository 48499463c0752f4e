"""Streaming conversion of the sample rate by FFmpeg's resampler.

Invariant: output sample `n` lies at the time of input sample `n * rate_hz / target_hz`, however the stream is cut, and none
comes later than the filter needs. soxr's resampler converts in blocks, which would make a stream of 48 kHz up to 37 ms late and
one of 8 kHz up to 115 ms.
"""

from __future__ import annotations

import av
import numpy as np
from numpy.typing import NDArray


class Resampler:
    """Converts one stream from `rate_hz` to `target_hz`; equal rates pass through."""

    def __init__(self, rate_hz: int, target_hz: int) -> None:
        self._rate_hz = rate_hz
        self._converter = av.AudioResampler(format="flt", layout="mono", rate=target_hz) if rate_hz != target_hz else None

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Float32 `[n]` in, float32 out; the output lags the input by 16 samples of the slower rate."""
        if self._converter is None or not len(samples):
            return samples
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout="mono")
        frame.sample_rate = self._rate_hz
        converted = [np.asarray(part.to_ndarray()[0], np.float32) for part in self._converter.resample(frame)]
        return np.concatenate(converted) if converted else np.empty(0, np.float32)
