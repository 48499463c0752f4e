"""The order of a microphone's packets: each is heard when it comes, and one that comes too late is not."""

from __future__ import annotations

from typing import Any, Final

from aiortc import RTCRtpReceiver
from aiortc.jitterbuffer import JitterBuffer, JitterFrame

from services.gateway.rtc.reliance import require, require_use

_NUMBERS: Final = 2**16
_JITTER_BUFFER: Final = "_RTCRtpReceiver__jitter_buffer"

require(RTCRtpReceiver, _JITTER_BUFFER)
require(JitterBuffer, "add")
require_use(RTCRtpReceiver, "_handle_rtp_packet", _JITTER_BUFFER, "add", "_data")


class Arrivals:
    """In place of aiortc's jitter buffer, which holds sound back for five packets (100 ms) and stands still for a third of a
    second where one is lost. Nobody listens to a microphone but a recogniser, which a gap of 20 ms disturbs less than waiting.
    """

    def __init__(self) -> None:
        self._newest: int | None = None

    def add(self, packet: Any) -> tuple[bool, JitterFrame | None]:
        """One RTP packet: False, for no picture has to be asked for, and the sound; None for what is late or was heard."""
        ahead = 1 if self._newest is None else (packet.sequence_number - self._newest) % _NUMBERS
        if not 0 < ahead < _NUMBERS // 2:
            return False, None
        self._newest = packet.sequence_number
        return False, JitterFrame(packet._data, packet.timestamp)

    @classmethod
    def take_over(cls, receiver: RTCRtpReceiver) -> None:
        """Puts itself in the place of a receiver's jitter buffer."""
        setattr(receiver, _JITTER_BUFFER, cls())
