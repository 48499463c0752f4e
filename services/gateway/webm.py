"""A live WebM stream of a conversation: VP8 as it was encoded, and Opus, in small clusters."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

import av

import vivant
from services.gateway.media import AUDIO_CLOCK, PACKET_MS, OpusVoice

_UNIT_MS: Final = 40
#: Written into the stream as the length of a picture: a second. Players show a picture until the next one anyway; but Chromium
#: throws away all up to the next keyframe when one comes later than twice that length after the one before.
_NOMINAL_RATE: Final = 1
#: A cluster holds a unit: a player can show it as soon as it has come.
_MUXER: Final = {"live": "1", "cluster_time_limit": str(_UNIT_MS), "flush_packets": "1"}


class _Pipe:
    """A file that cannot be sought in, from which is taken what was written."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """What was written since the last time."""
        data = b"".join(self._parts)
        self._parts.clear()
        return data


class WebmStream:
    """One stream; its time begins with the first unit. Without a picture (`size_px` 0) it holds sound only."""

    def __init__(self, voice_rate_hz: int, size_px: int) -> None:
        self._pipe = _Pipe()
        self._container: Any = av.open(self._pipe, "w", format="webm", container_options=_MUXER)
        self._video = self._container.add_stream("libvpx", rate=_NOMINAL_RATE) if size_px else None
        if self._video:
            self._video.width = self._video.height = size_px
            self._video.pix_fmt = "yuv420p"
            self._video.time_base = Fraction(1, 1000)
        self._audio = self._container.add_stream("libopus", rate=AUDIO_CLOCK, layout="mono")
        self._audio.time_base = Fraction(1, 1000)
        self._opus = OpusVoice(voice_rate_hz)
        self.needs_keyframe = size_px > 0
        """No picture is written before one that can be decoded alone."""

    def add(self, number: int, unit: vivant.Unit) -> bytes:
        """Unit `number` of the stream; returns what is to be sent."""
        at_ms = number * _UNIT_MS
        frame = unit.frame
        if self._video and frame is not None and frame.data and (frame.keyframe or not self.needs_keyframe):
            self.needs_keyframe = False
            self._mux(self._video, frame.data, at_ms, keyframe=frame.keyframe)
        for index, packet in enumerate(self._opus.encode(unit.pcm)):
            self._mux(self._audio, packet, at_ms + index * PACKET_MS, keyframe=True)
        return self._pipe.take()

    def _mux(self, stream: Any, data: bytes, at_ms: int, *, keyframe: bool) -> None:
        packet: Any = av.Packet(data)
        packet.stream = stream
        packet.time_base = Fraction(1, 1000)
        packet.pts = packet.dts = at_ms
        packet.is_keyframe = keyframe
        # Not interleaved: that would hold sound back until the next picture.
        self._container.mux_one(packet)
