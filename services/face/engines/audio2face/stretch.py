"""A stretch of speech from its first sound to its end: one stream of the server's.

A server cuts off who sends nothing for long, or less than real time for some seconds, so a stream is ended as soon as no sound
comes; what follows begins another one. Sound is pushed by the thread that draws; all else happens on the event loop.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.common.audio import to_pcm
from services.common.nvidia.calls import Duplex
from services.common.nvidia.connection import Connection
from services.common.resample import Resampler
from services.face.engines.audio2face import messages
from services.face.engines.audio2face.echo import Echo
from services.face.engines.audio2face.shapes import Places, moves_a_jaw, places, weights
from services.face.engines.audio2face.track import Track
from vivant.errors import Unavailable, Unusable, VivantError

#: Without new sound for so long, a stretch is over: longer than a voice that keeps up ever makes one wait.
QUIET_S: Final = 1.0
#: A server takes 300 s.
LONGEST_S: Final = 240
#: Weights may end so long before the sound does: how many of its last frames a server leaves out is not written anywhere.
_SHORT_S: Final = 0.5


@dataclass(frozen=True)
class Server:
    """What a stretch needs to reach the server."""

    connection: Connection
    method: Any
    """Opens a stream."""
    loop: asyncio.AbstractEventLoop


class Stretch:
    """Positions are samples of the reply, at its own rate."""

    def __init__(self, server: Server, begin: int, rate_hz: int) -> None:
        """May be called from any thread; the stream opens at once."""
        self.begin = self.until = begin
        self.track = Track()
        self.error: VivantError | None = None
        """Why it ended before it was complete."""
        self.names: tuple[str, ...] = ()
        """The server's blend shapes."""
        self._server = server
        self._rate_hz = rate_hz
        self._resampler = Resampler(rate_hz, messages.RATE_HZ)
        self._echo = Echo()
        self._places: Places | None = None
        self._lock = threading.Lock()
        self._waiting: list[bytes] = []
        self._ended = False
        self._arrived = asyncio.Event()
        self._answered_s = 0.0
        self._told: VivantError | None = None
        self._running = asyncio.run_coroutine_threadsafe(self._run(), server.loop)

    # --- from the thread that draws ---

    def push(self, samples: NDArray[np.float32]) -> bool:
        """What follows in the reply, float32 [n]; False: the stretch is over, and another one has to begin with it."""
        with self._lock:
            if self._ended or self.until - self.begin > LONGEST_S * self._rate_hz:
                return False
            self._waiting.append(to_pcm(self._resampler.push(samples)))
        self.until += len(samples)
        self._server.loop.call_soon_threadsafe(self._arrived.set)
        return True

    def end(self) -> None:
        """Nothing follows."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
        self._server.loop.call_soon_threadsafe(self._arrived.set)

    def weights(self, position: int, patience_s: float) -> NDArray[np.float32] | None:
        """Blocking, for `patience_s` at most: those of a sample, [CHANNELS]; None: there are none."""
        return self.track.at((position - self.begin) / self._rate_hz, patience_s)

    def cancel(self) -> None:
        """Nobody wants to know any more."""
        self._running.cancel()

    @property
    def ended(self) -> bool:
        """It takes no more sound."""
        with self._lock:
            return self._ended

    @property
    def over(self) -> bool:
        """It is answered, has failed or was cancelled."""
        return self._running.done()

    def well(self) -> bool:
        """Of one that is over: all was answered. Raises what is our own fault."""
        if self._running.cancelled():
            return False
        self._running.result()
        return self.error is None

    # --- on the event loop ---

    async def finished(self) -> None:
        """Returns when all is answered; raises VivantError when it has failed."""
        await asyncio.wrap_future(self._running)
        if self.error:
            raise self.error

    async def _run(self) -> None:
        connection = self._server.connection
        stream = Duplex(connection, self._server.method, self._on_answer)
        try:
            await self._converse(stream)
            self._require_all()
        except VivantError as exc:
            # What the server said of it says more than that it is over.
            self.error = self._told or exc
            connection.blame(self.error)
        finally:
            await stream.close()
            self.track.complete()

    async def _converse(self, stream: Duplex) -> None:
        await stream.send(messages.header())
        self._answered_s = self._server.loop.time()
        ended = False
        while not ended:
            pcm, ended = await self._next()
            self._echo.sent(pcm)
            for message in messages.sound(pcm):
                await stream.send(message)
            if self._told:
                raise self._told
            if self._server.loop.time() - self._answered_s > self._server.connection.timeout_s:
                raise self._server.connection.late("did not animate what it was sent")
        await stream.send(messages.end())
        await stream.complete()

    async def _next(self) -> tuple[bytes, bool]:
        """The sound that has come meanwhile, and whether it is the last."""
        try:
            async with asyncio.timeout(QUIET_S):
                await self._arrived.wait()
        except TimeoutError:
            self.end()
        with self._lock:
            pcm, ended = b"".join(self._waiting), self._ended
            self._waiting.clear()
        self._arrived.clear()
        return pcm, ended

    def _require_all(self) -> None:
        """Raises VivantError when the server was content with less than the whole."""
        if self._told:
            raise self._told
        heard_s = (self.until - self.begin) / self._rate_hz
        if heard_s - self.track.end_s > _SHORT_S:
            raise self._server.connection.broke_off(f"animated {self.track.end_s:.2f} s of {heard_s:.2f} s of speech")

    def _on_answer(self, answer: Any) -> None:
        self._answered_s = self._server.loop.time()
        kind = answer.WhichOneof("stream_part")
        if kind == "animation_data_stream_header":
            self.names = tuple(answer.animation_data_stream_header.skel_animation_header.blend_shapes)
            self._places = places(self.names)
            if not moves_a_jaw(self.names):
                self._fail("does not animate ARKit's blend shapes; is it configured for another face?", Unusable)
        elif kind == "animation_data":
            self._animate(answer.animation_data)
        elif kind == "status" and (told := messages.trouble(answer.status)):
            self._fail("reports an error", told=told)

    def _animate(self, data: Any) -> None:
        if not self._echo.heard(data.audio.time_code, data.audio.audio_buffer):
            self._fail("sends back another sound than it was sent; its time codes cannot be trusted")
        for frame in data.skel_animation.blend_shape_weights:
            if self._places is None or len(frame.values) != len(self.names):
                self._fail("sends weights that it has not named")
                return
            self.track.put(frame.time_code - self._echo.start_s, weights(frame.values, self._places))

    def _fail(self, what: str, kind: type[VivantError] = Unavailable, told: str = "") -> None:
        """Notes the first thing that is wrong, which ends the stretch with its next sound."""
        if self._told is None:
            self._told = self._server.connection.failed(kind, what, told=told)
