"""A client that talks as people do: its microphone never stops, and it notes when it hears what.

All times are seconds of the event loop's clock. A sample of the microphone happens when it is recorded, one of the persona when
its unit has arrived plus its place in the unit.
"""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

import vivant
from vivant import audio

MICROPHONE_HZ: Final = 16_000
CHUNK: Final = MICROPHONE_HZ // 50
#: -50 dBFS: what is below is silence.
AUDIBLE: Final = 104
#: A quiet room at a microphone, -66 dBFS.
NOISE_RMS: Final = 16.0
UNIT_S: Final = 0.04
_FOLDER: Final = Path(__file__).parents[1] / "data" / "questions"


@dataclass(frozen=True)
class Question:
    """A recording, and where in it somebody speaks, in seconds."""

    name: str
    text: str
    samples: NDArray[np.int16]
    start_s: float
    end_s: float
    floor_s: float
    """Where the words begin that interrupt somebody; `start_s` but for an acknowledgement that stands before them."""


def questions() -> list[Question]:
    """All that `bench/data/questions` holds."""
    table = tomllib.loads((_FOLDER / "questions.toml").read_text("utf-8"))
    return [
        Question(
            name,
            row["text"],
            audio.read(_FOLDER / f"{name}.wav", MICROPHONE_HZ),
            row["start_s"],
            row["end_s"],
            row.get("floor_s", row["start_s"]),
        )
        for name, row in table.items()
    ]


def asking() -> dict[str, bool]:
    """Whether each of those recordings asks for something."""
    table = tomllib.loads((_FOLDER / "questions.toml").read_text("utf-8"))
    return {name: row.get("asks", True) for name, row in table.items()}


class Microphone:
    """Sends the room's noise, and what is said into it, 20 ms at a time."""

    def __init__(self, session: vivant.Session) -> None:
        self._session = session
        self._start = asyncio.get_running_loop().time()
        self._sent = 0
        self._clip: NDArray[np.int16] = np.zeros(0, np.int16)
        self._noise = np.random.default_rng(1)

    def say(self, question: Question) -> float:
        """Begins to speak now, over what was being said; returns when its first sample is recorded."""
        self._clip = question.samples
        return self._start + self._sent / MICROPHONE_HZ

    async def run(self) -> None:
        """Sends until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            room = self._noise.normal(0, NOISE_RMS, CHUNK)
            chunk, self._clip = self._clip[:CHUNK], self._clip[CHUNK:]
            room[: len(chunk)] += chunk
            self._sent += CHUNK
            await asyncio.sleep(self._start + self._sent / MICROPHONE_HZ - loop.time())
            await self._session.send_audio(np.clip(room, -32768, 32767).astype(np.int16))


@dataclass(frozen=True)
class HeardUnit:
    """40 ms as they arrived."""

    index: int
    turn_id: int
    at: float
    first: float | None
    """When its first audible sample is heard; None: it is silent."""
    last: float | None
    frame: str
    """`new`, `repeated` or `missing`."""


@dataclass
class Ear:
    """Everything that was heard and shown in one conversation."""

    session: vivant.Session
    units: list[HeardUnit] = field(default_factory=list)
    turns: dict[int, tuple[float, vivant.Turn]] = field(default_factory=dict)
    stages: dict[int, dict[str, float]] = field(default_factory=dict)
    transcripts: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def listen(self) -> None:
        """Notes events until the conversation ends."""
        clock = asyncio.get_running_loop().time
        async for event in self.session:
            async with self._news:
                self._note(event, clock())
                self._news.notify_all()

    def _note(self, event: vivant.Event, at: float) -> None:
        match event:
            case vivant.Unit():
                self.units.append(_heard(event, at, self.session.ready.voice_rate_hz))
            case vivant.Turn(turn_id=turn_id):
                self.turns[turn_id] = (at, event)
            case vivant.Metrics(turn_id=turn_id, stages=stages):
                self.stages.setdefault(turn_id, {}).update({stage.name: stage.at_ms for stage in stages})
            case vivant.Transcript(final=True, text=text):
                self.transcripts.append(text)
            case vivant.Notice(reason=reason):
                self.notices.append(reason)

    async def until(self, test: Callable[[], bool], deadline: float) -> bool:
        """Waits until the test holds; False when it does not by then."""
        try:
            async with asyncio.timeout_at(deadline), self._news:
                await self._news.wait_for(test)
        except TimeoutError:
            return test()
        return True

    def first_audible(self, after_turn: int) -> HeardUnit | None:
        """The first audible unit of a reply newer than that one."""
        return next((unit for unit in self.units if unit.turn_id > after_turn and unit.first is not None), None)

    def last_audible(self, turn_id: int) -> float:
        """When the last audible sample of a reply, or of its fading out, was heard; 0: never."""
        last, fading = 0.0, False
        for unit in self.units:
            if unit.last is not None and (unit.turn_id == turn_id or (fading and not unit.turn_id)):
                last = unit.last
            fading = unit.turn_id == turn_id
        return last

    def newest_turn(self) -> int:
        """The newest reply of which something was heard."""
        return max((unit.turn_id for unit in self.units if unit.first is not None), default=0)

    def speaks(self, turn_id: int) -> bool:
        """This reply is not over yet."""
        return turn_id > 0 and turn_id not in self.turns

    def stale_units(self) -> int:
        """Units in which a reply is heard after it was said to be interrupted."""
        ends = {turn_id: at for turn_id, (at, turn) in self.turns.items() if turn.interrupted}
        return sum(unit.first is not None and unit.at > ends.get(unit.turn_id, np.inf) for unit in self.units)

    def late_units(self) -> int:
        """Units more than 40 ms behind the beat; a beat that was missed begins anew."""
        late, due = 0, -np.inf
        for unit in self.units:
            due = min(due + UNIT_S, unit.at) if due > -np.inf else unit.at
            if unit.at > due + UNIT_S:
                late, due = late + 1, unit.at
        return late

    def lost_units(self) -> int:
        """Units that are missing between the first and the last."""
        return self.units[-1].index - self.units[0].index + 1 - len(self.units) if self.units else 0


def _heard(unit: vivant.Unit, at: float, rate_hz: int) -> HeardUnit:
    loud = np.flatnonzero(np.abs(np.frombuffer(unit.pcm, "<i2").astype(np.int32)) > AUDIBLE)
    first, last = (at + loud[0] / rate_hz, at + loud[-1] / rate_hz) if len(loud) else (None, None)
    frame = "missing" if unit.frame is None else "repeated" if unit.frame.repeated else "new"
    return HeardUnit(unit.index, unit.turn_id, at, first, last, frame)
