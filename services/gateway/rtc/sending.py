"""What a sender of aiortc knows and does not tell: the time of its packets, and that the browser wants a keyframe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aiortc import RTCRtpSender

from services.gateway.rtc.reliance import require, require_use

_SEND_KEYFRAME: Final = "_send_keyframe"
_PACKETS: Final = "_RTCRtpSender__packet_count"
_TIMESTAMP: Final = "_RTCRtpSender__rtp_timestamp"

require(RTCRtpSender, _SEND_KEYFRAME, _PACKETS, _TIMESTAMP)
require_use(RTCRtpSender, "_handle_rtcp_packet", _SEND_KEYFRAME)


def when_keyframe_wanted(sender: RTCRtpSender, do: Callable[[], None]) -> None:
    """Calls `do` for each request of the browser. aiortc keeps it for an encoder of its own, and the picture comes encoded."""
    setattr(sender, _SEND_KEYFRAME, do)


def last_timestamp(sender: RTCRtpSender) -> int | None:
    """The RTP timestamp of the packet that was sent last; None before the first. aiortc begins each track at a random one."""
    sent: int = getattr(sender, _PACKETS)
    timestamp: int = getattr(sender, _TIMESTAMP)
    return timestamp if sent else None
