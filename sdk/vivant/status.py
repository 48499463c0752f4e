"""How a call really ended.

When a write fails because the server has ended the call, grpc.aio replaces the server's status by INTERNAL "Internal error from
Core" (grpc/grpc issue 36066), in either order: the status may have been there already, or is about to come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import grpc

from vivant.errors import REASON_KEY, VivantError, from_rpc_error

T = TypeVar("T")

_STAND_IN: Final = (grpc.StatusCode.INTERNAL, "Internal error from Core")
#: A status that is still on its way is there within a round trip.
_WAIT_S: Final = 1.0


def translate(error: grpc.aio.AioRpcError, address: str) -> VivantError:
    """The error of a call. What Vivant says itself is a sentence already; what gRPC says needs to be told from where."""
    said_by_vivant = any(key == REASON_KEY for key, _ in error.trailing_metadata() or ())
    return from_rpc_error(error, "" if said_by_vivant else address)


class FinalStatus:
    """Keeps the status that the server gave to a call."""

    def __init__(self, call: grpc.aio.Call) -> None:
        self._known = asyncio.Event()
        self._error: grpc.aio.AioRpcError | None = None
        call.add_done_callback(self._on_status)

    def _on_status(self, call: Any) -> None:
        """Called by grpc.aio each time it sets a status, so that asking for it does not wait."""
        code, details, trailing = _now(call.code()), _now(call.details()), _now(call.trailing_metadata())
        if (code, details) != _STAND_IN and not self._known.is_set():
            self._error = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing or grpc.aio.Metadata(), details)
            self._known.set()

    async def after(self, failure: BaseException) -> grpc.aio.AioRpcError:
        """The status behind a failed read or write; `failure` itself if the server gave none."""
        try:
            async with asyncio.timeout(_WAIT_S):
                await self._known.wait()
        except TimeoutError:
            if isinstance(failure, grpc.aio.AioRpcError):
                return failure
            raise failure from None
        assert self._error is not None
        return self._error


def _now(finished: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that has nothing to wait for."""
    try:
        finished.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finished.close()
    raise RuntimeError("a call that is over must know its status")
