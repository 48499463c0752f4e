"""A conversation that outlives its connections.

It is one session of the orchestrator, kept by one task. A connection comes, goes and is replaced; while there is
none the persona is silent and what happens is kept from nobody but units. After a while without one the conversation ends.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

import vivant
from services.common.logs import get_logger, session_context
from services.common.tasks import say_why
from services.gateway.connection import Connection
from services.gateway.gateway import Gateway
from services.gateway.messages import (
    BURST,
    RATE,
    Incoming,
    InterruptMessage,
    LeaveMessage,
    Message,
    NameMessage,
    PingMessage,
    PlayedMessage,
    TextMessage,
    Writer,
    bye,
    notice,
    parse,
    ready,
)
from services.gateway.meter import Meter
from services.gateway.presence import Presence
from vivant.errors import Full, InvalidRequest, Unavailable, VivantError
from vivant.texts import require_text

_log = get_logger(__name__)

MICROPHONE_HZ: Final = 16_000
#: What was begun when the conversation ends, such as closing a connection, has so long.
_LAST_THINGS_S: Final = 2.0
#: How soon a picture that can be decoded alone may be asked for again.
_KEYFRAME_S: Final = 0.4


class Conversation:
    """One session, which is one person's part in a conversation: others may have theirs. Use it through `Conversations`.

    `accompanied` tells whether somebody else takes part in the same conversation now.
    """

    def __init__(
        self, session: vivant.Session, gateway: Gateway, *, greets: bool, accompanied: Callable[[Conversation], bool]
    ) -> None:
        self.token = secrets.token_urlsafe(18)
        self.session = session
        self._greets = greets
        self._accompanied = accompanied
        self._participants = vivant.Participants()
        self._participants.feed(session.ready)
        self._writer = Writer(session.ready.voice_rate_hz)
        self._meter = Meter(RATE, BURST)
        self._connection: Connection | None = None
        self._presence = Presence(gateway.settings.resume_s, self.leave)
        self._state: vivant.StateChanged | None = None
        self._left = asyncio.Event()
        self._left_because: VivantError | None = None
        self._next_keyframe = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def connection(self) -> Connection | None:
        """How somebody takes part now; None while it waits for the next one."""
        return self._connection

    @property
    def absent_s(self) -> float:
        """How long nobody has been there who could hear; 0 while somebody is, or is only just coming."""
        return self._presence.absent_s(self._connection.quiet_s if self._connection else 0.0)

    @property
    def over(self) -> bool:
        """It is ending or has ended."""
        return self._left.is_set()

    async def run(self) -> None:
        """Passes events on until the session ends, everybody has left, or nobody has come back in time."""
        session_context(session_id=self.session.ready.session_id)
        self.expect()
        events = asyncio.create_task(self._events(), name="events")
        left = asyncio.create_task(self._left.wait(), name="left")
        try:
            await asyncio.wait({events, left}, return_when=asyncio.FIRST_COMPLETED)
            if events.done() and events.exception() is None:
                self._say_goodbye("ended", "The conversation is over.")
            elif events.done():
                self._end_with(events.exception())
        finally:
            for task in (events, left):
                task.cancel()
            await asyncio.gather(events, left, return_exceptions=True)
            self._presence.stop()
            self._left.set()
            if self._connection:
                await self._connection.close()
            if self._tasks:
                _, late = await asyncio.wait(self._tasks, timeout=_LAST_THINGS_S)
                for task in late:
                    task.cancel()
            _log.info("conversation_ended")

    def met(self) -> None:
        """Somebody is there and can hear: says the greeting that was wished for."""
        self._presence.heard()
        if self._greets:
            self._greets = False
            self._spawn(self.session.greet())

    def expect(self) -> None:
        """A connection is on its way."""
        if self._connection is None:
            self._presence.expect()

    def attach(self, connection: Connection, *, resumed: bool) -> None:
        """This connection takes part from now on; the one before is told and closed.

        Raises Unavailable when the conversation has ended meanwhile.
        """
        if self._left.is_set():
            raise Unavailable("the conversation has just ended; begin another one", reason="connection_lost")
        self._presence.arrived()
        if self._connection:
            self._connection.send(bye("replaced", "The conversation goes on in another window."))
            self._spawn(self._connection.close())
        self._connection = connection
        connection.send(ready(self.session.ready, self._participants, self.token, resumed=resumed))
        if self._state:
            connection.send(self._writer.of(self._state) or {})
        self._spawn(self.session.request_keyframe())

    def detach(self, connection: Connection, *, gone: bool) -> None:
        """This connection is over: the conversation waits for the next one, not long when the page is `gone`.

        The persona falls silent, unless somebody else listens. Where nobody was ever there, nobody comes back: that ends it.
        """
        if self._connection is not connection:
            return
        self._connection = None
        self._presence.lost()
        self._spawn(connection.close())
        if self._left.is_set():
            return
        if not self._presence.met:
            self.leave()
            return
        if not self._accompanied(self):
            self._spawn(self.session.interrupt())
        self._presence.wait(gone=gone)

    def leave(self) -> None:
        """Ends the conversation."""
        self._left.set()

    def give_way(self, reason: str, message: str) -> None:
        """Ends the conversation for another one."""
        self._say_goodbye(reason, message)
        self._left.set()

    def shut_down(self) -> None:
        """Ends the conversation because the gateway stops; the page may go on with its `conversation_id` at the next one."""
        self._say_goodbye("shutdown", "The server is stopping. When it is only being restarted, you can go on in a moment.")
        self._left.set()

    def receive(self, data: str | bytes) -> None:
        """One message of the page. What breaks a rule is answered, or ends the conversation; then nothing more is heard."""
        if self.over:
            return
        try:
            if not self._meter.take():
                raise Full(f"more than {RATE:.0f} messages a second are too many", reason="too_many_messages")
            self._obey(parse(data))
        except InvalidRequest as exc:
            self._send(notice("warning", exc.reason, exc.message))
        except VivantError as exc:
            self._end_with(exc)

    async def hear(self, pcm: bytes, at_sample: int | None = None) -> None:
        """Sound of the microphone, 16 bit at 16 kHz; `at_sample` when something is missing before it."""
        try:
            await self.session.send_audio(pcm, at_sample=at_sample)
        except VivantError as exc:
            # The reader of the events learns of it too, and ends.
            _log.info("sound_refused", reason=exc.reason)

    def want_keyframe(self) -> None:
        """Asks for a picture that can be decoded alone, unless that was done a moment ago."""
        now = asyncio.get_running_loop().time()
        if now >= self._next_keyframe:
            self._next_keyframe = now + _KEYFRAME_S
            self._spawn(self.session.request_keyframe())

    def _obey(self, message: Incoming) -> None:
        match message:
            case TextMessage(text=text):
                try:
                    self._spawn(self.session.send_text(require_text(text)))
                except InvalidRequest as exc:
                    raise InvalidRequest(exc.message, reason="bad_message") from exc
            case InterruptMessage():
                self._spawn(self.session.interrupt())
            case NameMessage(name=name):
                own = self._participants.id_of(self.session.ready.participant.id)
                self._spawn(self.session.introduce(vivant.Participant(own, name)))
            case PlayedMessage():
                unit = self._connection.played_unit(message) if self._connection else None
                if unit is not None:
                    self._spawn(self.session.played(unit))
            case PingMessage(t=t):
                self._send({"type": "pong", "t": t})
            case LeaveMessage():
                self.leave()

    async def _events(self) -> None:
        async for event in self.session:
            self._participants.feed(event)
            if isinstance(event, vivant.Unit):
                if self._connection:
                    self._connection.unit(event)
                continue
            if isinstance(event, vivant.StateChanged):
                self._state = event
            message = self._writer.of(event)
            if message:
                self._send(message)

    def _send(self, message: Message) -> None:
        if self._connection:
            self._connection.send(message)

    def _say_goodbye(self, reason: str, message: str) -> None:
        """The last message; it is said once."""
        if not self.over:
            self._send(bye(reason, message))

    def _end_with(self, error: BaseException | None) -> None:
        if isinstance(error, VivantError):
            _log.warning("conversation_broken", reason=error.reason, detail=error.message)
            self._say_goodbye(error.reason, error.message)
        elif error is not None:
            _log.error("conversation_failed", exc_info=error)
            self._fail()
        self._left.set()

    def _fail(self) -> None:
        self._say_goodbye("internal", "A fault in this server ended the conversation; its log has the details.")
        self._left.set()

    def _spawn(self, work: Awaitable[None]) -> None:
        """Does something small without making anybody wait."""
        task: asyncio.Task[None] = asyncio.create_task(self._do(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(say_why("conversation", lambda _: self._fail()))

    async def _do(self, work: Awaitable[None]) -> None:
        try:
            await work
        except InvalidRequest as exc:
            # What the session does not take is told. Of one that is over the events say why.
            if self.over or self.session.finished or exc.reason == "finished":
                _log.info("not_sent", reason=exc.reason)
            else:
                self._send(notice("error", exc.reason, exc.message))
        except VivantError as exc:
            # The conversation is ending, and its events say why.
            _log.info("not_sent", reason=exc.reason)
