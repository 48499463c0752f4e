"""One client of the Realtime protocol with the conversation behind it: moves events, sound and actions between the two.

Four tasks for as long as the connection lasts: one reads the socket, one writes it, one converses, one loses patience when no
words come. The conversation may be closed and opened anew in between (to change how turns are taken); the connection does not
notice.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import WSCloseCode, WSMsgType, web

import vivant
from services.common.logs import get_logger
from services.common.streams import flatten
from services.gateway.gateway import Gateway
from services.gateway.meter import Meter
from services.gateway.realtime.actions import Action, Await, EndTurn, Forget, Heard, Out, Reopen, Say, Sound, Stop
from services.gateway.realtime.audio import RATE_HZ, Microphone
from services.gateway.realtime.beta import spell
from services.gateway.realtime.events import parse
from services.gateway.realtime.items import Event, error
from services.gateway.realtime.patience import Patience
from services.gateway.realtime.session import Realtime
from services.gateway.realtime.wrong import ClientError
from vivant.errors import Full, InvalidRequest, NotFound, VivantError
from vivant.events import StateChanged

_log = get_logger(__name__)

#: Messages of a client: so many at once, and so many a second after that. Sound in pieces of 10 ms is a hundred.
BURST: Final = 2000
MESSAGES_PER_S: Final = 200
#: Events that wait for a client that does not read.
MAX_UNSENT: Final = 1000
_LAST_WORDS_S: Final = 2.0
_CLOSE: Final = {Full: WSCloseCode.TRY_AGAIN_LATER, InvalidRequest: WSCloseCode.POLICY_VIOLATION}
_REOPEN_TRIES: Final = 20
_REOPEN_WAIT_S: Final = 0.1


class End(Exception):
    """The connection is over; `code` is that of the WebSocket, `reason` and `message` go into a last `error` event."""

    def __init__(self, code: int, reason: str = "", message: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message


class Talk:
    """Serves one connection."""

    def __init__(
        self,
        gateway: Gateway,
        socket: web.WebSocketResponse,
        persona: str,
        realtime: Realtime,
        make_room: Callable[[], Awaitable[bool]],
    ) -> None:
        self._gateway = gateway
        self._make_room = make_room
        self._socket = socket
        self._persona = persona
        self._realtime = realtime
        self._microphone = Microphone()
        self._unsent: asyncio.Queue[str] = asyncio.Queue(MAX_UNSENT)
        self._session: vivant.Session | None = None
        self._opened = asyncio.Event()
        self._opening = Reopen(manual=False)
        self._conversation_id = ""
        self._patience = Patience()
        self._meter = Meter(MESSAGES_PER_S, BURST)

    async def run(self) -> None:
        """Serves until one of the two sides ends it."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for job in (self._read(), self._write(), self._converse(), self._lose_patience()):
                    tasks.create_task(job)
        except* (End, VivantError, ConnectionError) as group:
            await self._say_farewell(flatten(group))
        except* Exception as group:  # noqa: BLE001 - the boundary: a bug is logged, and the client is told
            _log.error("realtime_failed", exc_info=group)
            message = "A fault in this server ended the conversation; its log has the details."
            await self._say_farewell(End(WSCloseCode.INTERNAL_ERROR, "internal", message))

    async def _say_farewell(self, why: BaseException) -> None:
        if isinstance(why, VivantError):
            _log.warning("realtime_ended", reason=why.reason, detail=why.message)
            why = End(_CLOSE.get(type(why), WSCloseCode.INTERNAL_ERROR), why.reason, why.message)
        if self._socket.closed or not isinstance(why, End):
            return
        try:
            async with asyncio.timeout(_LAST_WORDS_S):
                while not self._unsent.empty():
                    await self._socket.send_str(self._unsent.get_nowait())
                if why.reason:
                    await send(self._socket, error("server_error", why.reason, why.message))
                await self._socket.close(code=why.code, message=why.reason.encode())
        except (TimeoutError, ConnectionError):
            _log.info("realtime_client_gone")

    # --- the client ---------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        # Hasty clients do not wait for session.created; what they send waits for it.
        await self._opened.wait()
        async for message in self._socket:
            self._count()
            # Messages that are there already come without a wait, and the writer must have its turn.
            await asyncio.sleep(0)
            if message.type is WSMsgType.TEXT:
                await self._follow(message.data)
            elif message.type is WSMsgType.BINARY:
                self._put([error("invalid_request_error", "binary_message", "Messages are JSON text; sound is base64 in it.")])
        raise End(WSCloseCode.OK)

    async def _follow(self, message: str) -> None:
        event_id = None
        try:
            asked = parse(message)
            event_id = asked.event_id
            for out in self._realtime.follow(asked, self._microphone.waiting_ms):
                if isinstance(out, dict):
                    self._put([out])
                else:
                    await self._perform(out)
        except ClientError as exc:
            wrong = error("invalid_request_error", exc.code, exc.message, param=exc.param, event_id=exc.event_id or event_id)
            self._put([wrong])

    def _count(self) -> None:
        if not self._meter.take():
            raise End(
                WSCloseCode.POLICY_VIOLATION,
                "too_many_messages",
                f"More than {MESSAGES_PER_S} messages a second are too many; put more into each.",
            )

    def _put(self, outs: list[Out]) -> None:
        for out in outs:
            spelt = spell(out, beta=self._realtime.terms.beta) if isinstance(out, dict) else None
            if spelt is None:
                continue
            try:
                self._unsent.put_nowait(json.dumps(spelt))
            except asyncio.QueueFull:
                self._unsent = asyncio.Queue()
                raise End(WSCloseCode.POLICY_VIOLATION, "client_too_slow", f"{MAX_UNSENT} events were not read.") from None

    async def _write(self) -> None:
        while True:
            await self._socket.send_str(await self._unsent.get())

    # --- the conversation ---------------------------------------------------------------------------------------------

    async def _converse(self) -> None:
        while True:
            opening = self._opening
            session = await self._open(opening)
            try:
                self._put(self._realtime.opened(session.ready, self._microphone.waiting_ms * RATE_HZ // 1000))
                self._conversation_id = session.ready.conversation_id
                self._session = session
                self._opened.set()
                async with asyncio.TaskGroup() as tasks:
                    listening = tasks.create_task(self._listen(session))
                    await self._report(session)
                    listening.cancel()
            finally:
                await session.close()
            if self._opening is opening:
                raise End(WSCloseCode.OK)

    async def _open(self, opening: Reopen) -> vivant.Session:
        freed = bool(self._conversation_id)
        for attempt in range(_REOPEN_TRIES):
            session = self._gateway.client.converse(
                self._persona or self._gateway.settings.persona or None,
                microphone=RATE_HZ,
                voice_rate_hz=RATE_HZ,
                conversation_id=self._conversation_id or None,
                greeting=opening.greeting,
                manual_turns=opening.manual,
                # Voice apps of OpenAI's take every response for an answer.
                only_answers=True,
            )
            try:
                return await session.__aenter__()
            except NotFound:
                # Clients name models of OpenAI: whoever is here by default answers to them.
                if not self._persona:
                    raise
                self._persona = ""
            except Full:
                # The place of the conversation that this one goes on with may not be free yet, nor one that was just given up.
                freed = freed or await self._make_room()
                if not freed or attempt == _REOPEN_TRIES - 1:
                    raise
                await asyncio.sleep(_REOPEN_WAIT_S)
            except InvalidRequest as exc:
                # That conversation was closed a moment ago, and the server may hear of it a moment later.
                if exc.reason != "conversation_live" or attempt == _REOPEN_TRIES - 1:
                    raise
                await asyncio.sleep(_REOPEN_WAIT_S)
        raise Full("the conversation could not be opened again", reason="full")

    async def _report(self, session: vivant.Session) -> None:
        """Passes on what happens, until the conversation is closed."""
        async for happened in session:
            outs = self._realtime.hear(happened, session.microphone_position)
            self._put(outs)
            await self._perform_all(outs)
            if isinstance(happened, vivant.Transcript | StateChanged):
                self._expect_words()

    async def _listen(self, session: vivant.Session) -> None:
        """Passes on what the client has sent of its sound."""
        try:
            async for piece in self._microphone.pieces():
                if isinstance(piece, bytes):
                    await session.send_audio(piece)
                else:
                    self._expect_words()
                    if isinstance(piece, EndTurn):
                        await session.end_turn()
        except InvalidRequest:
            if not session.finished:
                raise

    def _expect_words(self) -> None:
        self._patience.begin(sound_waits=self._microphone.marked)

    async def _lose_patience(self) -> None:
        """Gives up when no words have come for a while."""
        while True:
            await self._patience.lost()
            outs = self._realtime.give_up()
            self._put(outs)
            await self._perform_all(outs)

    async def _perform_all(self, outs: list[Out]) -> None:
        """The actions among these."""
        for out in outs:
            if not isinstance(out, dict):
                await self._perform(out)

    async def _perform(self, action: Action) -> None:
        match action:
            case Sound(pcm):
                try:
                    self._microphone.put(pcm)
                except ClientError:
                    self._realtime.take_back(action)
                    raise
            case EndTurn() | Await():
                self._microphone.mark(action)
                self._expect_words()
            case Forget():
                self._realtime.forgot(self._microphone.clear())
            case Reopen():
                await self._reopen(action)
            case Say() | Stop() | Heard():
                await self._tell(action)

    async def _tell(self, action: Say | Stop | Heard) -> None:
        await self._opened.wait()
        assert self._session is not None
        match action:
            case Say(text):
                await self._session.send_text(text)
            case Stop():
                await self._session.interrupt()
            case Heard(unit_index):
                await self._session.played(unit_index, last=True)

    async def _reopen(self, opening: Reopen) -> None:
        await self._opened.wait()
        assert self._session is not None
        self._opened.clear()
        self._opening = opening
        await self._session.close()
        await self._opened.wait()


async def send(socket: web.WebSocketResponse, event: Event) -> None:
    """One event, past the queue."""
    await socket.send_str(json.dumps(event))
