"""A scripted gateway for tests of the page: real WebRTC with a moving picture and a tone, and what a test says."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import aioice.ice
from aiohttp import WSMsgType, web
from aiortc import RTCDataChannel, RTCPeerConnection, RTCRtpSender, RTCSessionDescription

import vivant
from environment import ROOT
from services.gateway.page import _HEADERS, _TYPES
from services.gateway.webm import WebmStream
from tests.harness import media
from tests.harness.page.people import JUNE, PORTRAIT
from tests.harness.page.tracks import SIZE_PX, Picture, Tone, paced
from tests.harness.waiting import PATIENCE_S

WEB: Final = ROOT / "services" / "gateway" / "web"


@dataclass
class Script:
    """How the stand-in behaves; a test changes it at will."""

    personas: list[dict[str, Any]] = field(default_factory=lambda: [JUNE])
    persona: str = ""
    """Whom the server has set; empty: the first."""
    places: int = 16
    missing: list[dict[str, str]] = field(default_factory=list)
    refuse: tuple[int, str, str] | None = None
    """Status, reason and message of the answer to offers."""
    udp: bool = True
    """False: WebRTC never connects, as in a network that blocks it."""
    stream: bool = False
    """Whether the WebSocket works."""
    reachable: bool = True
    portraits: bool = True
    others: list[dict[str, Any]] = field(default_factory=list)
    """Who else is in the conversation."""
    resume: bool = True
    """Whether a token is known again."""


@dataclass
class Line:
    """One page that is connected."""

    pc: RTCPeerConnection | None = None
    channel: RTCDataChannel | None = None
    socket: web.WebSocketResponse | None = None
    senders: dict[str, tuple[RTCRtpSender, Any]] = field(default_factory=dict)
    units: int = 0
    """Sent on the socket so far."""

    def send(self, message: dict[str, Any]) -> None:
        if self.channel:
            self.channel.send(json.dumps(message))
        elif self.socket:
            self._sending = asyncio.ensure_future(self.socket.send_str(json.dumps(message)))


@dataclass
class StandIn:
    """The server; `received` holds the messages of all pages, `offers` the bodies of their offers."""

    script: Script = field(default_factory=Script)
    received: list[dict[str, Any]] = field(default_factory=list)
    offers: list[dict[str, Any]] = field(default_factory=list)
    left: list[dict[str, str]] = field(default_factory=list)
    """The conversations that a page has said are over, by `token` and `visit`."""
    sound: bytearray = field(default_factory=bytearray)
    """The microphone over the WebSocket."""
    lines: list[Line] = field(default_factory=list)
    sounding: bool = False
    mute: bool = False
    """Answers no ping, as a process that hangs."""
    url: str = ""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _runner: web.AppRunner | None = None
    _peers: list[RTCPeerConnection] = field(default_factory=list)
    _told: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        app = web.Application()
        app.add_routes(
            [
                web.get("/api/info", self._info),
                web.post("/api/offer", self._offer),
                web.post("/api/leave", self._leave),
                web.get("/api/stream", self._stream),
                web.get("/api/personas/{id}/portrait", self._portrait),
                web.get("/", self._file),
                web.get("/{name:[a-z0-9/._-]+}", self._file),
            ]
        )
        self._runner = web.AppRunner(app, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}/"

    async def stop(self) -> None:
        await self.hang_up()
        if self._runner:
            await self._runner.cleanup()
        # Offers that were being answered when their page was closed have left some behind.
        for pc in self._peers:
            await pc.close()

    async def hang_up(self) -> None:
        """All connections are gone, as when the process is killed."""
        lines, self.lines = self.lines, []
        for line in lines:
            if line.pc:
                await line.pc.close()
            if line.socket:
                await line.socket.close()

    async def until(self, found: Callable[[], bool]) -> None:
        """Waits for something that a page does."""
        async with self.changed:
            await asyncio.wait_for(self.changed.wait_for(found), PATIENCE_S)

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.received if message["type"] == kind]

    def send(self, kind: str, **fields: Any) -> None:
        """One message to the newest page."""
        self.lines[-1].send({"type": kind, **fields})

    def send_clock(self, turn_id: int = 0, turn_ms: int = 0) -> None:
        """What is sent now is `turn_ms` into the reply; 0: nothing is being said from now on."""
        line = self.lines[-1]
        if line.socket:
            self.send("clock", unit=line.units, ms=line.units * 40, turn_id=turn_id, turn_ms=turn_ms)
            return
        origins = {}
        for kind, (sender, track) in line.senders.items():
            # The timestamp that was sent last belongs to the packet before the one that is being waited for.
            step = 960 if kind == "audio" else 3600
            sent = getattr(sender, "_RTCRtpSender__rtp_timestamp")  # noqa: B009
            origins[kind] = (sent - track.pts + (0 if sender else step)) % 2**32
        unit = line.senders["audio"][1].pts // 1920 + 1
        audio_rtp, video_rtp = (origins["audio"] + unit * 1920) % 2**32, (origins["video"] + unit * 3600) % 2**32
        self.send("clock", unit=unit, audio_rtp=audio_rtp, video_rtp=video_rtp, turn_id=turn_id, turn_ms=turn_ms)

    # --- the doors ---

    async def _file(self, request: web.Request) -> web.StreamResponse:
        path = WEB / (request.match_info.get("name") or "index.html")
        if not path.is_file() or path.suffix not in _TYPES:
            raise web.HTTPNotFound
        return web.FileResponse(path, headers=_HEADERS | {"Content-Type": _TYPES[path.suffix]})

    async def _info(self, request: web.Request) -> web.StreamResponse:
        self._require_reachable(request)
        script = self.script
        return web.json_response(
            {
                "personas": script.personas,
                "persona": script.persona or (script.personas[0]["id"] if script.personas else ""),
                "ready": not script.missing,
                "missing": script.missing,
                "ice_servers": [],
                "limits": {"connections": script.places, "text_characters": 2000},
                "version": "0",
            }
        )

    async def _portrait(self, request: web.Request) -> web.StreamResponse:
        self._require_reachable(request)
        if not self.script.portraits:
            raise web.HTTPNotFound
        return web.FileResponse(PORTRAIT)

    async def _leave(self, request: web.Request) -> web.StreamResponse:
        self._require_reachable(request)
        self.left.append(json.loads(await request.text()))
        await self._notify()
        return web.Response(status=204)

    async def _offer(self, request: web.Request) -> web.StreamResponse:
        self._require_reachable(request)
        body = json.loads(await request.text())
        self.offers.append(body)
        await self._notify()
        if self.script.refuse:
            status, reason, message = self.script.refuse
            return web.json_response({"error": {"reason": reason, "message": message}}, status=status)
        if body.get("restart"):
            return web.json_response({"error": {"reason": "cannot_restart", "message": "Not here."}}, status=409)
        pc = RTCPeerConnection()
        line = Line(pc)
        self._peers.append(pc)
        pc.on("datachannel", lambda channel: self._on_channel(line, channel, body))
        await pc.setRemoteDescription(RTCSessionDescription(self._as_network(body["sdp"]), body["type"]))
        for track in (Tone(lambda: self.sounding), Picture()):
            line.senders[track.kind] = (pc.addTrack(track), track)
        await pc.setLocalDescription(await pc.createAnswer())
        self.lines.append(line)
        answer = {
            "sdp": self._as_network(pc.localDescription.sdp),
            "type": "answer",
            "token": "token-1",
            "conversation_id": "conversation-1",
        }
        return web.json_response(answer | {"persona": {"id": body["persona"] or "june", "name": "June Merrow"}})

    def _as_network(self, sdp: str) -> str:
        """Where UDP is blocked, neither side can be reached."""
        lines = sdp.splitlines(keepends=True)
        return "".join(line for line in lines if self.script.udp or not line.startswith("a=candidate"))

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        self._require_reachable(request)
        if not self.script.stream:
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        line = Line(socket=socket)
        self.lines.append(line)
        self._greet(line, request.query)
        feeding = asyncio.create_task(self._feed(line, socket))
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                self._receive(line, message.data)
            elif message.type is WSMsgType.BINARY:
                self.sound += message.data
                await self._notify()
        feeding.cancel()
        return socket

    async def _feed(self, line: Line, socket: web.WebSocketResponse) -> None:
        """A live WebM stream of a moving picture and a tone."""
        stream = WebmStream(media.RATE_HZ, SIZE_PX)
        frames = await asyncio.to_thread(media.encode, "vp8", media.pictures(25, SIZE_PX))
        start: float | None = None
        for index in itertools.count():
            start = await paced(start, index / 25)
            sound = media.voice(1, clicks_at=(0,) if self.sounding else ())
            unit = vivant.Unit(index, index * media.UNIT_SAMPLES, sound.tobytes(), frames[index % 25], 0, 0)
            if socket.closed:
                return
            with suppress(ConnectionError):
                await socket.send_bytes(stream.add(index, unit))
            line.units = index + 1

    def _on_channel(self, line: Line, channel: RTCDataChannel, body: dict[str, Any]) -> None:
        line.channel = channel
        channel.on("message", lambda data: self._receive(line, data))
        self._greet(line, body)

    def _greet(self, line: Line, wish: Any) -> None:
        resumed = bool(wish.get("token")) and self.script.resume
        line.send(
            {
                "type": "ready",
                "persona": {"id": wish.get("persona") or "june", "name": "June Merrow"},
                "participant": {"id": "me", "name": wish.get("name") or None, "kind": "person"},
                "others": self.script.others,
                "conversation_id": "conversation-1" if resumed or not wish.get("token") else "conversation-2",
                "token": "token-1",
                "resumed": resumed,
                "missing": [],
                "voice_rate_hz": 24_000,
                "video": {"codec": "vp8", "size_px": SIZE_PX, "frames_per_second": 25},
            }
        )
        line.send({"type": "state", "state": "listening", "turn_id": 0})

    def _receive(self, line: Line, data: str) -> None:
        message = json.loads(data)
        if message["type"] == "ping" and not self.mute:
            line.send({"type": "pong", "t": message["t"]})
        self.received.append(message)
        task = asyncio.ensure_future(self._notify())
        self._told.add(task)
        task.add_done_callback(self._told.discard)

    async def _notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    def _require_reachable(self, request: web.Request) -> None:
        if not self.script.reachable:
            assert request.transport
            request.transport.abort()
            raise web.HTTPServiceUnavailable  # which nobody gets


def only_loopback() -> None:
    """aiortc leaves 127.0.0.1 out otherwise."""
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
