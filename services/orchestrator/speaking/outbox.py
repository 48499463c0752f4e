"""The way out to one client: one writer, few units in flight, and an order of sacrifice for a client that is too slow.

A slow client loses video frames first, then audio, then the session.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from services.common.metrics import Metrics
from vivant.common.v1 import common_pb2
from vivant.errors import Full
from vivant.session.v1 import session_pb2

#: Units waiting: from here on frames are left out, units are left out, the session is ended (40 ms each).
FRAMES_AT: Final = 8
UNITS_AT: Final = 50
#: Other messages waiting before the session is ended.
MESSAGES_AT: Final = 1000
#: One write may take this long.
WRITE_TIMEOUT_S: Final = 10.0

Write = Callable[[session_pb2.ConverseResponse], Awaitable[None]]


class Outbox:
    """Bounded queue of responses."""

    def __init__(self, metrics: Metrics, on_sent: Callable[[common_pb2.Unit], None], want_keyframe: Callable[[], None]) -> None:
        self._metrics = metrics
        self._on_sent = on_sent
        self._want_keyframe = want_keyframe
        self._queue: deque[session_pb2.ConverseResponse] = deque()
        self._units = 0
        self._something = asyncio.Event()
        self._frames_missing = False
        self._keyframe_asked = False
        self._closed = False
        self._failure: Full | None = None
        self._newest = 0
        self._ending = b""

    def put(self, response: session_pb2.ConverseResponse) -> None:
        """Queues a message that is not a unit; raises Full when the client has stopped reading."""
        if len(self._queue) - self._units >= MESSAGES_AT:
            raise Full(f"the client left {MESSAGES_AT} messages unread", reason="client_too_slow")
        self._append(response)

    def put_unit(self, unit: common_pb2.Unit, *, video: bool = True) -> None:
        """Queues a copy of a unit, or of what the client can still take of it; without `video` there is no frame in it."""
        if self._units >= UNITS_AT:
            self._metrics.count("vivant_units_total", "dropped")
            self._frames_missing = self._frames_missing or (video and unit.HasField("frame"))
            return
        response = session_pb2.ConverseResponse(unit=unit)
        if not video:
            response.unit.ClearField("frame")
        elif unit.HasField("frame"):
            if self._units >= FRAMES_AT or (self._frames_missing and not unit.frame.keyframe):
                self._metrics.count("vivant_units_total", "frame_dropped")
                response.unit.ClearField("frame")
                self._frames_missing = True
                if self._units < FRAMES_AT // 2 and not self._keyframe_asked:
                    self._keyframe_asked = True
                    self._want_keyframe()
            else:
                self._frames_missing = self._keyframe_asked = False
        self._units += 1
        self._append(response)

    def clear(self, newest_turn_id: int) -> None:
        """Nothing more is heard of older turns."""
        self._newest = newest_turn_id

    def fail(self, error: Full) -> None:
        """Ends `run` with this error."""
        self._failure = error
        self._something.set()

    def close(self) -> None:
        """Lets `run` end when all that waits has been written."""
        self._closed = True
        self._something.set()

    async def run(self, write: Write) -> None:
        """Writes until closed and empty; raises Full for a client that does not read."""
        while self._queue or not self._closed:
            if self._failure is not None:
                raise self._failure
            if not self._queue:
                self._something.clear()
                await self._something.wait()
                continue
            response = self._queue.popleft()
            if response.HasField("unit"):
                self._end_older(response.unit)
            try:
                async with asyncio.timeout(WRITE_TIMEOUT_S):
                    await write(response)
            except TimeoutError:
                raise Full(f"the client read nothing for {WRITE_TIMEOUT_S:.0f} s", reason="client_too_slow") from None
            if response.HasField("unit"):
                self._units -= 1
                self._metrics.count("vivant_units_total", "emitted")
                self._on_sent(response.unit)

    def _end_older(self, unit: common_pb2.Unit) -> None:
        """Silence for a unit of a reply that is over. It begins with the end of the voice that was sent last.

        Its picture and its place in time stay.
        """
        if 0 < (unit.turn_id or unit.fading_turn_id) < self._newest:
            if unit.turn_id:
                self._metrics.count("vivant_stale_output_total", "unit")
            unit.pcm = self._ending.ljust(len(unit.pcm), b"\0")
            unit.turn_id = unit.turn_sample = 0
            unit.ducked = False
            unit.ending = b""
        self._ending = unit.ending
        unit.ClearField("ending")
        unit.ClearField("fading_turn_id")

    def _append(self, response: session_pb2.ConverseResponse) -> None:
        self._queue.append(response)
        self._something.set()
