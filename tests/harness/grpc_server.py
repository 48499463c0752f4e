"""A servicer behind a real gRPC server on a free port, for contract tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest

from services.common.metrics import Metrics
from services.common.streams import Admission
from vivant.channel import SERVER_OPTIONS, open_channel
from vivant.errors import REASON_KEY


@dataclass
class Served:
    """A service that is served, and its insides."""

    stub: Any
    admission: Admission
    metrics: Metrics


@asynccontextmanager
async def listening(add_to: Callable[[grpc.aio.Server], None]) -> AsyncIterator[str]:
    """Serves what `add_to` registers, and yields the address."""
    server = grpc.aio.server(options=SERVER_OPTIONS)
    add_to(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


@asynccontextmanager
async def served(add_to: Callable[[grpc.aio.Server], None]) -> AsyncIterator[grpc.aio.Channel]:
    """Serves what `add_to` registers, and yields a channel to it."""
    async with listening(add_to) as address, open_channel(address) as channel:
        yield channel


def admission_of(service: str, engine: str, capacity: int) -> tuple[Admission, Metrics]:
    """A service's door, open for so many, and its metrics."""
    metrics = Metrics(service, engine)
    admission = Admission(service, capacity, metrics)
    admission.ready = True
    return admission, metrics


async def refusal(call: Awaitable[Any]) -> tuple[grpc.StatusCode, str, str]:
    """Status, reason and sentence with which a call ends."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert isinstance(caught.value, grpc.aio.AioRpcError)
    return caught.value.code(), reason(caught.value), caught.value.details() or ""


def reason(error: grpc.aio.AioRpcError) -> str:
    """The stable reason that a refused call carries."""
    return str(dict(error.trailing_metadata() or ()).get(REASON_KEY, ""))
