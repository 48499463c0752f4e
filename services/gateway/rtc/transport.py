"""An ICE transport of aiortc whose path can be exchanged while it is in use.

aiortc's own keeps the connection that it was made with, and is over when that is. Here what is above, DTLS with its keys, the
tracks and the data channel, notices nothing of another path but packets that are lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import aioice
from aiortc import RTCDtlsTransport, RTCIceGatherer, RTCIceTransport

from services.common.logs import get_logger
from services.gateway.rtc.reliance import require, require_use

_log = get_logger(__name__)

#: When the path is lost, another one may still be tried for so long.
_GRACE_S: Final = 5.0
_SET_STATE: Final = "_RTCIceTransport__setState"

require(RTCIceTransport, "_connection", "_recv", "_send", "_monitor", _SET_STATE)
require_use(RTCIceTransport, "start", "_monitor")
require(RTCIceGatherer, "_connection")
require_use(RTCDtlsTransport, "_recv_next", "_recv")
require_use(RTCDtlsTransport, "_send_rtp", "_send")


class Transport:
    """Stands in for the methods of an ICE transport that has not been started."""

    def __init__(self, ice: Any, tries: Callable[[], bool]) -> None:
        """`ice`: an RTCIceTransport. `tries` tells whether another path is being tried; when that changes, call `tell`."""
        self._ice = ice
        self._tries = tries
        self._ice._recv, self._ice._send, self._ice._monitor = self._receive, self._deliver, self._watch
        self._ice.on("statechange", self.tell)
        self.heard_at = asyncio.get_running_loop().time()
        """When the browser has sent something the last time."""
        self._news = asyncio.Event()

    @property
    def path(self) -> aioice.Connection:
        """The path in use."""
        path: aioice.Connection = self._ice._connection
        return path

    @property
    def alive(self) -> bool:
        """It is connected, and has not been closed or lost."""
        return bool(self._ice.state == "completed")

    def use(self, path: aioice.Connection) -> aioice.Connection:
        """Goes on with `path`, which is connected; returns the one that was used before, for the caller to close."""
        before = self.path
        self._ice._connection = self._ice.iceGatherer._connection = path
        return before

    def tell(self) -> None:
        """Wakes all who wait for something to change."""
        self._news.set()
        self._news = asyncio.Event()

    async def _receive(self) -> bytes:
        while True:
            path = self.path
            try:
                data: bytes = await path.recv()
                self.heard_at = asyncio.get_running_loop().time()
                return data
            except ConnectionError:
                if path is self.path:
                    # Its socket may be lost and the rest still be there. `_watch` decides what becomes of the peer.
                    await path.close()
                while path is self.path:
                    if not self.alive:
                        raise
                    await self._news.wait()

    async def _deliver(self, data: bytes) -> None:
        try:
            await self.path.send(data)
        except ConnectionError:
            # Between two paths it is lost, as on any network.
            if not self.alive:
                raise

    async def _watch(self) -> None:
        while True:
            path = self.path
            # Its only event is its end: it was replaced, or closed, or the browser has not answered for half a minute.
            await path.get_event()
            await self._until_replaced(path)
            if path is self.path:
                break
        if self.alive:
            _log.info("path_lost")
            getattr(self._ice, _SET_STATE)("failed")

    async def _until_replaced(self, path: aioice.Connection) -> None:
        """Waits for another path: as long as one is being tried, and a while for the next trial."""
        clock = asyncio.get_running_loop().time
        until = clock() + _GRACE_S
        while path is self.path and self.alive and (self._tries() or clock() < until):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), None if self._tries() else until - clock())
