"""One long stream to a service: it opens again, with growing back-off, when it breaks."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

import grpc
from google.protobuf.message import Message

from services.common.logs import get_logger
from vivant.errors import Full, InvalidRequest, NotFound, Timeout, Unavailable, Unusable, VivantError, from_rpc_error
from vivant.status import FinalStatus

_log = get_logger(__name__)

#: Messages that wait for a service; one more means that it has stopped reading. 5 s of 20 ms audio.
QUEUE: Final = 250
BACKOFF_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
#: A stream that has lived so long is steady: only then is a service trusted again that has broken its streams before.
STEADY_S: Final = 5.0
#: A service that has been told everything has this long to write it down.
FINISH_S: Final = 2.0
#: A service that does not take a new stream within this time is out of reach.
OPEN_TIMEOUT_S: Final = 5.0

#: What a stream is opened with; some have to be asked for first, in bounded time, which may raise VivantError.
Config = Callable[[], Message | Awaitable[Message]]
OnResponse = Callable[[str, Any], None]
OnChange = Callable[[bool, VivantError | None], None]


class Channel(Protocol):
    """A way to send to a service that may be there or not."""

    def send(self, **payload: Message) -> None: ...


class Link:
    """One long stream to a service. It opens again, with back-off, when it breaks; what is sent meanwhile is dropped."""

    def __init__(self, ability: str, method: Any, request: type[Message], config: Config) -> None:
        self.ability = ability
        self._method = method
        self._request = request
        self._config = config
        self._queue: asyncio.Queue[Message] = asyncio.Queue(QUEUE)
        self._overflow = asyncio.Event()
        self.up = False
        self._steady = False
        self._finishing = False
        self._ended = asyncio.Event()
        self.settled = asyncio.Event()
        """The first attempt has succeeded or failed."""

    def send(self, **payload: Message) -> None:
        """Queues one request, for example `send(flush=Flush())`. Never waits."""
        if not self.up:
            return
        try:
            self._queue.put_nowait(self._request(**payload))
        except asyncio.QueueFull:
            self._overflow.set()

    async def finish(self, message: Message) -> None:
        """Says that nothing more will come, and waits until the service has taken all of it, for FINISH_S at most."""
        if not self.up:
            return
        self._finishing = True
        self.send(finish=message)
        try:
            async with asyncio.timeout(FINISH_S):
                await self._ended.wait()
        except TimeoutError:
            _log.warning("not_finished", ability=self.ability, after_s=FINISH_S)

    async def run(self, on_response: OnResponse, on_change: OnChange, on_steady: Callable[[], None] = lambda: None) -> None:
        """Keeps the stream open until cancelled, or until it is refused at its start for a reason that will not pass.

        `on_change` hears of each stream that opens or breaks, `on_steady` of one that has lived for STEADY_S. The back-off
        grows with every stream that has not: one that opens and breaks at once is no better than one that does not open.
        """
        attempt = 0
        while True:
            self._steady = False
            try:
                await self._converse(on_response, on_change, on_steady)
                error: VivantError = Unavailable(f"{self.ability} closed its stream")
            except VivantError as exc:
                error = exc
            if self._finishing:
                self._ended.set()
                return
            attempt = 0 if self._steady else attempt + 1
            was_up, self.up = self.up, False
            if was_up or not self.settled.is_set():
                on_change(False, error)
            self.settled.set()
            _log.warning("stream_lost", ability=self.ability, reason=error.reason, detail=error.message)
            if not was_up and isinstance(error, InvalidRequest | NotFound | Unusable):
                return
            await asyncio.sleep(BACKOFF_S[min(max(attempt - 1, 0), len(BACKOFF_S) - 1)])

    async def _converse(self, on_response: OnResponse, on_change: OnChange, on_steady: Callable[[], None]) -> None:
        while not self._queue.empty():
            self._queue.get_nowait()
        self._overflow.clear()
        config = self._config()
        # A call that is made before may have failed by then.
        config = await config if inspect.isawaitable(config) else config
        call = self._method()
        status = FinalStatus(call)
        try:
            await self._open(call, config)
            await self._serve(call, on_response, on_change, on_steady)
        except grpc.aio.AioRpcError as exc:
            raise from_rpc_error(await status.after(exc), self.ability) from exc
        finally:
            call.cancel()

    async def _open(self, call: Any, config: Message) -> None:
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                await call.write(self._request(config=config))
                await call.initial_metadata()
                if call.done():
                    await call.read()
        except TimeoutError:
            raise Timeout(f"{self.ability} did not take a stream within {OPEN_TIMEOUT_S:.0f} s") from None

    async def _serve(self, call: Any, on_response: OnResponse, on_change: OnChange, on_steady: Callable[[], None]) -> None:
        def steady() -> None:
            self._steady = True
            on_steady()

        self.up = True
        self.settled.set()
        on_change(True, None)
        timer = asyncio.get_running_loop().call_later(STEADY_S, steady)
        tasks = [
            asyncio.create_task(self._read(call, on_response), name=f"{self.ability}-read"),
            asyncio.create_task(self._write(call), name=f"{self.ability}-write"),
            asyncio.create_task(self._watch(), name=f"{self.ability}-watch"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            timer.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, call: Any, on_response: OnResponse) -> None:
        async for message in call:
            kind = message.WhichOneof("response")
            if kind is not None:
                on_response(kind, getattr(message, kind))

    async def _write(self, call: Any) -> None:
        try:
            while True:
                await call.write(await self._queue.get())
        except asyncio.InvalidStateError:
            # The call has ended; why, the reader finds out.
            await asyncio.Event().wait()

    async def _watch(self) -> None:
        await self._overflow.wait()
        raise Full(f"{self.ability} left {QUEUE} messages unread", reason="service_too_slow")
