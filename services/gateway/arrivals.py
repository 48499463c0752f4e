"""The order of a microphone's packets: each is heard when it comes, and one that comes too late is not."""

from __future__ import annotations

from typing import Any, Final

from aiortc.jitterbuffer import JitterFrame

_NUMBERS: Final = 2**16


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
    def take_over(cls, receiver: Any) -> None:
        """Puts itself in the place of a receiver's jitter buffer."""
        name = "_RTCRtpReceiver__jitter_buffer"
        assert hasattr(receiver, name), "aiortc has changed: its receiver keeps its jitter buffer elsewhere"
        setattr(receiver, name, cls())
