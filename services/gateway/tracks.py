"""Voice and picture as tracks of a peer connection."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import av
from aiortc import MediaStreamTrack, RTCRtpSender
from aiortc.mediastreams import MediaStreamError

import vivant
from services.gateway.media import AUDIO_CLOCK, UNIT_AUDIO, UNIT_VIDEO, VIDEO_CLOCK, OpusVoice
from services.gateway.rtc.sending import last_timestamp

#: Units that wait for the network; older ones are dropped.
_MOST_WAITING: Final = 6


@dataclass(frozen=True)
class _Sound:
    number: int
    packets: tuple[bytes, ...]
    at: float


class WireTrack(MediaStreamTrack):
    """A track that knows the RTP timestamps that its packets are sent with."""

    def __init__(self) -> None:
        super().__init__()
        self.sender: RTCRtpSender | None = None
        """Who sends it."""
        self.origin: int | None = None
        """RTP timestamp of unit 0; None before something was sent."""
        self._pts = 0

    @property
    def pts(self) -> int:
        """Time of the packet that was given out last, in ticks since unit 0."""
        return self._pts

    def _settle(self) -> None:
        """To be called when the next packet is asked for: then the one before has been sent."""
        if self.origin is None and self.sender is not None and (sent := last_timestamp(self.sender)) is not None:
            self.origin = (sent - self._pts) % 2**32

    def _next(self, data: bytes, pts: int, clock: int) -> av.Packet[Any]:
        packet = av.Packet(data)
        packet.pts = self._pts = pts
        packet.time_base = Fraction(1, clock)
        return packet


class VoiceTrack(WireTrack):
    """The voice: two packets a unit, the second 20 ms after the first."""

    kind = "audio"

    def __init__(self, rate_hz: int) -> None:
        super().__init__()
        self._opus = OpusVoice(rate_hz)
        self._units: asyncio.Queue[_Sound] = asyncio.Queue(_MOST_WAITING)
        self._rest: deque[tuple[bytes, int, float]] = deque()

    def put(self, number: int, pcm: bytes) -> bool:
        """One unit; False when the oldest had to be dropped for it."""
        # Encoded even when it is dropped later: the encoder must hear everything in order.
        sound = _Sound(number, tuple(self._opus.encode(pcm)), asyncio.get_running_loop().time())
        kept = not self._units.full()
        if not kept:
            self._units.get_nowait()
        self._units.put_nowait(sound)
        return kept

    async def recv(self) -> av.Packet[Any]:
        """The next packet, when it is due."""
        if self.readyState != "live":
            raise MediaStreamError
        self._settle()
        if not self._rest:
            sound = await self._units.get()
            step = UNIT_AUDIO // max(1, len(sound.packets))
            for index, data in enumerate(sound.packets):
                due = sound.at + index * step / AUDIO_CLOCK
                self._rest.append((data, sound.number * UNIT_AUDIO + index * step, due))
        data, pts, due = self._rest.popleft()
        wait = due - asyncio.get_running_loop().time()
        # With units waiting behind it, it is late already.
        if wait > 0 and self._units.empty():
            await asyncio.sleep(wait)
        return self._next(data, pts, AUDIO_CLOCK)


class PictureTrack(WireTrack):
    """The picture, as it was encoded. Begins with a picture that can be decoded alone, and again so after a loss."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self._frames: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue(_MOST_WAITING)
        self.broken = True
        """The next picture that can be shown is one that can be decoded alone."""

    def put(self, number: int, frame: vivant.Frame) -> bool:
        """One picture; False when a keyframe is needed to go on."""
        if frame.repeated or not frame.data:
            return not self.broken
        if self.broken and not frame.keyframe:
            return False
        if self._frames.full():
            while not self._frames.empty():
                self._frames.get_nowait()
            self.broken = not frame.keyframe
            if self.broken:
                return False
        self.broken = False
        self._frames.put_nowait((number, frame.data))
        return True

    async def recv(self) -> av.Packet[Any]:
        """The next picture."""
        if self.readyState != "live":
            raise MediaStreamError
        self._settle()
        number, data = await self._frames.get()
        return self._next(data, number * UNIT_VIDEO, VIDEO_CLOCK)
