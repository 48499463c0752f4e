"""The sound of the Realtime protocol: its formats, and a microphone that passes sound on at the pace of speech.

Inside everything is 16-bit PCM at 24 kHz.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from functools import cache
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from services.common.audio import to_float, to_pcm
from services.common.resample import Resampler
from services.gateway.realtime.actions import Mark
from services.gateway.realtime.wrong import ClientError

RATE_HZ: Final = 24_000
TELEPHONE_HZ: Final = 8_000
#: GA names; the value is FFmpeg's name of the codec of one-byte samples, empty for PCM.
FORMATS: Final = {"audio/pcm": "", "audio/pcmu": "pcm_mulaw", "audio/pcma": "pcm_alaw"}
#: Sound that waits for its turn at most.
MAX_WAITING_S: Final = 30
#: It is passed on in pieces, at most so far ahead of real time; the orchestrator allows one second.
PIECE_MS: Final = 40
AHEAD_S: Final = 0.2
_PIECE: Final = RATE_HZ * PIECE_MS // 1000 * 2


class Decoder:
    """Sound of a client to PCM at 24 kHz."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._resampler = Resampler(TELEPHONE_HZ, RATE_HZ) if FORMATS[name] else None

    def decode(self, data: bytes) -> bytes:
        if self._resampler is None:
            return data
        linear = _to_linear(FORMATS[self.name])[np.frombuffer(data, np.uint8)]
        return to_pcm(self._resampler.push(to_float(linear.tobytes())))


class Encoder:
    """PCM at 24 kHz to sound for a client."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._resampler = Resampler(RATE_HZ, TELEPHONE_HZ) if FORMATS[name] else None

    def encode(self, pcm: bytes) -> bytes:
        if self._resampler is None:
            return pcm
        linear = np.frombuffer(to_pcm(self._resampler.push(to_float(pcm))), "<i2")
        return _from_linear(FORMATS[self.name])[linear.astype(np.int32) + 32768].tobytes()


@cache
def _to_linear(codec: str) -> NDArray[np.int16]:
    """int16[256]: what each byte of a G.711 codec stands for, as FFmpeg has it."""
    context = av.CodecContext.create(codec, "r")
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate, context.layout = TELEPHONE_HZ, "mono"
    frames = context.decode(av.Packet(bytes(range(256))))
    table: NDArray[np.int16] = np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames]).astype(np.int16)
    return table


@cache
def _from_linear(codec: str) -> NDArray[np.uint8]:
    """uint8[65536]: the byte for each sample from -32768 on."""
    context = av.CodecContext.create(codec, "w")
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate, context.layout, context.format = TELEPHONE_HZ, "mono", "s16"
    samples = np.arange(-32768, 32768).astype(np.int16).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
    frame.sample_rate = TELEPHONE_HZ
    return np.frombuffer(b"".join(bytes(packet) for packet in context.encode(frame)), np.uint8)


class Microphone:
    """Sound that came in any hurry and leaves at the pace of speech."""

    def __init__(self) -> None:
        self._waiting: deque[bytes | Mark] = deque()
        self._bytes = 0
        self._due = 0.0
        self._something = asyncio.Event()
        self.passed_on = 0
        """Bytes that have left."""

    @property
    def waiting_ms(self) -> int:
        return self._bytes * 1000 // (2 * RATE_HZ)

    def put(self, pcm: bytes) -> None:
        """Adds sound; raises ClientError, and takes nothing of it, when more than 30 s would wait."""
        if self._bytes + len(pcm) > MAX_WAITING_S * RATE_HZ * 2:
            raise ClientError(
                "buffer_full",
                f"These are {len(pcm) / 2 / RATE_HZ:.1f} s of sound, {self.waiting_ms / 1000:.1f} s wait already, and at most "
                f"{MAX_WAITING_S} s may: sound is heard at the pace at which it was spoken. Send less, or send later.",
                param="audio",
            )
        self._bytes += len(pcm)
        self._waiting.extend(pcm[start : start + _PIECE] for start in range(0, len(pcm), _PIECE))
        self._something.set()

    @property
    def marked(self) -> bool:
        """A mark waits among the sound."""
        return any(not isinstance(piece, bytes) for piece in self._waiting)

    def mark(self, mark: Mark) -> None:
        """Leaves when what waits now has left."""
        self._waiting.append(mark)
        self._something.set()

    def clear(self) -> int:
        """Forgets the sound that waits behind the last mark; returns how many samples that were."""
        before = self._bytes
        while self._waiting and isinstance(piece := self._waiting[-1], bytes):
            self._bytes -= len(piece)
            self._waiting.pop()
        return (before - self._bytes) // 2

    async def pieces(self) -> AsyncIterator[bytes | Mark]:
        """What waits and what will come, each when it is due; never ends. What was taken out is gone, whoever asks next."""
        loop = asyncio.get_running_loop()
        while True:
            while not self._waiting:
                self._something.clear()
                await self._something.wait()
            early = self._due - AHEAD_S - loop.time()
            if early > 0:
                await asyncio.sleep(early)
                continue
            piece = self._waiting.popleft()
            if isinstance(piece, bytes):
                self._bytes -= len(piece)
                self.passed_on += len(piece)
                self._due = max(self._due, loop.time()) + len(piece) / 2 / RATE_HZ
            yield piece
