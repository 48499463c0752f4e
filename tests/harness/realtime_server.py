"""A server of the Realtime protocol for tests: what is loud is speech, a reply is a tone, and it misbehaves as told."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from aiohttp import web
from aiohttp.test_utils import TestServer

from services.common.settings import SharedSettings
from services.speech.engines.realtime import RealtimeEngine
from services.speech.settings import RealtimeOptions

SPEECH_HZ: Final = 24_000
DELTA_S: Final = 0.04
#: What a vLLM-Omni says of MiniCPM-o, as its documentation shows it.
DUPLEX: Final = {
    "implementation_level": "model_native_duplex",
    "supports_barge_in": True,
    "supports_audio_truncate": True,
    "chunk_period_ms": 1000,
}
_STOP_MS: Final = 400
_BETA: Final = {
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
}


@dataclass
class Script:
    """How the server behaves."""

    reply: str = "It is nice here by the old harbour."
    reply_s: float = 1.2
    pace: float = 4.0
    """How many times faster than it is spoken a reply is made."""
    refusals: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """The first connections are answered so instead: status and headers."""
    key: str = ""
    """Without it a client is refused."""
    beta: bool = False
    """The spelling of what it sends."""
    cuts_after: list[int] = field(default_factory=list)
    """The first replies are cut off with the connection, after so many pieces of sound."""
    stalls: int = 0
    """So many replies stop in the middle, without a word."""
    deaf: bool = False
    """It goes on with a response that was cancelled."""
    odd: bool = False
    """It says what nobody understands."""
    refused_roles: tuple[str, ...] = ()
    capabilities: dict[str, Any] | None = None
    listens: bool = False
    """Its model, which takes turns by itself, decides not to answer."""
    refuses_session: bool = False
    greets: asyncio.Event = field(default_factory=asyncio.Event)
    """It says nothing to a client that has opened a connection before this is set; it is set from the start."""

    def __post_init__(self) -> None:
        self.greets.set()


class Connection:
    """One client. `received` has all that it has sent."""

    def __init__(self, socket: web.WebSocketResponse, script: Script, transport: Any) -> None:
        self._socket = socket
        self._transport = transport
        self._script = script
        self.received: list[dict[str, Any]] = []
        self.heard_ms = 0.0
        self._loud = False
        self._quiet_ms = 0.0
        self._rate = SPEECH_HZ
        self._numbers = itertools.count(1)
        self._cancelled: set[str] = set()
        self.responses: list[asyncio.Task[None]] = []

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.received if each["type"] == kind]

    async def run(self) -> None:
        if self._script.capabilities is None:
            await self.tell("session.created", session={"id": "sess_1"})
        async for message in self._socket:
            event = json.loads(message.data)
            self.received.append(event)
            await self._follow(event)
        for response in self.responses:
            response.cancel()

    async def tell(self, kind: str, **fields: Any) -> None:
        if self._script.beta:
            kind = _BETA.get(kind, kind)
        with suppress(ConnectionError):
            await self._socket.send_str(json.dumps({"type": kind, "event_id": "event", **fields}))

    async def _follow(self, event: dict[str, Any]) -> None:
        script = self._script
        match event["type"]:
            case "session.update":
                await script.greets.wait()
                if script.refuses_session:
                    await self.tell("error", error={"type": "invalid_request_error", "code": "invalid_value", "message": "No."})
                    return
                session: dict[str, Any] = {"id": "sess_1"}
                if script.capabilities is not None:
                    session["capabilities"] = script.capabilities
                    if len(self.of("session.update")) == 1:
                        await self.tell("session.created", session=session)
                form = event["session"].get("audio", {}).get("input", {}).get("format")
                self._rate = form["rate"] if form else self._rate
                await self.tell("session.updated", session=session)
            case "conversation.item.create" if event["item"]["role"] in script.refused_roles:
                error = {"type": "invalid_request_error", "code": "unsupported_role", "message": "No such items."}
                await self.tell("error", error=error | {"event_id": event.get("event_id")})
            case "input_audio_buffer.append":
                await self._hear(base64.b64decode(event["audio"]))
            case "input_audio_buffer.commit":
                self._loud = False
            case "response.create":
                self._respond()
            case "response.cancel":
                self._cancelled.add(event["response_id"])

    async def _hear(self, pcm: bytes) -> None:
        """A detector of loud sound, over pieces of 20 ms."""
        samples = np.frombuffer(pcm, "<i2").astype(float) / 32768
        size = self._rate // 50
        for at in range(0, len(samples), size):
            piece = samples[at : at + size]
            ms = len(piece) * 1000 / self._rate
            self.heard_ms += ms
            if np.sqrt(np.mean(piece**2)) > 0.01:
                self._quiet_ms = 0
                if not self._loud:
                    self._loud = True
                    await self.tell("input_audio_buffer.speech_started", audio_start_ms=round(self.heard_ms - ms), item_id="i")
            elif self._loud:
                self._quiet_ms += ms
                if self._quiet_ms >= _STOP_MS:
                    self._loud = False
                    await self.tell("input_audio_buffer.speech_stopped", audio_end_ms=round(self.heard_ms), item_id="i")
                    self._respond()

    def _respond(self) -> None:
        if self._script.capabilities is not None and self._script.listens:
            response = self._listen(f"resp_{id(self)}_{next(self._numbers)}")
        else:
            response = self._reply(f"resp_{id(self)}_{next(self._numbers)}")
        self.responses.append(asyncio.create_task(response))

    async def _listen(self, response_id: str) -> None:
        await self.tell("response.created", response={"id": response_id, "status": "in_progress"}, response_id=response_id)
        await self.tell(
            "response.listen", epoch=0, response={"id": response_id, "status": "listening"}, response_id=response_id
        )
        await self.tell("response.done", response={"id": response_id, "status": "completed"}, response_id=response_id)

    async def _reply(self, response_id: str) -> None:
        script = self._script
        part = {"response_id": response_id, "item_id": f"item_{response_id}", "output_index": 0, "content_index": 0}
        await self.tell("response.created", response={"id": response_id, "status": "in_progress"})
        if script.odd:
            await self.tell("vendor.mystery", value=1)
            await self._socket.send_str("no json")
        if script.capabilities is not None:
            await self.tell("response.speak", **part)
        words = script.reply.split(" ")
        tone = (np.sin(np.arange(round(SPEECH_HZ * DELTA_S)) * 0.2) * 8000).astype("<i2").tobytes()
        pieces = round(script.reply_s / DELTA_S)
        cut = script.cuts_after.pop(0) if script.cuts_after else None
        stalls = script.stalls > 0
        script.stalls -= stalls
        for index in range(pieces):
            if index == cut:
                self._transport.abort()
                return
            if stalls and index == pieces // 2:
                return
            if response_id in self._cancelled and not script.deaf:
                break
            if index < len(words):
                delta = words[index] + (" " if index < len(words) - 1 else "")
                await self.tell("response.output_audio_transcript.delta", **part, delta=delta)
            # A server may cut its sound anywhere, also inside a sample.
            odd = 1 if index == 0 else -1 if index == 1 else 0
            sound = tone[: len(tone) - 1] if odd == 1 else tone[-1:] + tone if odd == -1 else tone
            await self.tell("response.output_audio.delta", **part, delta=base64.b64encode(sound).decode())
            await asyncio.sleep(DELTA_S / script.pace)
        cancelled = response_id in self._cancelled
        done: dict[str, Any] = {"id": response_id, "status": "cancelled" if cancelled else "completed"}
        await self.tell("response.done", response=done)


class RealtimeServer:
    """Its connections, in their order."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.connections: list[Connection] = []
        self.requests: list[web.Request] = []
        self.url = ""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        if self.script.refusals:
            status, headers = self.script.refusals.pop(0)
            return web.Response(status=status, headers=headers)
        if self.script.key and request.headers.get("Authorization") != f"Bearer {self.script.key}":
            return web.Response(status=401)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        connection = Connection(socket, self.script, request.transport)
        self.connections.append(connection)
        await connection.run()
        return socket


@asynccontextmanager
async def realtime_server(script: Script | None = None) -> AsyncIterator[RealtimeServer]:
    """A running server."""
    server = RealtimeServer(script or Script())
    app = web.Application()
    app.router.add_get("/v1/realtime", server.serve)
    async with TestServer(app) as running:
        server.url = str(running.make_url("/v1/realtime")).replace("http", "ws", 1)
        yield server


@asynccontextmanager
async def connected(server: RealtimeServer, **options: Any) -> AsyncIterator[RealtimeEngine]:
    """The engine that asks this server."""
    engine = RealtimeEngine(RealtimeOptions(**{"url": server.url} | options), SharedSettings())
    engine.load()
    await engine.connect()
    try:
        yield engine
    finally:
        await engine.disconnect()
