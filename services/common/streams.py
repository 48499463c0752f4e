"""The server's side of a streaming call: grammar, one writer, cancellation, errors and capacity, in one place.

Every streaming RPC of Vivant has the same frame: `config` first and only first, payloads, `finish`. A stream that ends without
`finish` was abandoned. Requests and responses are each one `oneof`, called `request` and `response`.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Generic, TypeVar

import grpc
from google.protobuf.message import Message
from grpc.aio import EOF, ServicerContext

from services.common.logs import get_logger
from services.common.metrics import Metrics
from vivant.errors import REASON_KEY, Full, Internal, InvalidRequest, Unavailable, VivantError

_log = get_logger(__name__)

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
Handler = Callable[[Any, Any, Any], Awaitable[Any]]

#: A peer has this long to send its config.
CONFIG_TIMEOUT_S: Final = 10.0


class Cancelled(Exception):
    """The peer is gone. Not an error: the handler ends, and nothing is started any more."""


class ServerStream(Generic[Request, Response]):
    """One bidirectional call as its handler sees it.

    Iterate it for `(kind, payload)` pairs until `finish` or the end; `finished` tells which of the two it was. `send` may be
    called from several tasks.
    """

    def __init__(self, context: ServicerContext[Request, Response], response: type[Response]) -> None:
        self._context = context
        self._response = response
        self._write_lock = asyncio.Lock()
        self._first: tuple[str, ...] = ("config",)
        self.finished = False
        """The peer has sent `finish`: last work may be done."""

    async def config(self, *, take: bool = True) -> Any:
        """The first message, which must be `config`. The stream is taken with it, or later with `take`."""
        return (await self.first("config", take=take))[1]

    async def first(self, *kinds: str, take: bool = True) -> tuple[str, Any]:
        """The first message and its kind, which must be one of `kinds`; raises InvalidRequest."""
        self._first = kinds
        wanted = " or ".join(kinds)
        try:
            async with asyncio.timeout(CONFIG_TIMEOUT_S):
                message: Any = await self._context.read()
        except TimeoutError:
            raise InvalidRequest(f"no {wanted} within {CONFIG_TIMEOUT_S:.0f} s", reason="no_config") from None
        if message is EOF:
            raise Cancelled
        kind = message.WhichOneof("request")
        if kind not in kinds:
            raise InvalidRequest(f"the first message must be {wanted}, not {kind or 'empty'}", reason="no_config")
        if take:
            await self.take()
        return kind, getattr(message, kind)

    async def take(self) -> None:
        """The initial metadata tells the client that the stream is taken."""
        await self._context.send_initial_metadata(())

    async def __aiter__(self) -> AsyncIterator[tuple[str, Any]]:
        while True:
            message: Any = await self._context.read()
            if message is EOF:
                return
            kind = message.WhichOneof("request")
            if kind is None:
                raise InvalidRequest("empty message: exactly one field of the oneof must be set", reason="empty_message")
            if kind in self._first:
                raise InvalidRequest(f"{kind} comes first and only first", reason="second_config")
            if kind == "finish":
                self.finished = True
                return
            yield kind, getattr(message, kind)

    async def send(self, **response: Message) -> None:
        """Writes one response, for example `send(partial=Partial(...))`; raises Cancelled when the peer is gone."""
        async with self._write_lock:
            try:
                await self._context.write(self._response(**response))
            except (grpc.aio.UsageError, grpc.aio.InternalError, asyncio.InvalidStateError) as exc:
                raise Cancelled from exc
            except Exception as exc:
                # Cython's ExecuteBatchError has no public name: a write to a call that the peer has left.
                if type(exc).__name__ != "ExecuteBatchError":
                    raise
                raise Cancelled from exc


class Admission:
    """How many streams a process serves at once, and whether its engine is ready."""

    def __init__(self, service: str, capacity: int, metrics: Metrics) -> None:
        self.service = service
        self._metrics = metrics
        self.capacity = capacity
        self.active = 0
        self.ready = False

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Holds one place; raises Unavailable while loading, Full when all places are taken."""
        if not self.ready:
            self._metrics.count("vivant_refused_total", "loading")
            raise Unavailable(f"{self.service} is still loading; try again in a few seconds", reason="loading")
        if self.active >= self.capacity:
            self._metrics.count("vivant_refused_total", "full")
            raise Full(f"{self.service} serves {self.capacity} streams already; try again later", reason="full")
        self.active += 1
        try:
            with self._metrics.active():
                yield
        finally:
            self.active -= 1


def flatten(error: BaseException) -> BaseException:
    """The error that matters inside (nested) exception groups: the first VivantError, else the first of all."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    inner = [flatten(item) for item in error.exceptions]
    for item in inner:
        if isinstance(item, VivantError):
            return item
    for item in inner:
        if not isinstance(item, Cancelled):
            return item
    return inner[0]


async def abort(context: ServicerContext[Any, Any], error: VivantError) -> None:
    """Ends the call with the status and reason of `error`."""
    await context.abort(error.status, error.message, trailing_metadata=((REASON_KEY, error.reason),))


def rpc(handler: Handler) -> Handler:
    """Wraps a servicer method: VivantErrors become statuses, a peer that left is no error, all else is a logged INTERNAL.

    The servicer must have a `metrics` attribute.
    """

    @functools.wraps(handler)
    async def wrapped(self: Any, request: Any, context: ServicerContext[Any, Any]) -> Any:
        try:
            return await handler(self, request, context)
        except Exception as exc:  # noqa: BLE001 - the boundary: whatever it is becomes a status and a log record below
            error = flatten(exc)
        if isinstance(error, Cancelled):
            _log.info("stream_abandoned", method=handler.__name__)
            return None
        if not isinstance(error, VivantError):
            _log.error("stream_failed", method=handler.__name__, exc_info=error)
            error = Internal(f"a fault in this service ({type(error).__name__}); its log has the details")
        else:
            _log.warning("stream_refused", method=handler.__name__, reason=error.reason, detail=error.message)
        self.metrics.count("vivant_errors_total", error.reason)
        return await abort(context, error)

    return wrapped
