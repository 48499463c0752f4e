"""A servicer behind a real gRPC server on a free port, for contract tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc

from vivant.channel import SERVER_OPTIONS, open_channel
from vivant.errors import REASON_KEY


@asynccontextmanager
async def served(add_to: Callable[[grpc.aio.Server], None]) -> AsyncIterator[grpc.aio.Channel]:
    """Serves what `add_to` registers, and yields a channel to it."""
    server = grpc.aio.server(options=SERVER_OPTIONS)
    add_to(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with open_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        await server.stop(None)


def reason(error: grpc.aio.AioRpcError) -> str:
    """The stable reason that a refused call carries."""
    return str(dict(error.trailing_metadata() or ()).get(REASON_KEY, ""))
