"""Voice, pictures and beat together, with a virtual beat and an engine whose speed is scripted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from services.common.metrics import Metrics
from services.common.metronome import Metronome
from services.common.playout.emission import State
from services.common.playout.playout import Playout
from services.face.animation import Animation, Video
from services.face.codecs import Codec
from services.face.engine import FaceInfo, Slot
from services.face.outbox import Outbox, Outgoing

SIZE = 64


class GatedSession:
    """Draws the number of the slot, but only while its gate is open."""

    def __init__(self, gate: threading.Event, seen: list[int]) -> None:
        self._gate = gate
        self._seen = seen
        self._picture = np.zeros((SIZE, SIZE, 3), np.uint8)

    def render(self, slot: Slot) -> NDArray[np.uint8]:
        assert self._gate.wait(10)
        self._seen.append(slot.index)
        self._picture[:] = slot.index
        return self._picture

    def close(self) -> None:
        self._seen.append(-1)


class GatedEngine:
    info = FaceInfo(name="gated", version="1", sizes_px=(SIZE,))

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.seen: list[int] = []

    def load(self) -> None:
        """Nothing."""

    def open(self, persona: str, size_px: int, fps: int, seed: int) -> GatedSession:
        return GatedSession(self.gate, self.seen)


class Stage:
    """An animation under a clock that the test moves on."""

    def __init__(self) -> None:
        self.now = 0.0
        self.engine = GatedEngine()
        self.playout = Playout(24_000)
        self.outbox = Outbox()
        self.metrics = Metrics("face", "gated")
        metronome = Metronome(0.040, clock=lambda: self.now, sleep=self._sleep)
        self.animation = Animation(self.playout, self.outbox, metronome, self.metrics, 0.020)
        self._steps = asyncio.Queue[None]()

    async def _sleep(self, seconds: float) -> None:
        await self._steps.get()
        self.now += seconds

    async def unit(self) -> Outgoing:
        """Lets the beat go on until a unit comes."""
        getting = asyncio.create_task(self.outbox.get())
        while not getting.done():
            # The thread has real time to draw; what is tested does not depend on how much.
            await asyncio.sleep(0.002)
            if self._steps.empty():
                self._steps.put_nowait(None)
        item = getting.result()
        assert isinstance(item, Outgoing)
        return item

    def count(self, stage: str) -> float:
        labels = {"service": "face", "engine": "gated", "stage": stage}
        return self.metrics.registry.get_sample_value("vivant_units_total", labels) or 0.0

    @contextmanager
    def running(self) -> Iterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.animation.run(self.engine, "june", Video(Codec.RGB24, SIZE), 1))
        try:
            yield task
        finally:
            self.engine.gate.set()
            task.cancel()


def drawn(item: Outgoing) -> int | None:
    """The number that the picture of a unit shows."""
    return item.picture.data[0] if item.picture else None


async def settled(stage: Stage) -> None:
    """Goes on until pictures come in time again."""
    for _ in range(50):
        item = await stage.unit()
        if drawn(item) == item.emission.index:
            return
    raise AssertionError("the picture never caught up")


async def test_each_unit_has_its_own_picture() -> None:
    stage = Stage()
    with stage.running():
        first = await stage.unit()
        assert drawn(first) == first.emission.index == 0
        await settled(stage)


async def test_a_late_picture_is_left_out_and_the_sound_goes_on() -> None:
    stage = Stage()
    with stage.running():
        await stage.unit()
        await settled(stage)
        stage.engine.gate.clear()
        units = [await stage.unit() for _ in range(4)]
        assert [drawn(item) for item in units[1:]] == [None, None, None]
        indices = [item.emission.index for item in units]
        assert indices == list(range(indices[0], indices[0] + 4)), "no unit waits for a picture"
        assert stage.count("late") >= 3
        assert stage.count("repeated") >= 3
        stage.engine.gate.set()
        await settled(stage)


async def test_a_slow_reader_costs_no_drawing() -> None:
    stage = Stage()
    with stage.running():
        await stage.unit()
        for _ in range(400):
            if stage.now > 3:
                break
            stage._steps.put_nowait(None)
            await asyncio.sleep(0.001)
        drawn_by_now = len(stage.engine.seen)
        assert drawn_by_now < 12
        assert stage.count("dropped") > 0
        assert (await stage.unit()).emission.index > 1


async def test_without_video_only_the_beat_remains() -> None:
    stage = Stage()
    task = asyncio.create_task(stage.animation.run_silent())
    stage.playout.push(1, np.full(960, 0.5, np.float32), 0)
    stage.playout.end(1)
    events = []
    for _ in range(4):
        stage._steps.put_nowait(None)
        events.append(await stage.outbox.get())
    task.cancel()
    assert [getattr(event, "state", None) for event in events] == [State.STARTED, None, State.FINISHED, None]
    assert isinstance(events[1], Outgoing)
    assert not events[1].video
    assert stage.engine.seen == []


async def test_the_session_is_closed_when_the_stream_ends() -> None:
    stage = Stage()
    with stage.running() as task:
        await stage.unit()
    await asyncio.wait({task})
    for _ in range(100):
        if stage.engine.seen[-1] == -1:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the session was left open")
