"""A service in a process of its own, for as long as a measurement takes."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.addresses import on_free_ports
from vivant.channel import open_channel

START_TIMEOUT_S = 60.0


@asynccontextmanager
async def running(name: str, **environment: str) -> AsyncIterator[grpc.aio.Channel]:
    """Starts `services.<name>` on free ports, waits until it is ready, and stops it at the end.

    `environment` adds to the process's own, for example TTS_ENGINE="hibari". Its log goes to stderr.
    """
    with on_free_ports(os.environ | {"VIVANT_LOG_LEVEL": "WARNING"}, [name]) as env:
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", f"services.{name}", env=env | environment)
        try:
            async with open_channel(f"127.0.0.1:{env[f'{name.upper()}_PORT']}") as channel:
                async with asyncio.timeout(START_TIMEOUT_S):
                    await _ready(channel, process)
                yield channel
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _ready(channel: grpc.aio.Channel, process: asyncio.subprocess.Process) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    while process.returncode is None:
        try:
            reply = await health.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=1.0)
        except grpc.aio.AioRpcError:
            continue
        if reply.status == health_pb2.HealthCheckResponse.SERVING:
            return
        await asyncio.sleep(0.1)
    raise SystemExit(f"the service ended with status {process.returncode} before it was ready; its log is above")
