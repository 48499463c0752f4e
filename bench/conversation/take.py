"""What happened in one run of a scenario, as a client sees and hears it.

All times are seconds of the event loop's clock. A sample of a microphone happens when it is recorded, one of the persona when
its unit has arrived plus its place in the unit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

import vivant
from bench.conversation.questions import AUDIBLE, UNIT_S
from bench.conversation.scenarios import Line

Kind = TypeVar("Kind")

#: The fading out of a reply is heard in the unit after its last one.
_FADE_UNITS: Final = 1
#: What is heard for less is no word, but a rest of something.
_SHORTEST_WORD_S: Final = 0.1


@dataclass(frozen=True)
class Heard:
    """40 ms as they arrived."""

    index: int
    turn_id: int
    turn_sample: int
    at: float
    pcm: NDArray[np.int16]
    first: float | None
    """When its first audible sample is heard; None: it is silent."""
    last: float | None
    ducked: bool = False
    """The server says that it lowered the voice here."""
    frame: Literal["new", "repeated", "missing"] = "missing"
    """Its picture."""

    @classmethod
    def of(cls, unit: vivant.Unit, at: float, rate_hz: int) -> Heard:
        """A unit that has just arrived."""
        pcm = np.frombuffer(unit.pcm, "<i2")
        loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > AUDIBLE)
        first, last = (at + float(loud[0]) / rate_hz, at + float(loud[-1]) / rate_hz) if len(loud) else (None, None)
        frame: Any = "missing" if unit.frame is None else "repeated" if unit.frame.repeated else "new"
        return cls(unit.index, unit.turn_id, unit.turn_sample, at, pcm, first, last, unit.ducked, frame)

    @property
    def turn_end_sample(self) -> int:
        """One past its last sample in the reply."""
        return self.turn_sample + len(self.pcm)


@dataclass(frozen=True)
class Said:
    """A line that was said, typed or pressed."""

    line: Line
    at: float
    """When its first sample was recorded, or it was typed."""
    spans: tuple[tuple[float, float], ...] = ()
    """When somebody spoke."""
    floor: float = 0.0
    """When the words began that interrupt somebody."""

    @property
    def begin(self) -> float:
        return self.spans[0][0] if self.spans else self.at

    @property
    def end(self) -> float:
        return self.spans[-1][1] if self.spans else self.at

    @property
    def pauses(self) -> list[tuple[float, float]]:
        """The gaps between its spans."""
        return [(before[1], after[0]) for before, after in pairwise(self.spans)]


@dataclass
class Take:
    """One run."""

    scenario: str
    run: int
    rate_hz: int = 24_000
    units: list[Heard] = field(default_factory=list)
    events: list[tuple[float, vivant.Event]] = field(default_factory=list)
    """All but the units."""
    said: list[Said] = field(default_factory=list)
    unsaid: list[str] = field(default_factory=list)
    """Lines whose moment never came, and why."""
    microphone: NDArray[np.int16] = field(default_factory=lambda: np.zeros(0, np.int16))
    microphone_at: float = 0.0
    """When its first sample was recorded."""
    buffer_s: float = 0.0
    """The client plays so much later than it hears, and has told the server so."""
    broken: str = ""
    """What ended the conversation too early."""
    _news: asyncio.Condition = field(default_factory=asyncio.Condition, repr=False)

    async def listen(self, session: vivant.Session) -> None:
        """Notes everything until the conversation ends."""
        clock = asyncio.get_running_loop().time
        self.rate_hz = session.ready.voice_rate_hz
        try:
            async for event in session:
                async with self._news:
                    if isinstance(event, vivant.Unit):
                        self.units.append(Heard.of(event, clock(), self.rate_hz))
                    else:
                        self.events.append((clock(), event))
                    self._news.notify_all()
        except vivant.VivantError as exc:
            self.broken = f"{exc.reason}: {exc}"

    async def until(self, test: Callable[[], bool], deadline: float) -> bool:
        """Waits until the test holds, looked at with every event; False when it does not by then."""
        try:
            async with asyncio.timeout_at(deadline), self._news:
                await self._news.wait_for(test)
        except TimeoutError:
            return test()
        return True

    # --- what was heard of the persona --------------------------------------------------------------------------------

    def newest_turn(self, before: float = np.inf) -> int:
        """The newest reply of which something was heard before that moment."""
        return max((unit.turn_id for unit in self.units if unit.first is not None and unit.first < before), default=0)

    def first_audible(self, after_turn: int, since: float = -np.inf) -> Heard | None:
        """The first audible unit of a newer reply than that, at or after that moment."""
        return next(
            (u for u in self.units if u.turn_id > after_turn and u.first is not None and u.first >= since),
            None,
        )

    def last_audible(self, turn_id: int) -> float:
        """When the last audible sample of a reply, or of its fading out, was heard; 0: never."""
        last, fading = 0.0, 0
        for unit in self.units:
            fading = _FADE_UNITS if unit.turn_id == turn_id else fading - 1
            if unit.last is not None and (unit.turn_id == turn_id or (fading >= 0 and not unit.turn_id)):
                last = unit.last
        return last

    def last_sound(self) -> float:
        """When anything of any reply was heard last; 0: never."""
        return next((unit.last for unit in reversed(self.units) if unit.turn_id and unit.last is not None), 0.0)

    def of_turn(self, turn_id: int) -> list[Heard]:
        """The units of one reply."""
        return [unit for unit in self.units if unit.turn_id == turn_id]

    def ends(self) -> dict[int, tuple[float, vivant.Turn]]:
        """When each reply was said to be over, and what was said of it in the end."""
        ends: dict[int, tuple[float, vivant.Turn]] = {}
        for at, event in self.events:
            if isinstance(event, vivant.Turn):
                ends[event.turn_id] = (ends.get(event.turn_id, (at, event))[0], event)
        return ends

    def speaking_at(self, moment: float) -> int:
        """The reply that is being spoken then, pauses between its words included; 0: none."""
        turn_id = self.newest_turn(moment)
        end = self.ends().get(turn_id)
        return turn_id if turn_id and (end is None or end[0] > moment) else 0

    def spoken_until(self, turn_id: int) -> float:
        """When a reply would end if nothing held it up, as its captions say; 0: unknown."""
        ends = [word.end_sample for caption in self.of(vivant.Caption) if caption.turn_id == turn_id for word in caption.words]
        first = next(iter(self.of_turn(turn_id)), None)
        return first.at + max(ends) / self.rate_hz if ends and first else 0.0

    def murmurs(self) -> list[tuple[float, float]]:
        """When little words were heard beside all replies: first and last audible sample of each."""
        found: list[tuple[float, float]] = []
        fading = 0
        for unit in self.units:
            fading = _FADE_UNITS if unit.turn_id else fading - 1
            if unit.turn_id or unit.first is None or unit.last is None or fading >= 0:
                continue
            if found and unit.at - found[-1][1] < 2 * UNIT_S:
                found[-1] = (found[-1][0], unit.last)
            else:
                found.append((unit.first, unit.last))
        return [(first, last) for first, last in found if last - first >= _SHORTEST_WORD_S]

    # --- what was told ------------------------------------------------------------------------------------------------

    def of(self, kind: type[Kind]) -> list[Kind]:
        """All events of one kind."""
        return [event for _, event in self.events if isinstance(event, kind)]

    def stages(self, turn_id: int) -> dict[str, float]:
        """Where the time of a reply went, in milliseconds since the end of speech."""
        told = (metrics.stages for metrics in self.of(vivant.Metrics) if metrics.turn_id == turn_id)
        return {stage.name: stage.at_ms for stages in told for stage in stages}

    def states(self) -> Iterator[tuple[float, vivant.StateChanged]]:
        """Who had the floor from when on."""
        return ((at, event) for at, event in self.events if isinstance(event, vivant.StateChanged))
