"""One conversation with a Moshi server: sound both ways, all the time, and a new connection before its context ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import aiohttp
import numpy as np

from services.common.audio import to_float
from services.common.logs import get_logger
from services.speech.engine import ConversationConfig, Event, Noted, Said
from services.speech.engines.hearing import Hearing
from services.speech.engines.moshi.speaking import Speaking, is_loud
from services.speech.engines.moshi.wire import FRAME, FRAME_S, RATE_HZ, Decoder, Encoder, Kind
from services.speech.engines.record import Record, as_text
from services.speech.engines.websocket import Server
from services.speech.settings import MoshiOptions
from vivant.errors import Full, Timeout, Unavailable, VivantError

_log = get_logger(__name__)

#: Messages that wait to be read; then the server is held by flow control.
_QUEUE: Final = 256
#: Sound comes in jerks. After this long without any the user's side is silence, or the model would stand still.
_PATIENCE_S: Final = 0.24
#: Somebody who was heard a moment ago may be between two words.
_USER_PAUSE_S: Final = 0.4
#: From this share of its context on a silence is used to begin another.
_RECYCLE_FROM: Final = 0.9
#: A connection is found to be lost so much later than it was, at most.
_LOST_FOR_S: Final = 2.0
#: The reply in hand when the user's side is finished may take so long.
_FINISH_S: Final = 30.0
#: What it should know is told with the next connection; so much of it.
_MOST_CONTEXTS: Final = 12
_GONE: Final = (ConnectionError, aiohttp.ClientError)


class MoshiSession:
    """See services.speech.engine.Session."""

    def __init__(self, server: Server, options: MoshiOptions, config: ConversationConfig) -> None:
        self._server = server
        self._options = options
        self._config = config
        self._rate = config.input_rate_hz
        self._hearing = Hearing(config.input_rate_hz, RATE_HZ)
        self._record = Record(config.history)
        self._speaking = Speaking(self._record)
        self._contexts: list[str] = []
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._inbox: asyncio.Queue[Any] = asyncio.Queue(_QUEUE)
        self._order = asyncio.Lock()
        self._encoder, self._decoder = Encoder(), Decoder()
        self._rest = np.empty(0, np.float32)
        self._resume_from = 0
        self._opened_at = self._sent_at = self._user_at = 0.0
        self._end_at: float | None = None

    async def start(self) -> None:
        """Opens the first connection; raises a VivantError."""
        await self._connect()

    # --- what comes from the client ---------------------------------------------------------------------------------------

    async def hear(self, pcm: bytes, start_sample: int) -> None:
        """See Session."""
        if is_loud(to_float(pcm)):
            self._user_at = asyncio.get_running_loop().time()
        async with self._order:
            await self._pass_on(self._hearing.hear(pcm, start_sample))

    async def know(self, text: str) -> None:
        """See Session. The model has no ear for it now; it is told with the next connection, if the server takes a prompt."""
        self._contexts = [*self._contexts, text][-_MOST_CONTEXTS:]

    async def note(self, said: Said) -> None:
        """See Session."""
        self._record.note(said)

    async def respond(self, text: str) -> None:
        """See Session. The model speaks when it does, and has no eyes: what was typed is told with the next connection."""
        if text:
            self._record.note(Said(text, by_persona=False))

    async def played(self, turn_id: int, position_samples: int) -> None:
        """See Session."""
        self._speaking.played(turn_id, position_samples)

    async def clear(self, newest_turn_id: int) -> None:
        """See Session."""
        self._speaking.clear(newest_turn_id)

    async def finish(self) -> None:
        """See Session."""
        self._speaking.ready = False
        self._end_at = asyncio.get_running_loop().time() + _FINISH_S
        await self._inbox.put(bytes([Kind.PING]))

    async def close(self) -> None:
        """See Session."""
        await self._disconnect()

    # --- what comes from the server ---------------------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[Event]:
        """See Session."""
        while self._end_at is None or self._speaking.reply:
            try:
                for event in await self._next():
                    yield event
            except (Unavailable, Timeout, Full) as lost:
                _log.warning("connection_lost", reason=lost.reason, detail=lost.message)
                for event in self._speaking.broken(lost.reason, lost.message):
                    yield event
                await self._reopen(lost)
                yield Noted("reopened")
            if self._recycles():
                for event in self._speaking.broken("context_full", "the model's context has come to its end"):
                    yield event
                await self._reopen(None)
                yield Noted("recycled")

    async def _next(self) -> list[Event]:
        """What the next message of the server means; nothing once in a while. Raises when the connection is lost."""
        loop = asyncio.get_running_loop()
        if self._end_at is not None and loop.time() >= self._end_at:
            return self._speaking.broken("model_timeout", f"it was not over {_FINISH_S:.0f} s after the end")
        try:
            async with asyncio.timeout(self._options.frame_timeout_s):
                message = await self._inbox.get()
        except TimeoutError:
            # It is given sound all the time, and so owes some.
            waited = f"has sent nothing for {self._options.frame_timeout_s:g} s"
            raise self._server.failed(Timeout, waited, ("frame_timeout_s",), "model_timeout") from None
        if isinstance(message, VivantError):
            raise message
        return list(self._meaning(message))

    def _meaning(self, message: bytes) -> list[Event]:
        kind, payload = message[0] if message else None, message[1:]
        match kind:
            case Kind.AUDIO:
                try:
                    sound = self._decoder.decode(payload)
                except ValueError as exc:
                    _log.info("no_opus", error=str(exc)[:80])
                    return [Noted("unknown")]
                user_speaks = asyncio.get_running_loop().time() - self._user_at < _USER_PAUSE_S
                return list(self._speaking.push(sound, self._hearing.next_sample, user_speaks=user_speaks))
            case Kind.TEXT:
                return list(self._speaking.text(payload.decode("utf-8", "replace")))
            case Kind.ERROR:
                raise self._server.failed(Unavailable, "failed", (), "model_failed", payload.decode("utf-8", "replace"))
            case Kind.HANDSHAKE | Kind.CONTROL | Kind.METADATA | Kind.PING:
                return []
            case _:
                return [Noted("unknown")]

    def _recycles(self) -> bool:
        """Its context ends soon; another is begun when nobody notices, or at the last moment."""
        now = asyncio.get_running_loop().time()
        quiet = self._speaking.reply is None and now - self._user_at > _USER_PAUSE_S
        share = _RECYCLE_FROM if quiet else 1.0
        return self._end_at is None and now - self._opened_at >= share * self._options.context_s

    # --- connections ------------------------------------------------------------------------------------------------------

    async def _reopen(self, lost: VivantError | None) -> None:
        self._resume_from = self._hearing.next_sample - (round(_LOST_FOR_S * self._rate) if lost else 0)
        await self._disconnect()
        if not self._options.prompts:
            _log.warning("memory_lost", detail="this server takes no prompt: the model begins without what was said")
        if lost is None:
            try:
                await self._connect()
                return
            except (Unavailable, Timeout, Full) as exc:
                lost = exc
        await self._server.again(self._connect, lost)

    async def _connect(self) -> None:
        """A connection to a model that is ours, and that has been told what it can be told."""
        socket = await self._server.open(**self._prompts())
        try:
            await self._handshake(socket)
        except BaseException:
            await socket.close()
            raise
        self._server.well()
        loop = asyncio.get_running_loop()
        async with self._order:
            self._encoder, self._decoder = Encoder(), Decoder()
            self._rest = np.empty(0, np.float32)
            self._inbox = asyncio.Queue(_QUEUE)
            self._socket = socket
            self._opened_at = self._sent_at = loop.time()
            self._tasks = [
                loop.create_task(self._read(socket, self._inbox), name="read_moshi"),
                loop.create_task(self._keep_time(), name="keep_time"),
            ]
            for sound in self._hearing.restart(self._resume_from):
                await self._pass_on(sound)

    def _prompts(self) -> dict[str, str]:
        """The query of a server that takes prompts: whose voice it has, who it is, and what was said."""
        if not self._options.prompts:
            return {}
        said = as_text(self._record.told())
        text = "\n\n".join(part for part in (self._config.instructions, "\n".join(self._contexts), said) if part)
        return {"voice_prompt": self._config.voice or self._options.voices[0], "text_prompt": text}

    async def _handshake(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Waits until the model is ours: a server has one, and lets others wait without a word."""
        try:
            async with asyncio.timeout(self._options.handshake_timeout_s):
                message = await socket.receive()
                while message.type is aiohttp.WSMsgType.BINARY and message.data[:1] != bytes([Kind.HANDSHAKE]):
                    message = await socket.receive()
        except TimeoutError as exc:
            what = "serves one conversation at a time, and has not had time for this one"
            raise self._server.failed(Full, what, ("handshake_timeout_s",), "model_full") from exc
        if message.type is not aiohttp.WSMsgType.BINARY:
            raise self._server.broke_off(socket)

    async def _read(self, socket: aiohttp.ClientWebSocketResponse, inbox: asyncio.Queue[Any]) -> None:
        async for message in socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                await inbox.put(message.data)
        await inbox.put(self._server.broke_off(socket))

    async def _keep_time(self) -> None:
        """The model stands still without sound: where none comes, it hears silence."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(max(0.0, self._sent_at + _PATIENCE_S - loop.time()))
            async with self._order:
                if loop.time() - self._sent_at >= _PATIENCE_S:
                    silence = np.zeros(FRAME - len(self._rest), np.float32)
                    await self._send_frames(np.concatenate([self._rest, silence]))
                    # The next one is due at the pace of speech.
                    self._sent_at = loop.time() - _PATIENCE_S + FRAME_S

    async def _pass_on(self, pcm: bytes) -> None:
        if self._socket is not None and pcm:
            await self._send_frames(np.concatenate([self._rest, to_float(pcm)]))

    async def _send_frames(self, samples: np.ndarray[Any, np.dtype[np.float32]]) -> None:
        """Sends whole frames, and keeps the rest."""
        whole = len(samples) // FRAME * FRAME
        self._rest = samples[whole:]
        for at in range(0, whole, FRAME):
            self._sent_at = asyncio.get_running_loop().time()
            if message := self._encoder.message(samples[at : at + FRAME]):
                await self._send(message)

    async def _send(self, message: bytes) -> None:
        """Sends it, or leaves it: whoever reads finds out that the connection is lost."""
        if self._socket is None:
            return
        try:
            await self._socket.send_bytes(message)
        except _GONE as exc:
            _log.info("send_failed", error=type(exc).__name__)

    async def _disconnect(self) -> None:
        socket, tasks = self._socket, self._tasks
        self._socket, self._tasks = None, []
        for task in tasks:
            task.cancel()
        if socket:
            await socket.close()
