"""Sound and picture of a conversation as what goes over the wire, on one timeline.

Unit n of a connection begins at n * 40 ms on both tracks. The picture is passed on as it was encoded where it was rendered; the
sound becomes two Opus packets of 20 ms each, with forward error correction inside.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext

AUDIO_CLOCK: Final = 48_000
VIDEO_CLOCK: Final = 90_000
UNIT_AUDIO: Final = AUDIO_CLOCK // 25
UNIT_VIDEO: Final = VIDEO_CLOCK // 25
PACKET_MS: Final = 20
#: A voice needs no more; the rest of the way is for the picture.
_BIT_RATE: Final = 48_000


class OpusVoice:
    """PCM in, Opus packets of 20 ms out."""

    def __init__(self, rate_hz: int) -> None:
        self._rate = rate_hz
        self._samples = rate_hz * PACKET_MS // 1000
        codec: Any = av.CodecContext.create("libopus", "w")
        codec.sample_rate = rate_hz
        codec.format = "s16"
        codec.layout = "mono"
        codec.bit_rate = _BIT_RATE
        codec.time_base = Fraction(1, rate_hz)
        # Receivers repair one packet in ten from the one behind it.
        codec.options = {"application": "voip", "frame_duration": str(PACKET_MS), "fec": "1", "packet_loss": "10"}
        self._codec: AudioCodecContext = codec
        self._pts = 0

    def encode(self, pcm: bytes) -> Iterator[bytes]:
        """The packets of 16-bit PCM, a whole number of 20 ms."""
        samples = np.frombuffer(pcm, "<i2")
        for begin in range(0, len(samples) - self._samples + 1, self._samples):
            frame = av.AudioFrame.from_ndarray(samples[None, begin : begin + self._samples], format="s16", layout="mono")
            frame.sample_rate = self._rate
            frame.pts = self._pts
            frame.time_base = Fraction(1, self._rate)
            self._pts += self._samples
            for packet in self._codec.encode(frame):
                yield bytes(packet)


class Timeline:
    """Which unit is where on the timeline of a connection."""

    def __init__(self) -> None:
        self._first: int | None = None

    def place(self, unit_index: int) -> int:
        """The number of a unit on this connection; the first is 0, and units that were dropped leave a gap."""
        if self._first is None:
            self._first = unit_index
        return unit_index - self._first

    def unit_index(self, number: int) -> int | None:
        """The session's index of a unit of this connection; None before the first."""
        return None if self._first is None or number < 0 else self._first + number
