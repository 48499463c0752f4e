"""One conversation with a Realtime server: moves events, sound and messages, and opens the connection again when it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, Final

import aiohttp

from services.common.logs import get_logger
from services.speech.engine import ConversationConfig, Event, Noted, Said
from services.speech.engines.hearing import Hearing
from services.speech.engines.realtime import messages
from services.speech.engines.realtime.conversation import Conversation
from services.speech.engines.realtime.messages import Message
from services.speech.engines.websocket import Server
from services.speech.settings import RealtimeOptions
from vivant.errors import Timeout, Unavailable, Unusable, VivantError

_log = get_logger(__name__)

#: Events that wait to be read; then the server is held by flow control.
_QUEUE: Final = 1_024
#: From this share of a session's time on a silence is used to open it anew.
_RECYCLE_FROM: Final = 0.9
#: A connection is found to be lost so much later than it was, at most; its sound is passed on again.
_LOST_FOR_S: Final = 2.0
_GONE: Final = (ConnectionError, aiohttp.ClientError)
#: An event that says nothing, for whoever waits for one.
_WAKE: Final[Message] = {"type": "session.updated"}


class RealtimeSession:
    """See services.speech.engine.Session. Between two connections sound is kept, and everything else is told again anyway."""

    def __init__(self, server: Server, options: RealtimeOptions, config: ConversationConfig) -> None:
        self._server = server
        self._options = options
        self._rate = config.input_rate_hz
        self._hearing = Hearing(config.input_rate_hz, options.input_rate_hz)
        self._conversation = Conversation(config, options, self._hearing)
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._inbox: asyncio.Queue[Any] = asyncio.Queue(_QUEUE)
        self._order = asyncio.Lock()
        self._resume_from = 0
        self._opened_at = 0.0
        self._reply_at = 0.0

    async def start(self) -> None:
        """Opens the first connection; raises a VivantError."""
        await self._connect()

    # --- what comes from the client -----------------------------------------------------------------------------------

    async def hear(self, pcm: bytes, start_sample: int) -> None:
        """See Session."""
        async with self._order:
            sound = self._hearing.hear(pcm, start_sample)
            if sound:
                await self._send(messages.append(sound))

    async def know(self, text: str) -> None:
        """See Session."""
        self._conversation.know(text)
        await self._flush()

    async def note(self, said: Said) -> None:
        """See Session."""
        self._conversation.note(said)

    async def respond(self, text: str) -> None:
        """See Session."""
        self._conversation.respond(text)
        await self._flush()

    async def played(self, turn_id: int, position_samples: int) -> None:
        """See Session."""
        self._conversation.played(turn_id, position_samples)
        await self._flush()

    async def clear(self, newest_turn_id: int) -> None:
        """See Session."""
        self._conversation.clear(newest_turn_id)
        await self._flush()

    async def finish(self) -> None:
        """See Session."""
        self._conversation.finishing = True
        await self._inbox.put(_WAKE)

    async def close(self) -> None:
        """See Session."""
        await self._disconnect()

    # --- what comes from the server -----------------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[Event]:
        """See Session."""
        conversation = self._conversation
        while not conversation.finishing or conversation.in_hand:
            try:
                for event in await self._next():
                    yield event
            except (Unavailable, Timeout) as lost:
                _log.warning("connection_lost", reason=lost.reason, detail=lost.message)
                for event in conversation.broken(lost):
                    yield event
                await self._reopen(lost)
                yield Noted("reopened")
            if self._recycles():
                await self._reopen(None)
                yield Noted("recycled")

    async def _next(self) -> list[Event]:
        """What the next event of the server means, or that none has come. Raises when the connection is lost."""
        try:
            async with asyncio.timeout_at(self._due()):
                event = await self._inbox.get()
        except TimeoutError:
            overdue = self._conversation.late() if self._reply_is_late() else []
            await self._flush()
            return overdue
        if isinstance(event, VivantError):
            raise event
        if isinstance(event, dict) and ("response_id" in event or "response" in event):
            self._reply_at = asyncio.get_running_loop().time()
        happened = list(self._conversation.on(event))
        await self._flush()
        return happened

    def _due(self) -> float:
        """When to look at the clock again."""
        share = _RECYCLE_FROM if self._conversation.quiet else 1.0
        recycle_at = self._opened_at + share * self._options.session_s
        return min(recycle_at, self._reply_at + self._options.reply_timeout_s) if self._conversation.in_hand else recycle_at

    def _reply_is_late(self) -> bool:
        late_at = self._reply_at + self._options.reply_timeout_s
        return self._conversation.in_hand and asyncio.get_running_loop().time() >= late_at

    def _recycles(self) -> bool:
        """The server would end the session soon; it is opened anew when nobody notices, or at the last moment."""
        age_s = asyncio.get_running_loop().time() - self._opened_at
        share = _RECYCLE_FROM if self._conversation.quiet else 1.0
        return age_s >= share * self._options.session_s and not self._conversation.finishing

    # --- connections --------------------------------------------------------------------------------------------------

    async def _reopen(self, lost: VivantError | None) -> None:
        self._resume_from = self._conversation.resume_from(round(_LOST_FOR_S * self._rate) if lost else 0)
        await self._disconnect()
        if lost is None:
            try:
                await self._connect()
                return
            except (Unavailable, Timeout) as exc:
                lost = exc
        await self._server.again(self._connect, lost)

    async def _connect(self) -> None:
        """A connection whose session is as it should be, and that has been told all there is to tell."""
        model = {"model": self._options.model} if self._options.model else {}
        socket = await self._server.open(**model)
        instructions = self._conversation.instructions
        try:
            async with asyncio.timeout(self._options.connect_timeout_s):
                capabilities = await self._greet(socket, instructions)
        except TimeoutError as exc:
            await socket.close()
            what = "does not answer as a Realtime server does"
            raise self._server.failed(Unavailable, what, ("url",), "not_a_model_server") from exc
        except BaseException:
            await socket.close()
            raise
        self._server.well()
        async with self._order:
            self._conversation.opened(capabilities, instructions)
            self._inbox = asyncio.Queue(_QUEUE)
            self._reader = asyncio.create_task(self._read(socket, self._inbox), name="read_realtime")
            self._socket = socket
            self._opened_at = asyncio.get_running_loop().time()
            await self._send_all()
            for sound in self._hearing.restart(self._resume_from):
                await self._send(messages.append(sound))

    async def _greet(self, socket: aiohttp.ClientWebSocketResponse, instructions: str) -> dict[str, Any]:
        """Sets the session up; returns the capabilities of a server whose model takes turns by itself."""
        config, options = self._conversation.config, self._options
        capabilities: dict[str, Any] = {}
        for update in (
            messages.session_update(config, options, instructions),
            messages.turns_update(options),
        ):
            await socket.send_str(json.dumps(update))
            event: Mapping[str, Any] = {}
            while event.get("type") != "session.updated":
                event = await self._answer(socket)
                session = event.get("session")
                if isinstance(session, dict) and isinstance(session.get("capabilities"), dict):
                    capabilities = session["capabilities"]
            if capabilities:
                # It knows by itself when to speak; vLLM-Omni refuses turns that do not interrupt.
                break
        return capabilities

    async def _answer(self, socket: aiohttp.ClientWebSocketResponse) -> Mapping[str, Any]:
        """The next event while the session is being set up; raises what a refusal means."""
        message = await socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise self._server.broke_off(socket)
        event = _parsed(message.data)
        if not isinstance(event, dict):
            raise self._server.failed(Unavailable, "sent no event", ("url",), "not_a_model_server")
        if event.get("type") == "error":
            error = event["error"] if isinstance(event.get("error"), dict) else event
            told = f"{error.get('code')}: {error.get('message') or error.get('error')}"
            raise self._server.failed(Unusable, "refuses the session", ("model", "voices", "extra"), "request_refused", told)
        return event

    async def _read(self, socket: aiohttp.ClientWebSocketResponse, inbox: asyncio.Queue[Any]) -> None:
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                await inbox.put(_parsed(message.data))
        await inbox.put(self._server.broke_off(socket))

    async def _disconnect(self) -> None:
        socket, reader = self._socket, self._reader
        self._socket = self._reader = None
        if reader:
            reader.cancel()
        if socket:
            if self._conversation.duplex:
                # Else the server would hold the place for a while, for a client that comes back.
                with suppress(*_GONE):
                    await socket.send_str(json.dumps(messages.CLOSE))
            await socket.close()

    async def _flush(self) -> None:
        async with self._order:
            await self._send_all()

    async def _send_all(self) -> None:
        outbox = self._conversation.outbox
        while outbox:
            await self._send(outbox.pop(0))

    async def _send(self, message: Message) -> None:
        """Sends it, or leaves it: on the next connection everything is told again, and who reads finds out that one is lost."""
        if self._socket is None:
            return
        try:
            await self._socket.send_str(json.dumps(message))
        except _GONE as exc:
            _log.info("send_failed", kind=message["type"], error=type(exc).__name__)


def _parsed(text: str) -> Any:
    """An event; None for what is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
