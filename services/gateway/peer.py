"""One browser over WebRTC: the microphone in, voice and picture out, a data channel for all else."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any, Final

import av
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.exceptions import OperationError
from aiortc.mediastreams import MediaStreamError

import vivant
from services.common.logs import get_logger
from services.common.tasks import say_why
from services.gateway.conversation import MICROPHONE_HZ, Conversation
from services.gateway.gateway import Gateway
from services.gateway.ice import Outcome, Paths, bad_offer, read_sdp
from services.gateway.media import UNIT_AUDIO, UNIT_VIDEO, Timeline
from services.gateway.messages import Clock, Message, PlayedMessage, dumps
from services.gateway.page import ice_servers
from services.gateway.rtc.arrivals import Arrivals
from services.gateway.rtc.sending import when_keyframe_wanted
from services.gateway.tracks import PictureTrack, VoiceTrack
from vivant.errors import Unusable

_log = get_logger(__name__)

#: A peer that has not connected by then will not.
_CONNECT_S: Final = 10.0
#: Messages wait for the data channel to open, and for a slow network to take them.
_MOST_MESSAGES: Final = 200
_MOST_BUFFERED: Final = 256 * 1024


class Peer:
    """One browser."""

    def __init__(self, gateway: Gateway, pc: RTCPeerConnection) -> None:
        self._gateway = gateway
        self._pc = pc
        self._paths: Paths
        self._conversation: Conversation | None = None
        self._timeline = Timeline()
        self._voice: VoiceTrack
        self._picture = PictureTrack()
        self._channel: RTCDataChannel | None = None
        self._messages: deque[str] = deque(maxlen=_MOST_MESSAGES)
        self._tasks: set[asyncio.Task[None]] = set()
        self._connected = False
        self._closed = False
        self._clock: Clock

    @classmethod
    async def made(cls, gateway: Gateway, sdp: str) -> Peer:
        """A peer that has understood an offer; raises InvalidRequest for one that it cannot."""
        read_sdp(sdp)
        servers = [RTCIceServer(**server) for server in ice_servers(gateway)]
        pc = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        peer = cls(gateway, pc)
        pc.on("track", peer._on_track)
        pc.on("datachannel", peer._on_channel)
        pc.on("connectionstatechange", peer._on_state)
        try:
            await pc.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
            kinds = [transceiver.kind for transceiver in pc.getTransceivers()]
            if sorted(kinds) != ["audio", "video"] or pc.sctp is None:
                raise ValueError("it must have one audio, one video and one data section")
        except (ValueError, KeyError, IndexError, AttributeError, AssertionError, TypeError, OperationError) as exc:
            # What aiortc raises for SDP that it cannot use.
            await pc.close()
            raise bad_offer(str(exc)) from exc
        peer._paths = Paths(pc, servers, peer._on_restarted)
        return peer

    async def join(self, conversation: Conversation, *, resumed: bool) -> RTCSessionDescription:
        """Takes part in a conversation; returns the answer."""
        self._conversation = conversation
        rate_hz = conversation.session.ready.voice_rate_hz
        self._voice, self._clock = VoiceTrack(rate_hz), Clock(rate_hz)
        self._voice.sender = self._pc.addTrack(self._voice)
        self._picture.sender = self._pc.addTrack(self._picture)
        when_keyframe_wanted(self._picture.sender, self._want_keyframe)
        capable = RTCRtpSender.getCapabilities("video").codecs
        for transceiver in self._pc.getTransceivers():
            if transceiver.kind == "video":
                transceiver.setCodecPreferences([codec for codec in capable if codec.mimeType in ("video/VP8", "video/rtx")])
        await self._pc.setLocalDescription(await self._pc.createAnswer())
        self._gateway.metrics.count("vivant_connections_total", "webrtc")
        self._spawn(self._give_up())
        conversation.attach(self, resumed=resumed)
        answer: RTCSessionDescription = self._pc.localDescription
        return answer

    @property
    def quiet_s(self) -> float:
        return asyncio.get_running_loop().time() - self._paths.heard_at

    async def restart(self, sdp: str) -> RTCSessionDescription:
        """Answers an offer for another network path under this connection; raises InvalidRequest and Unusable."""
        if not self._connected:
            raise Unusable("this connection was never there or is lost; make a new one", reason="cannot_restart")
        return await self._paths.restart(sdp)

    # --- what the conversation asks of a connection ---------------------------------------------------------------------

    def unit(self, unit: vivant.Unit) -> None:
        if not self._connected:
            return
        number = self._timeline.place(unit.index)
        if not self._voice.put(number, unit.pcm):
            self._gateway.metrics.count("vivant_media_loss_total", "unit")
        if unit.frame is not None and not self._picture.put(number, unit.frame):
            self._gateway.metrics.count("vivant_media_loss_total", "frame")
            self._want_keyframe()
        self._tell_time(unit, number)

    def send(self, message: Message) -> None:
        if len(self._messages) == _MOST_MESSAGES:
            self._gateway.metrics.count("vivant_media_loss_total", "message")
        self._messages.append(dumps(message))
        self._flush()

    def played_unit(self, message: PlayedMessage) -> int | None:
        origin = self._voice.origin
        if message.audio_rtp is None or origin is None:
            return None
        played = (message.audio_rtp - origin + 2**31) % 2**32 - 2**31
        if played > self._voice.pts + UNIT_AUDIO:
            return None
        return self._timeline.unit_index(played // UNIT_AUDIO - 1)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        current = asyncio.current_task()
        for task in self._tasks - {current}:
            task.cancel()
        await self._paths.give_up()
        # aiortc closes itself too when the browser has gone, and its second caller must not be cancelled.
        await asyncio.shield(self._pc.close())

    # --- what the browser does ------------------------------------------------------------------------------------------

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio":
            for receiver in self._pc.getReceivers():
                if receiver.track is track:
                    Arrivals.take_over(receiver)
            self._spawn(self._listen(track))

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if channel.label != "vivant":
            return
        self._channel = channel
        channel.on("message", self._on_message)
        channel.on("bufferedamountlow", self._flush)
        self._flush()

    def _on_message(self, data: str | bytes) -> None:
        if self._conversation:
            self._conversation.receive(data)

    async def _on_state(self) -> None:
        state = self._pc.connectionState
        _log.info("peer", state=state)
        if state == "connected":
            self._connected = True
            self._want_keyframe()
            if self._conversation:
                self._conversation.met()
        elif state in ("failed", "closed"):
            # It is closed by a browser that says so; a path that died has failed.
            self._lose(gone=state == "closed")

    def _on_restarted(self, outcome: Outcome) -> None:
        self._gateway.metrics.count("vivant_ice_restarts_total", outcome)
        if outcome == "moved":
            # What was lost on the old path is missing in the picture.
            self._want_keyframe()

    def _lose(self, *, gone: bool) -> None:
        self._connected = False
        if self._conversation and not self._closed:
            self._conversation.detach(self, gone=gone)

    async def _listen(self, track: MediaStreamTrack) -> None:
        """The microphone, mono at 16 kHz. Sound that was lost on the way leaves a gap of its length."""
        resampler = av.AudioResampler(format="s16", layout="mono", rate=MICROPHONE_HZ)
        expected: int | None = None
        sent = 0
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            assert isinstance(frame, av.AudioFrame)
            lost = frame.pts - expected if expected is not None and frame.pts is not None else 0
            expected = (frame.pts or 0) + frame.samples
            gap = max(0, lost) * MICROPHONE_HZ // frame.sample_rate
            pcm = b"".join(bytes(part.planes[0])[: part.samples * 2] for part in resampler.resample(frame))
            if not pcm or self._conversation is None:
                continue
            position = self._conversation.session.microphone_position
            await self._conversation.hear(pcm, position + gap if gap and sent else None)
            sent += len(pcm) // 2

    async def _give_up(self) -> None:
        """Frees the place of a browser that never connects."""
        await asyncio.sleep(_CONNECT_S)
        if not self._connected:
            _log.info("peer_never_connected")
            self._lose(gone=True)

    # --- small parts ----------------------------------------------------------------------------------------------------

    def _want_keyframe(self) -> None:
        if self._conversation:
            self._conversation.want_keyframe()

    def _flush(self) -> None:
        channel = self._channel
        while self._messages and channel and channel.readyState == "open" and channel.bufferedAmount < _MOST_BUFFERED:
            channel.send(self._messages.popleft())

    def _tell_time(self, unit: vivant.Unit, number: int) -> None:
        """Where this unit begins on both tracks, so that the page can tell what is heard and seen."""
        audio, video = self._voice.origin, self._picture.origin
        now = asyncio.get_running_loop().time()
        if audio is None or video is None or not self._clock.is_due(unit, now):
            return
        audio_rtp = (audio + number * UNIT_AUDIO) % 2**32
        video_rtp = (video + number * UNIT_VIDEO) % 2**32
        self.send(self._clock.of(unit, now, audio_rtp=audio_rtp, video_rtp=video_rtp))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # A peer whose microphone is not listened to any more is lost: the page makes a new one.
        task.add_done_callback(say_why("peer", lambda _: self._lose(gone=False)))
