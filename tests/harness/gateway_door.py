"""A gateway in this process, and a browser's side of WebRTC without a browser."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import av
import numpy as np
from aiohttp import web
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError

import vivant
from services.common.metrics import Metrics
from services.common.streams import Admission
from services.gateway.gateway import Gateway
from services.gateway.server import make_app
from services.gateway.settings import GatewaySettings
from tests.harness.scripted_session import Script, ScriptedSession, serving
from tests.harness.waiting import PATIENCE_S
from vivant.channel import open_channel

#: How long a unit of the scripted session takes.
UNIT_S = 0.04
#: What a test sees end has ended for its own reason, and not because a page was waited for long enough.
RESUME_S = 600.0


@dataclass
class Door:
    """A gateway that serves."""

    url: str
    gateway: Gateway
    http: aiohttp.ClientSession
    runner: web.AppRunner

    async def offer(self, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
        """POST /api/offer: the status and the answer."""
        async with self.http.post(f"{self.url}/api/offer", json=body, headers=headers) as response:
            return response.status, await response.json()

    def lost(self, stage: str) -> float:
        """How often something was lost."""
        return self.counted("vivant_media_loss_total").get(stage, 0.0)

    def counted(self, name: str) -> dict[str, float]:
        """What a counter counts, by stage."""
        samples = [sample for metric in self.gateway.metrics.registry.collect() for sample in metric.samples]
        return {sample.labels["stage"]: sample.value for sample in samples if sample.name == name}


@asynccontextmanager
async def gateway_to(orchestrator: str, **settings: Any) -> AsyncIterator[Door]:
    """Serves a gateway on a free port, as a client of the orchestrator at that address."""
    wished = GatewaySettings(orchestrator_address=orchestrator, **{"resume_s": RESUME_S} | settings)
    metrics = Metrics("gateway", "gateway")
    places = Admission("gateway", wished.capacity, metrics)
    places.ready = True
    async with open_channel(orchestrator) as channel, aiohttp.ClientSession() as http:
        gateway = Gateway(wished, vivant.Client(channel, orchestrator), metrics, places)
        runner = web.AppRunner(make_app(gateway), access_log=None, shutdown_timeout=2)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        try:
            yield Door(f"http://127.0.0.1:{port}", gateway, http, runner)
        finally:
            await runner.cleanup()


@dataclass
class Browser:
    """A page's peer connection: notes what it hears, sees and is told."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    sounds: list[tuple[int, float]] = field(default_factory=list)
    """(timestamp at 48 kHz, loudness) of each 20 ms."""
    pictures: list[tuple[int, float]] = field(default_factory=list)
    """(timestamp at 90 kHz, mean brightness) of each picture."""
    token: str = ""
    answer: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Without this it would ask a STUN server on the internet for its address.
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.channel = self.pc.createDataChannel("vivant")
        self.channel.on("message", self._on_message)
        self.pc.on("track", self._on_track)
        self._news = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []

    async def connect(self, door: Door, *, microphone: MediaStreamTrack | None = None, codec: str = "", **fields: Any) -> None:
        """Offers, and takes the answer. `codec` is the only one that it speaks, for example "audio/PCMU"."""
        if microphone is None:
            self.pc.addTransceiver("audio", direction="recvonly")
        else:
            self.pc.addTrack(microphone)
        if codec:
            known = RTCRtpSender.getCapabilities("audio").codecs
            self.pc.getTransceivers()[0].setCodecPreferences([each for each in known if each.mimeType == codec])
        self.pc.addTransceiver("video", direction="recvonly")
        await self.pc.setLocalDescription(await self.pc.createOffer())
        status, self.answer = await door.offer({"sdp": self.pc.localDescription.sdp, "type": "offer", **fields})
        assert status == 200, self.answer
        self.token = self.answer["token"]
        await self.pc.setRemoteDescription(RTCSessionDescription(self.answer["sdp"], self.answer["type"]))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self.pc.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def send(self, **message: Any) -> None:
        self.channel.send(json.dumps(message))

    async def until(self, test: Callable[[], Any], timeout_s: float = PATIENCE_S) -> Any:
        """Waits until something is true, and returns it."""
        async with asyncio.timeout(timeout_s), self._news:
            await self._news.wait_for(test)
        return test()

    async def message(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The first message of a kind with these fields."""
        found: dict[str, Any] = await self.until(lambda: self.of(kind, **fields))
        return found

    def of(self, kind: str, **fields: Any) -> dict[str, Any] | None:
        wanted = {"type": kind, **fields}.items()
        return next((message for message in self.messages if wanted <= message.items()), None)

    def _on_message(self, data: str) -> None:
        self.messages.append(json.loads(data))
        self._tasks.append(asyncio.ensure_future(self._tell()))

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._tasks.append(asyncio.ensure_future(self._receive(track)))

    async def _receive(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            # aiortc counts from the first packet that came.
            pts = (frame.pts + self._origin(track.kind)) % 2**32
            if isinstance(frame, av.AudioFrame):
                sound = np.frombuffer(bytes(frame.planes[0]), "<i2")[: frame.samples * 2].astype(float)
                self.sounds.append((pts, float(np.sqrt((sound**2).mean()))))
            else:
                assert isinstance(frame, av.VideoFrame)
                self.pictures.append((pts, float(frame.to_ndarray(format="gray").mean())))
            await self._tell()

    def _origin(self, kind: str) -> int:
        receiver = next(each for each in self.pc.getReceivers() if each.track.kind == kind)
        origin: int = receiver._RTCRtpReceiver__timestamp_mapper._origin
        return origin

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()


async def an_offer() -> str:
    """The SDP of a page that will not take the answer."""
    browser = Browser()
    browser.pc.addTransceiver("audio")
    browser.pc.addTransceiver("video", direction="recvonly")
    await browser.pc.setLocalDescription(await browser.pc.createOffer())
    sdp: str = browser.pc.localDescription.sdp
    await browser.close()
    return sdp


def silence() -> AudioStreamTrack:
    """A microphone in a quiet room."""
    return AudioStreamTrack()


@asynccontextmanager
async def house(script: Script | None = None, **settings: Any) -> AsyncIterator[tuple[Door, ScriptedSession]]:
    """A real gateway, and a scripted session service behind it."""
    async with serving(script or Script(unit_s=UNIT_S)) as (address, servicer):
        async with gateway_to(address, video_px=128, **settings) as door:
            yield door, servicer
