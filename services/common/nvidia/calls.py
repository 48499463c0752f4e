"""Calls of a server, in which nobody waits for longer than the settings allow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Any, Final

from grpc.aio import AioRpcError, InternalError

from services.common.nvidia.connection import Connection
from vivant.errors import VivantError
from vivant.status import FinalStatus

#: Why a call has ended is known within a round trip after a write has failed.
_REASON_S: Final = 2.0


class Duplex:
    """One call in both directions: requests are sent one after the other, answers go to `on_answer` as they come.

    Every method raises VivantError when the server has ended the call before it was complete.
    """

    def __init__(self, connection: Connection, method: Any, on_answer: Callable[[Any], None]) -> None:
        self._connection = connection
        self._call = method(metadata=connection.metadata)
        self._status = FinalStatus(self._call)
        self._on_answer = on_answer
        self._taken = False
        self._reading = asyncio.create_task(self._read(), name="server-read")

    async def send(self, request: Any) -> None:
        """Waits when the server does not take more, so that memory stays bounded."""
        if self._reading.done():
            raise self._end()
        try:
            async with asyncio.timeout(self._connection.timeout_s):
                await self._call.write(request)
            self._taken = True
        except TimeoutError:
            raise self._connection.late("did not take audio") from None
        except (AioRpcError, asyncio.InvalidStateError) as exc:
            # The reader knows why.
            await asyncio.wait({self._reading}, timeout=_REASON_S)
            raise self._end() from exc

    async def complete(self) -> None:
        """Nothing more will be sent; returns when all is answered."""
        with suppress(asyncio.InvalidStateError, InternalError):
            # It has ended already; the reader knows how.
            await self._call.done_writing()
        await asyncio.wait({self._reading}, timeout=self._connection.timeout_s)
        if not self._reading.done():
            raise self._connection.late("did not give the rest of its answer")
        if error := self._reading.result():
            raise error
        self._connection.well()

    async def close(self) -> None:
        """Gives the call up, if it is not over."""
        self._reading.cancel()
        self._call.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    def _end(self) -> VivantError:
        """Why there is nothing more to be had of a call that was not complete."""
        error = self._reading.result() if self._reading.done() else None
        return error or self._connection.broke_off("it ended the stream by itself")

    async def _read(self) -> VivantError | None:
        try:
            async for answer in self._call:
                self._on_answer(answer)
        except AioRpcError as exc:
            return self._connection.error(await self._status.after(exc), answered=self._taken)
        return None


async def answers(connection: Connection, call: Any) -> AsyncGenerator[Any, None]:
    """The answers to one request, none later than the settings allow; closing the generator cancels the call."""
    answered = False
    stream = aiter(call)
    try:
        while True:
            try:
                async with asyncio.timeout(connection.timeout_s):
                    answer = await anext(stream, None)
            except TimeoutError:
                raise connection.late("did not go on") from None
            except AioRpcError as exc:
                raise connection.error(exc, answered=answered) from exc
            if answer is None:
                break
            answered = True
            yield answer
        connection.well()
    finally:
        call.cancel()
