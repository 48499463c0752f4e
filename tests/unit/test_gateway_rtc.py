"""What reaches into aiortc: the order of packets, and what is noticed when aiortc changes."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiortc import RTCIceTransport, RTCRtpReceiver, RTCRtpSender

from services.gateway.rtc.arrivals import Arrivals
from services.gateway.rtc.reliance import require, require_use


def packet(number: int) -> Any:
    return SimpleNamespace(sequence_number=number % 2**16, _data=bytes([number % 256]), timestamp=number * 960)


def test_sound_is_heard_at_once_and_nothing_twice_or_backwards() -> None:
    arrivals = Arrivals()
    heard = [
        frame.timestamp // 960
        for number in (65534, 65535, 65538, 65537, 65538, 65539)
        if (frame := arrivals.add(packet(number))[1])
    ]
    assert heard == [65534, 65535, 65538, 65539]


def test_a_part_that_aiortc_has_lost_keeps_the_gateway_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    require(RTCIceTransport, "_monitor", "_recv")
    monkeypatch.delattr(RTCIceTransport, "_monitor")
    with pytest.raises(ImportError, match="RTCIceTransport has changed: _monitor is gone"):
        require(RTCIceTransport, "_monitor", "_recv")


def test_a_part_that_aiortc_does_not_use_any_more_keeps_the_gateway_from_starting() -> None:
    require_use(RTCRtpSender, "_handle_rtcp_packet", "_send_keyframe")
    with pytest.raises(ImportError, match=r"RTCRtpReceiver\._handle_rtp_packet has changed: _payload is gone"):
        require_use(RTCRtpReceiver, "_handle_rtp_packet", "_data", "_payload")
