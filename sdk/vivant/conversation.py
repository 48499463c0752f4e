"""One conversation with a persona: say things, and iterate over what happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Final, Self

import grpc

from vivant import _wire, replicas
from vivant._microphone import MicrophoneClock
from vivant._outgoing import Call, Outgoing
from vivant.audio import Pcm, chunks, to_bytes
from vivant.errors import Full, Internal, InvalidRequest, NotFound, Timeout, Unavailable, VivantError
from vivant.events import Event, Participant, Ready
from vivant.participants import as_participant
from vivant.session.v1 import session_pb2
from vivant.session.v1.session_pb2 import ConverseRequest
from vivant.status import FinalStatus, translate
from vivant.texts import require_text, require_unicode

#: A server has this long to open a conversation: it opens the streams of five services.
START_TIMEOUT_S: Final = 20.0
MAX_WAITING_EVENTS: Final = 64


class Session:
    """An open conversation; `Client.converse` and `Client.join` make it.

    People are named by their participant ids: this client's own is `ready.participant.id`. Addressees may be names, too.

    Iterate it in one task for events, from `Ready` to the end; say things from any task. Iteration ends after `finish`, when
    the reply in hand has been played; it raises a VivantError when the conversation breaks. Leaving the `async with` block
    stops the conversation at once.

    Reading must keep up with 25 units a second: do slow work elsewhere. At most 64 events wait for a late reader, about 2 s;
    after that nothing more is read from the server, which drops video frames first, then sound, and ends the session at last.
    """

    def __init__(self, call: Callable[[], Call], opening: ConverseRequest, address: str) -> None:
        self._open_call = call
        self._opening = opening
        self._address = address
        self._events: asyncio.Queue[Event | None] = asyncio.Queue(MAX_WAITING_EVENTS)
        self._reader: asyncio.Task[None] | None = None
        self._error: VivantError | None = None
        self._finished = False
        self._closed = False
        self._clock = MicrophoneClock(self.microphone_hz) if self.microphone_hz else None
        self._ready: Ready | None = None

    @property
    def ready(self) -> Ready:
        """What the conversation was opened with; also its first event."""
        if self._ready is None:
            raise InvalidRequest("the session is not open: use it with `async with client.converse(...)`", reason="not_open")
        return self._ready

    @property
    def finished(self) -> bool:
        """Nothing more can be said: `finish` was called, or the conversation was closed."""
        return self._finished or self._closed

    @property
    def microphone_hz(self) -> int:
        """Sample rate of the sound to send; 0: typed text only."""
        opening = self._opening.join if self._opening.HasField("join") else self._opening.config
        return opening.input_audio.sample_rate_hz

    @property
    def microphone_position(self) -> int:
        """End of the newest sound that was sent, in samples."""
        return self._clock.position if self._clock else 0

    async def send_audio(
        self,
        pcm: Pcm,
        participant: str | None = None,
        *,
        addressees: str | Iterable[str] = (),
        at_sample: int | None = None,
    ) -> None:
        """Sends sound of somebody, of any length, at the pace at which it is recorded (see `vivant.audio.paced`).

        A participant's sound goes on where it ended; `at_sample` puts it later instead, after silence. `participant` defaults
        to this client's own, `addressees` to the persona. Raises InvalidRequest for sound that breaks a rule, or what broke
        the conversation.
        """
        if self._clock is None:
            raise InvalidRequest(
                "this session has no microphone: open it with converse(microphone=16000)", reason="no_input_audio"
            )
        whom = _checked(participant, addressees)
        data = to_bytes(pcm)
        if not data:
            raise InvalidRequest("there is no sound in this chunk", reason="empty_audio")
        who = participant or self.ready.participant.id
        if at_sample is not None and at_sample < self._clock.end_of(who):
            raise InvalidRequest(
                f"at_sample {at_sample} lies before {self._clock.end_of(who)}, where the sound of this participant ends",
                reason="audio_out_of_order",
            )
        for chunk in chunks(data, self.microphone_hz):
            start = self._clock.place(who, len(chunk) // 2, at_sample)
            at_sample = None
            audio = session_pb2.AudioChunk(pcm=chunk, start_sample=start, participant_id=participant, addressee_ids=whom)
            await self._send(ConverseRequest(audio=audio))

    async def send_text(self, text: str, participant: str | None = None, *, addressees: str | Iterable[str] = ()) -> None:
        """Says something by typing it, 1 to 4000 characters. While the persona speaks it is an interruption.

        Raises InvalidRequest for a text that breaks a rule (`vivant.texts.require_text` tells without a session); the
        conversation goes on.
        """
        text = require_text(text)
        whom = _checked(participant, addressees)
        typed = session_pb2.TextInput(text=text, participant_id=participant, addressee_ids=whom)
        await self._send(ConverseRequest(text=typed))

    async def introduce(self, who: Participant | str) -> None:
        """Says that somebody who uses this client is there, or is called something else from now on.

        A name alone is the id, too.
        """
        await self._send(ConverseRequest(participant=_wire.participant(as_participant(who))))

    async def greet(self) -> None:
        """Makes the persona say its greeting now, if nothing was said yet; `converse(greeting=True)` does so at the start."""
        await self._send(ConverseRequest(greet=session_pb2.Greet()))

    async def interrupt(self) -> None:
        """Makes the persona stop talking."""
        await self._send(ConverseRequest(interrupt=session_pb2.Interrupt()))

    async def end_turn(self, participant: str | None = None) -> None:
        """In a session with `manual_turns`: what was said since the last time is complete, and is to be answered."""
        _checked(participant, ())
        await self._send(ConverseRequest(turn_end=session_pb2.TurnEnd(participant_id=participant)))

    async def played(self, unit_index: int, *, last: bool = False) -> None:
        """Reports the last unit that was heard to its end: the persona remembers having said only what was heard.

        With `last` nothing after it was heard of that unit's reply, the one in hand or the one before; a reply that is over
        already comes again as a corrected `Turn`. The unit before a reply's first means that nothing of it was heard.
        """
        await self._send(ConverseRequest(played=session_pb2.Played(unit_index=unit_index, last=last)))

    async def request_keyframe(self) -> None:
        """Asks for a picture that can be decoded on its own, for example after units were lost."""
        await self._send(ConverseRequest(keyframe=session_pb2.KeyframeRequest()))

    async def finish(self) -> None:
        """Says that nothing more will come. The reply in hand is played out, then the iteration ends."""
        if self._finished:
            return
        self._finished = True
        await self._outgoing.put(ConverseRequest(finish=session_pb2.Finish()))
        await self._outgoing.end()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        event = await self._events.get()
        if event is not None:
            return event
        # The end stays in the queue, so that asking again does not wait for ever.
        self._events.put_nowait(None)
        if self._error is not None and not self._closed:
            raise self._error
        raise StopAsyncIteration

    async def __aenter__(self) -> Self:
        # The next call goes to the next server: each has its turn.
        others = await replicas.count(self._address) - 1
        while True:
            self._call = self._open_call()
            self._status = FinalStatus(self._call)
            self._outgoing = Outgoing(self._call, self._status, self._address, self._broken, self._break)
            try:
                self._ready = await self._open()
                break
            except BaseException as exc:
                if not self._may_be_elsewhere(exc) or not others:
                    await self.close()
                    raise
            others -= 1
            self._call.cancel()
            await self._outgoing.settled()
        self._events.put_nowait(self._ready)
        self._reader = asyncio.create_task(self._receive(), name="vivant-session-reader")
        return self

    def _may_be_elsewhere(self, error: BaseException) -> bool:
        """Another server may have what this one has not: a place, or the conversation that is to be joined."""
        return isinstance(error, Full) or (isinstance(error, NotFound) and self._opening.HasField("join"))

    async def _open(self) -> Ready:
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._send(self._opening)
                first = await self._read()
        except TimeoutError as exc:
            raise Timeout(
                f"{self._address} did not open the conversation within {START_TIMEOUT_S:.0f} s; see `vivant info`"
            ) from exc
        except grpc.aio.AioRpcError as exc:
            raise translate(await self._status.after(exc), self._address) from exc
        event = _wire.event(first) if first is not None else None
        if not isinstance(event, Ready):
            raise Internal(f"{self._address} did not open the conversation with `ready`", reason="bad_grammar")
        return event

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the conversation at once, as leaving the block does; the iteration ends."""
        self._closed = True
        self._call.cancel()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait({self._reader})
        await self._outgoing.settled()
        while not self._events.empty():
            self._events.get_nowait()
        self._events.put_nowait(None)

    async def _read(self) -> session_pb2.ConverseResponse | None:
        response = await self._call.read()
        return response if isinstance(response, session_pb2.ConverseResponse) else None

    async def _receive(self) -> None:
        """Moves responses into the queue until the stream ends; what broke it is kept for the reader of the events."""
        try:
            while (response := await self._read()) is not None:
                event = _wire.event(response)
                if event is not None:
                    await self._events.put(event)
        except grpc.aio.AioRpcError as exc:
            self._break(self._broken(await self._status.after(exc)))
        except VivantError as exc:
            self._break(exc)
        except asyncio.CancelledError:
            # By `close`, or because the call or the whole connection was ended here: nothing more can come.
            self._break(_lost(self._address))
            while self._events.full():
                self._events.get_nowait()
            self._events.put_nowait(None)
            raise
        except Exception as exc:  # noqa: BLE001 - whoever iterates gets it, and would wait for ever otherwise
            fault = Internal(f"{self._address} sent what cannot be read ({type(exc).__name__}: {exc})", reason="bad_response")
            fault.__cause__ = exc
            self._break(fault)
            self._call.cancel()
        await self._events.put(None)

    def _break(self, error: VivantError) -> None:
        """Keeps what broke the conversation for the reader of the events; the first cause counts."""
        self._error = self._error or error

    async def _send(self, request: ConverseRequest) -> None:
        if self.finished:
            raise InvalidRequest("this session was finished; open a new one to go on", reason="finished")
        await self._outgoing.put(request)

    def _broken(self, exc: grpc.aio.AioRpcError) -> VivantError:
        """Why nothing more can be said or heard."""
        if self._closed or exc.code() == grpc.StatusCode.OK:
            return InvalidRequest("the conversation is over; open a new one to go on", reason="finished")
        error = translate(exc, self._address)
        error.__cause__ = exc
        if isinstance(error, Unavailable) and error.reason == Unavailable.default_reason:
            lost = _lost(self._address)
            lost.__cause__ = exc
            return lost
        return error


def _lost(address: str) -> Unavailable:
    return Unavailable(
        f"the connection to {address} was lost in the middle of the conversation; "
        "see `vivant info`, then open a new one with the same conversation_id",
        reason="connection_lost",
    )


def _checked(participant: str | None, addressees: str | Iterable[str]) -> list[str]:
    """The addressees as a list; raises InvalidRequest for what is not Unicode."""
    whom = [addressees] if isinstance(addressees, str) else [*addressees]
    for what, value in [("participant", participant or ""), *(("addressee", each) for each in whom)]:
        require_unicode(what, value)
    return whom
