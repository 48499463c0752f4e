"""The beat, in virtual time."""

from __future__ import annotations

import itertools
import random

from services.common.metronome import Metronome


class World:
    """A clock that moves only when somebody sleeps or works."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.early = 0.0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        # A sleeper may wake a little early, which must not make a tick early.
        self.now += max(seconds - self.early, 1e-6)
        self.early = 0.0


def made(world: World) -> Metronome:
    return Metronome(0.040, clock=world.clock, sleep=world.sleep)


async def beats(world: World, work_s: list[float]) -> tuple[list[float], Metronome]:
    """When each tick came, with so much work done between them."""
    metronome = made(world)
    times = []
    for work in work_s:
        await metronome.tick()
        times.append(world.now)
        world.now += work
    return times, metronome


async def test_five_minutes_without_drift() -> None:
    world = World()
    rng = random.Random(7)
    times, metronome = await beats(world, [rng.uniform(0, 0.039) for _ in range(7500)])
    assert abs(times[-1] - times[0] - 7499 * 0.040) < 1e-6
    assert metronome.rebased == 0


async def test_a_small_delay_is_made_up() -> None:
    times, metronome = await beats(World(), [0.0, 0.055, 0.0, 0.0])
    gaps = [round(b - a, 3) for a, b in itertools.pairwise(times)]
    assert gaps == [0.040, 0.055, 0.025]
    assert metronome.rebased == 0


async def test_a_stall_moves_the_schedule_instead_of_making_a_burst() -> None:
    times, metronome = await beats(World(), [0.0, 1.0, 0.0, 0.0, 0.0])
    gaps = [round(b - a, 3) for a, b in itertools.pairwise(times)]
    assert gaps == [0.040, 1.0, 0.040, 0.040]
    assert metronome.rebased == 1


async def test_no_two_ticks_are_closer_than_half_an_interval() -> None:
    rng = random.Random(3)
    times, metronome = await beats(World(), [rng.choice([0.0, 0.01, 0.058, 0.07, 0.3]) for _ in range(2000)])
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert min(gaps) > 0.020 - 1e-9
    assert metronome.rebased > 100


async def test_waking_early_does_not_make_a_tick_early() -> None:
    world = World()
    metronome = made(world)
    await metronome.tick()
    world.early = 0.001
    await metronome.tick()
    assert world.now >= 1000.040 - 1e-9


async def test_the_lead_comes_before_the_tick() -> None:
    world = World()
    metronome = made(world)
    await metronome.tick()
    await metronome.ahead(0.015)
    assert round(world.now - 1000.0, 6) == 0.025
    await metronome.tick()
    assert round(world.now - 1000.0, 6) == 0.040
