"""The gateway's ends of WebRTC connections, seen from inside."""

from __future__ import annotations

from typing import Any

import pytest

from services.gateway.peer import Peer


def noted_peers(monkeypatch: pytest.MonkeyPatch) -> list[Peer]:
    """The peers that the gateway makes from now on, in the order in which they come."""
    made, known = Peer.made, list[Peer]()

    async def noted(gateway: Any, sdp: str) -> Peer:
        known.append(await made(gateway, sdp))
        return known[-1]

    monkeypatch.setattr(Peer, "made", noted)
    return known


def path_of(peer: Peer) -> Any:
    """The aioice connection that a peer uses."""
    assert peer._pc.sctp
    return peer._pc.sctp.transport.transport._connection


def cut(path: Any) -> None:
    """Nothing goes through any more, either way, and nobody is told."""
    for protocol in path._protocols:
        protocol.datagram_received = lambda data, addr: None
        protocol.transport.sendto = lambda data, addr=None: None
