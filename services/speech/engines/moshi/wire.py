"""Messages of a Moshi server: binary, the first byte is the kind. Sound is Ogg-Opus, mono, 24 kHz.

Source: `moshi/server.py` and the protocol page of its repository, version 0.2.13.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np
import sphn
from numpy.typing import NDArray

RATE_HZ: Final = 24_000
#: The model's step, 80 ms: it moves on with each frame that it hears, and only then.
FRAME: Final = 1_920
FRAME_S: Final = FRAME / RATE_HZ


class Kind(IntEnum):
    HANDSHAKE = 0
    """The model is ours."""
    AUDIO = 1
    TEXT = 2
    CONTROL = 3
    METADATA = 4
    ERROR = 5
    PING = 6


class Encoder:
    """Sound for one connection."""

    def __init__(self) -> None:
        self._writer = sphn.OpusStreamWriter(RATE_HZ)

    def message(self, frame: NDArray[np.float32]) -> bytes:
        """The message with a frame, float32 `[FRAME]`; empty while the stream has no page to send."""
        page: bytes = self._writer.append_pcm(frame)
        return bytes([Kind.AUDIO]) + page if page else b""


class Decoder:
    """Sound of one connection."""

    def __init__(self) -> None:
        self._reader = sphn.OpusStreamReader(RATE_HZ)

    def decode(self, page: bytes) -> NDArray[np.float32]:
        """Float32 `[n]`, as many as there are; raises ValueError for what is no Ogg-Opus."""
        return np.asarray(self._reader.append_bytes(page), np.float32)
