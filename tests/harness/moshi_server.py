"""A server of Moshi's protocol for tests: real Opus both ways, a step for each frame that it hears, and no model.

What is loud is speech; when it is over it says a tone, and sends silence all the rest of the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import sphn
from aiohttp import web
from aiohttp.test_utils import TestServer
from numpy.typing import NDArray

from services.common.settings import SharedSettings
from services.speech.engines.moshi import MoshiEngine
from services.speech.settings import MoshiOptions

RATE_HZ: Final = 24_000
FRAME: Final = 1_920
TONE: Final = (np.sin(np.arange(FRAME) * 0.2) * 0.25).astype(np.float32)
_STOP_FRAMES: Final = 5


@dataclass
class Script:
    """How the server behaves."""

    reply: str = "It is nice here by the old harbour."
    reply_s: float = 1.2
    needs_prompts: bool = False
    """As PersonaPlex: without its query it refuses."""
    yields: bool = False
    """It stops when somebody speaks over it."""
    cuts_after: list[int] = field(default_factory=list)
    """The first replies are cut off with the connection, after so many frames."""
    error: str = ""
    """Sent in place of the first reply."""
    odd: bool = False
    """It sends kinds that nobody knows."""
    mute: bool = False
    """It takes sound and gives none."""


class Voice:
    """In the place of the model: what it says at each step."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._quiet = 0
        self._heard = False
        self._words: list[str] = []
        self.saying = 0
        """Frames of the reply that are left."""
        self.cut = False
        """The connection breaks here."""

    def step(self, frame: NDArray[np.float32]) -> Iterator[bytes]:
        """It hears a frame: what it sends besides sound."""
        script = self._script
        self.saying = max(0, self.saying - 1)
        loud = np.sqrt(np.mean(frame**2)) > 0.01
        self._quiet = 0 if loud else self._quiet + 1
        self._heard = self._heard or bool(loud)
        if loud and script.yields:
            self.saying = 0
        if self._heard and self._quiet >= _STOP_FRAMES and not self.saying:
            self._heard, self.saying, self._words = False, round(script.reply_s * RATE_HZ / FRAME), script.reply.split(" ")
            yield from [b"\x05" + script.error.encode()] if script.error else []
            yield from [b"\x09what", b"\x06"] if script.odd else []
            script.error = ""
        if self.saying and self._words:
            yield b"\x02" + (self._words.pop(0) + (" " if self._words else "")).encode()
        if self.saying and script.cuts_after:
            script.cuts_after[0] -= 1
            self.cut = script.cuts_after[0] < 0
            if self.cut:
                script.cuts_after.pop(0)


class MoshiServer:
    """One model, which one client has at a time; the others wait."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.url = ""
        self.queries: list[dict[str, str]] = []
        self.frames = 0
        """Heard of all clients."""
        self.transports: list[Any] = []
        self._model = asyncio.Lock()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if self.script.needs_prompts and not {"voice_prompt", "text_prompt"} <= request.query.keys():
            return web.Response(status=400)
        self.queries.append(dict(request.query))
        self.transports.append(request.transport)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async with self._model:
            with suppress(ConnectionError):
                await socket.send_bytes(b"\x00")
                await self._converse(socket, request.transport)
        return socket

    async def _converse(self, socket: web.WebSocketResponse, transport: Any) -> None:
        reader, writer = sphn.OpusStreamReader(RATE_HZ), sphn.OpusStreamWriter(RATE_HZ)
        voice, heard = Voice(self.script), np.empty(0, np.float32)
        async for message in socket:
            if message.data[0] != 1:
                continue
            heard = np.concatenate([heard, reader.append_bytes(message.data[1:])])
            while len(heard) >= FRAME:
                frame, heard = heard[:FRAME], heard[FRAME:]
                self.frames += 1
                for other in voice.step(frame):
                    await socket.send_bytes(other)
                if voice.cut:
                    transport.abort()
                    return
                page = writer.append_pcm(TONE if voice.saying else np.zeros(FRAME, np.float32))
                if len(page) and not self.script.mute:
                    await socket.send_bytes(b"\x01" + page)


@asynccontextmanager
async def moshi_server(script: Script | None = None) -> AsyncIterator[MoshiServer]:
    """A running server."""
    server = MoshiServer(script or Script())
    app = web.Application()
    app.router.add_get("/api/chat", server.serve)
    async with TestServer(app) as running:
        server.url = str(running.make_url("/api/chat")).replace("http", "ws", 1)
        yield server


@asynccontextmanager
async def talking_to(server: MoshiServer, **options: Any) -> AsyncIterator[MoshiEngine]:
    """The engine that asks this server."""
    engine = MoshiEngine(MoshiOptions(**{"url": server.url} | options), SharedSettings())
    engine.load()
    await engine.connect()
    try:
        yield engine
    finally:
        await engine.disconnect()
