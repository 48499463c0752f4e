"""`GET /api/stream`: the same conversation over one WebSocket, for places without WebRTC.

Voice and picture are one WebM stream for media source extensions; the microphone comes as PCM.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final

from aiohttp import WSCloseCode, WSMsgType, web

import vivant
from services.common.logs import get_logger
from services.gateway.connection import Wish
from services.gateway.conversation import MICROPHONE_HZ, Conversation
from services.gateway.conversations import Conversations
from services.gateway.gateway import Gateway
from services.gateway.media import Timeline
from services.gateway.messages import MAX_BYTES, Clock, Message, PlayedMessage, bye, dumps
from services.gateway.webm import WebmStream
from vivant.errors import VivantError

_log = get_logger(__name__)

#: What waits for a slow network: about two seconds.
_MOST_WAITING: Final = 120
_UNIT_MS: Final = 40
#: At least so often comes a picture that stands alone: players forget nothing in between.
_KEYFRAME_UNITS: Final = 10_000 // _UNIT_MS
#: A chunk of the microphone: 20 to 100 ms; at least one sample.
_MOST_PCM: Final = MICROPHONE_HZ // 10 * 2
#: A message up to here is read, so that the page can be told that it is too large; of a larger one only the beginning is.
_MOST_READ: Final = 1024 * 1024
#: What a page is told when it breaks the rules of WebSocket itself, by the code that the connection is closed with.
_BROKEN: Final = {
    WSCloseCode.MESSAGE_TOO_BIG: bye("too_large", f"a message has at most {MAX_BYTES} bytes"),
    WSCloseCode.INVALID_TEXT: bye("bad_message", "a text message is UTF-8, and this one is not"),
    WSCloseCode.PROTOCOL_ERROR: bye("bad_message", "what came is not a message of a WebSocket"),
}
#: A page that answers no ping for so long is gone.
_HEARTBEAT_S: Final = 5.0
#: A page has so long to answer that it is closed.
_FAREWELL_S: Final = 1.0


def routes(gateway: Gateway, conversations: Conversations) -> list[web.RouteDef]:
    """The WebSocket."""

    async def stream(request: web.Request) -> web.StreamResponse:
        gateway.require_origin(request)
        socket = _Socket(timeout=_FAREWELL_S, heartbeat=_HEARTBEAT_S, max_msg_size=_MOST_READ, compress=False)
        query = {name: value[:64] for name, value in request.query.items()}
        wish = Wish(
            persona=query.get("persona", ""),
            greeting=query.get("greeting") == "1",
            token=query.get("token", ""),
            conversation_id=query.get("conversation_id", ""),
            join=query.get("join", ""),
            name=query.get("name", ""),
            visit=query.get("visit", ""),
        )
        await socket.prepare(request)
        try:
            conversation, resumed = await conversations.get(wish)
            connection = StreamConnection(gateway, socket, conversation)
            conversation.attach(connection, resumed=resumed)
        except VivantError as exc:
            # Browsers do not show a page why a handshake failed, so it is told inside.
            await socket.send_str(dumps(bye(exc.reason, exc.message)))
            await socket.close()
            return socket
        gateway.metrics.count("vivant_connections_total", "stream")
        await connection.run()
        if request.transport and request.transport.get_write_buffer_size():
            # Nobody reads: what is left would wait for ever.
            request.transport.abort()
        return socket

    return [web.get("/api/stream", stream)]


class _Socket(web.WebSocketResponse):
    """A WebSocket that says why it closes, also where aiohttp closes it by itself."""

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True) -> bool:
        if not self.closed and code in _BROKEN:
            # A page that is gone needs no reason.
            with suppress(ConnectionError):
                await self.send_str(dumps(_BROKEN[WSCloseCode(code)]))
        return await super().close(code=code, message=message, drain=drain)


class StreamConnection:
    """One WebSocket."""

    def __init__(self, gateway: Gateway, socket: web.WebSocketResponse, conversation: Conversation) -> None:
        self._gateway = gateway
        self._socket = socket
        self._conversation = conversation
        self._timeline = Timeline()
        ready = conversation.session.ready
        self._clock = Clock(ready.voice_rate_hz)
        self._webm = WebmStream(ready.voice_rate_hz, ready.video.size_px if ready.video else 0)
        self._waiting: asyncio.Queue[bytes | str] = asyncio.Queue(_MOST_WAITING)
        self._closed = asyncio.Event()
        self._keyframe = 0

    @property
    def quiet_s(self) -> float:
        # Who answers no ping is not connected any more.
        return 0.0

    async def run(self) -> None:
        """Takes part until the page or the conversation leaves."""
        self._conversation.met()
        tasks = [_task(self._read()), _task(self._write()), _task(self._until_closed())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except ConnectionError:
            _log.info("stream_lost")
        except Exception:  # noqa: BLE001 - the boundary: a bug is logged, and the page is told
            _log.exception("stream_failed")
            self.send(bye("internal", "A fault in this server ended the conversation; its log has the details."))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._conversation.detach(self, gone=self._socket.close_code != WSCloseCode.ABNORMAL_CLOSURE)
            await self._say_the_rest()

    async def _say_the_rest(self) -> None:
        """The messages that still wait, above all why it ends; not to a page that takes nothing any more."""
        try:
            async with asyncio.timeout(_FAREWELL_S):
                while not self._waiting.empty() and not self._socket.closed:
                    waiting = self._waiting.get_nowait()
                    if isinstance(waiting, str):
                        await self._socket.send_str(waiting)
                await self._socket.close()
        except (TimeoutError, ConnectionError):
            _log.info("stream_takes_nothing")

    def unit(self, unit: vivant.Unit) -> None:
        number = self._timeline.place(unit.index)
        if unit.frame is not None and unit.frame.keyframe:
            self._keyframe = number
        elif unit.frame is not None and (self._webm.needs_keyframe or number - self._keyframe >= _KEYFRAME_UNITS):
            self._keyframe = number
            self._conversation.want_keyframe()
        data = self._webm.add(number, unit)
        if data and not self._offer(data):
            # What is missing can be made good by nothing: the next picture must stand alone.
            self._webm.needs_keyframe = True
            self._gateway.metrics.count("vivant_media_loss_total", "unit")
        now = asyncio.get_running_loop().time()
        if self._clock.is_due(unit, now):
            self.send(self._clock.of(unit, now, ms=number * _UNIT_MS))

    def send(self, message: Message) -> None:
        if not self._offer(dumps(message)):
            self._gateway.metrics.count("vivant_media_loss_total", "message")

    def played_unit(self, message: PlayedMessage) -> int | None:
        if message.ms is None or message.ms > 1e10:
            return None
        return self._timeline.unit_index(int(message.ms // _UNIT_MS) - 1)

    async def close(self) -> None:
        self._closed.set()

    def _offer(self, data: bytes | str) -> bool:
        try:
            self._waiting.put_nowait(data)
        except asyncio.QueueFull:
            return False
        return True

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type is WSMsgType.TEXT:
                self._conversation.receive(message.data)
            elif message.type is WSMsgType.BINARY and 2 <= len(message.data) <= _MOST_PCM and len(message.data) % 2 == 0:
                await self._conversation.hear(message.data)
            elif message.type is WSMsgType.BINARY:
                self.send(bye("bad_sound", f"sound comes as 16-bit mono PCM at {MICROPHONE_HZ} Hz, at most 100 ms a message"))
                return

    async def _write(self) -> None:
        while True:
            data = await self._waiting.get()
            if isinstance(data, str):
                await self._socket.send_str(data)
            else:
                await self._socket.send_bytes(data)

    async def _until_closed(self) -> None:
        await self._closed.wait()


def _task(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    return asyncio.create_task(work)
