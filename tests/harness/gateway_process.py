"""The real gateway as a process of its own, which can be killed and started again at the same address."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from deploy.addresses import free_port
from environment import ROOT
from tests.harness.waiting import PATIENCE_S


@dataclass
class GatewayProcess:
    """Use it through `gateway_process`."""

    orchestrator: str
    port: int
    metrics_port: int
    video_px: int
    process: Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    async def start(self) -> None:
        """Serves when this returns."""
        settings = {
            "GATEWAY_PORT": str(self.port),
            "GATEWAY_METRICS_PORT": str(self.metrics_port),
            "GATEWAY_ORCHESTRATOR_ADDRESS": self.orchestrator,
            "GATEWAY_VIDEO_PX": str(self.video_px),
        }
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.gateway", cwd=ROOT, env=os.environ | settings, stdout=DEVNULL, stderr=DEVNULL
        )
        async with asyncio.timeout(PATIENCE_S):
            while not await self._serves():
                assert self.process.returncode is None, "the gateway has ended"
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """Ends it without a word."""
        if self.process and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def _serves(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except ConnectionError:
            return False
        writer.close()
        await writer.wait_closed()
        return True


@asynccontextmanager
async def gateway_process(orchestrator: str, video_px: int = 128) -> AsyncIterator[GatewayProcess]:
    """A gateway on free ports, as a client of the orchestrator at that address."""
    with free_port() as port, free_port() as metrics_port:
        gateway = GatewayProcess(orchestrator, port, metrics_port, video_px)
        await gateway.start()
        try:
            yield gateway
        finally:
            await gateway.kill()
