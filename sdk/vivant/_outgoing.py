"""The requests of one call on their way out: one after another, and none lost to a task that stops waiting for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import grpc

from vivant.errors import Timeout, VivantError
from vivant.session.v1 import session_pb2
from vivant.session.v1.session_pb2 import ConverseRequest
from vivant.status import FinalStatus

#: A server that takes nothing for so long is stuck.
SEND_TIMEOUT_S: Final = 10.0

Call = grpc.aio.StreamStreamCall[ConverseRequest, session_pb2.ConverseResponse]


class Outgoing:
    """Writes to `call`. `broken` makes the error of a call that has ended; `on_stuck` is told when it takes nothing more."""

    def __init__(
        self,
        call: Call,
        status: FinalStatus,
        address: str,
        broken: Callable[[grpc.aio.AioRpcError], VivantError],
        on_stuck: Callable[[VivantError], None],
    ) -> None:
        self._call = call
        self._status = status
        self._address = address
        self._broken = broken
        self._on_stuck = on_stuck
        self._lock = asyncio.Lock()
        self._writes: set[asyncio.Task[None]] = set()

    async def put(self, request: ConverseRequest) -> None:
        """Sends one request; raises a VivantError when the call has ended or takes nothing."""
        # grpc cancels the whole call when a write is cancelled. A task that only stops sending must not end the conversation.
        write = asyncio.create_task(self._write(request))
        self._writes.add(write)
        write.add_done_callback(self._written)
        await asyncio.shield(write)

    async def end(self) -> None:
        """Nothing more will be sent."""
        async with self._lock:
            if not self._call.done():
                await self._call.done_writing()

    async def settled(self) -> None:
        """Waits for what is being written: it fails once the call is gone, and left alone it would do so after the end."""
        await asyncio.gather(*self._writes, return_exceptions=True)

    def _written(self, write: asyncio.Task[None]) -> None:
        self._writes.discard(write)
        # Marks the error as seen: whoever still waits gets it from `shield`, and the reader of events gets it anyway.
        _ = write.cancelled() or write.exception()

    async def _write(self, request: ConverseRequest) -> None:
        async with self._lock:
            try:
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await self._call.write(request)
            except TimeoutError as exc:
                # A write that is given up ends the call: whoever reads must learn of it too.
                stuck = Timeout(f"{self._address} has taken nothing for {SEND_TIMEOUT_S:.0f} s; the conversation is closed")
                self._on_stuck(stuck)
                raise stuck from exc
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError, asyncio.CancelledError) as exc:
                if not self._call.done():
                    raise
                raise self._broken(await self._status.after(exc)) from exc
