"""One conversation's face: joins voice, engine, encoder and metronome into a stream of units.

Shortly before each tick the next unit is planned and its picture is made in the stream's own thread; at the tick the unit
leaves, with the picture if it is ready and without if it is not. A picture that comes late goes out with the next unit, so that
nothing that an encoder has put out is ever lost.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from services.common.metrics import Metrics
from services.common.metronome import Metronome
from services.common.playout.playout import Playout
from services.face.codecs import Codec, Encoded, Encoder, make_encoder
from services.face.engine import AHEAD_S, FRAMES_PER_SECOND, FaceEngine, FaceSession, Slot, Troubled
from services.face.outbox import Outbox, Outgoing
from services.face.slots import Slots
from vivant.errors import VivantError


@dataclass(frozen=True)
class Video:
    """The pictures that a client asked for."""

    codec: Codec
    size_px: int


class Painter:
    """Makes the pictures of one stream in a thread of its own."""

    def __init__(self, session: FaceSession, encoder: Encoder, metrics: Metrics) -> None:
        self._session = session
        self._encoder = encoder
        self._metrics = metrics

    def paint(self, slot: Slot, keyframe: bool) -> Encoded:
        """Blocking: draws and encodes one slot."""
        started = time.perf_counter()
        picture = self._session.render(slot)
        rendered = time.perf_counter()
        encoded = self._encoder.encode(picture, keyframe=keyframe)
        self._metrics.observe("vivant_frame_seconds", rendered - started, "render")
        self._metrics.observe("vivant_frame_seconds", time.perf_counter() - rendered, "encode")
        return encoded

    def troubles(self) -> Sequence[VivantError]:
        """What the session could not do, since the last call; not while it paints."""
        return self._session.troubles() if isinstance(self._session, Troubled) else ()

    def close(self) -> None:
        """Blocking: frees the session and the encoder."""
        self._session.close()
        self._encoder.close()


class Animation:
    """Runs until it is cancelled; `outbox` receives all that it makes."""

    def __init__(
        self,
        playout: Playout,
        outbox: Outbox,
        metronome: Metronome,
        metrics: Metrics,
        lead_s: float,
        *,
        ahead_s: float = AHEAD_S,
    ) -> None:
        self._playout = playout
        self.slots = Slots(playout, ahead_s)
        self._outbox = outbox
        self._metronome = metronome
        self._metrics = metrics
        self._lead = lead_s
        self._job: asyncio.Future[Encoded] | None = None
        self._first = True
        self.keyframe_wanted = False
        """The next picture must be a keyframe."""

    async def run_silent(self) -> None:
        """Units without pictures."""
        while True:
            await self._metronome.tick()
            self.slots.plan()
            self._leave(None, video=False)

    async def run(self, engine: FaceEngine, persona: str, video: Video, seed: int) -> None:
        """Units with pictures. Raises what `FaceEngine.open` and `render` raise."""
        loop = asyncio.get_running_loop()
        thread = ThreadPoolExecutor(1, thread_name_prefix="face")
        try:
            session = await loop.run_in_executor(thread, engine.open, persona, video.size_px, FRAMES_PER_SECOND, seed)
            painter = Painter(session, make_encoder(video.codec, video.size_px), self._metrics)
            try:
                self._metronome.restart()
                while True:
                    await self._beat(painter, thread)
            finally:
                thread.submit(painter.close)
        finally:
            # Without waiting: the event loop serves other streams while the thread ends its last picture.
            thread.shutdown(wait=False)

    async def _beat(self, painter: Painter, thread: ThreadPoolExecutor) -> None:
        await self._metronome.ahead(self._lead)
        slot = self.slots.plan()
        if self._job is None and self._outbox.wants_pictures:
            keyframe = self.keyframe_wanted or self._outbox.keyframe_due
            self.keyframe_wanted = False
            self._job = asyncio.get_running_loop().run_in_executor(thread, painter.paint, slot, keyframe)
        if self._job is not None and self._first:
            # A stream begins with a picture, however long the first one takes.
            await self._job
            self._first = False
        await self._metronome.tick()
        picture = None
        if self._job is not None and self._job.done():
            picture = self._job.result()
            self._job = None
            for trouble in painter.troubles():
                self._outbox.report(trouble)
        elif self._job is not None:
            self._metrics.count("vivant_units_total", "late")
        self._leave(picture, video=True)

    def _leave(self, picture: Encoded | None, *, video: bool) -> None:
        emission = self._playout.emit()
        dropped = self._outbox.put(Outgoing(emission, video, picture))
        self._metrics.count("vivant_units_total", "emitted")
        if video and picture is None:
            self._metrics.count("vivant_units_total", "repeated")
        if dropped:
            self._metrics.count("vivant_units_total", "dropped", dropped)
