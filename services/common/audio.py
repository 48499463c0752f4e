"""Audio on the wire: what formats are accepted, and the order in which chunks may come."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vivant.common.v1 import common_pb2
from vivant.errors import InvalidRequest

#: One audio message holds at most this much.
MAX_CHUNK_MS = 100
#: A longer gap in a stream is a mistake, not silence.
MAX_GAP_S = 600


def pcm_format(sample_rate_hz: int) -> common_pb2.AudioFormat:
    """16-bit mono PCM at the given rate."""
    return common_pb2.AudioFormat(encoding=common_pb2.AUDIO_ENCODING_PCM_S16LE, sample_rate_hz=sample_rate_hz, channels=1)


def require_format(what: str, audio: common_pb2.AudioFormat, rates_hz: Sequence[int]) -> int:
    """Checks that `audio` is mono 16-bit PCM at one of `rates_hz` and returns the rate; raises InvalidRequest."""
    if audio.encoding != common_pb2.AUDIO_ENCODING_PCM_S16LE:
        name = common_pb2.AudioEncoding.Name(audio.encoding) if audio.encoding in (0, 1) else str(audio.encoding)
        raise InvalidRequest(f"{what}: encoding must be PCM_S16LE, not {name}", reason="wrong_encoding")
    if audio.channels != 1:
        raise InvalidRequest(f"{what}: channels must be 1, not {audio.channels}", reason="wrong_channels")
    if audio.sample_rate_hz not in rates_hz:
        choices = " or ".join(str(rate) for rate in rates_hz)
        raise InvalidRequest(
            f"{what}: sample_rate_hz must be {choices}, not {audio.sample_rate_hz}", reason="wrong_sample_rate"
        )
    return audio.sample_rate_hz


def to_float(pcm: bytes) -> NDArray[np.float32]:
    """16-bit PCM bytes to float32 samples in [-1, 1)."""
    return np.frombuffer(pcm, "<i2").astype(np.float32) / 32768.0


def to_pcm(samples: NDArray[np.floating]) -> bytes:
    """Float samples, clipped to [-1, 1], to 16-bit PCM bytes."""
    pcm: bytes = (np.clip(samples, -1.0, 1.0) * 32767.0).round().astype("<i2").tobytes()
    return pcm


class ChunkOrder:
    """Holds one audio stream to the contract: at most 100 ms a message, never back in time, gaps are silence."""

    def __init__(self, what: str, sample_rate_hz: int, *, gaps: bool = True) -> None:
        self._what = what
        self._rate = sample_rate_hz
        self._gaps = gaps
        self.next_sample = 0
        """Where the next chunk is expected to start."""

    def accept(self, pcm: bytes, start_sample: int) -> int:
        """Checks one chunk and returns the number of silent samples missing before it; raises InvalidRequest."""
        if not pcm:
            raise InvalidRequest(f"{self._what}: an audio message must hold at least one sample", reason="empty_audio")
        if len(pcm) % 2:
            raise InvalidRequest(f"{self._what}: 16-bit PCM needs an even number of bytes, got {len(pcm)}", reason="odd_bytes")
        samples = len(pcm) // 2
        limit = self._rate * MAX_CHUNK_MS // 1000
        if samples > limit:
            raise InvalidRequest(
                f"{self._what}: an audio message holds at most {MAX_CHUNK_MS} ms ({limit} samples), got {samples}",
                reason="oversized_audio",
            )
        gap = start_sample - self.next_sample
        if gap < 0:
            raise InvalidRequest(
                f"{self._what}: start_sample {start_sample} lies before {self.next_sample}, where the audio so far ends",
                reason="audio_out_of_order",
            )
        if gap and not self._gaps:
            raise InvalidRequest(
                f"{self._what}: start_sample must be {self.next_sample}, not {start_sample}: no gaps here", reason="audio_gap"
            )
        if gap > MAX_GAP_S * self._rate:
            raise InvalidRequest(
                f"{self._what}: start_sample {start_sample} leaves a gap of more than {MAX_GAP_S} s", reason="audio_gap"
            )
        self.next_sample = start_sample + samples
        return gap
