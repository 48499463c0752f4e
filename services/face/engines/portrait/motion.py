"""The ways in which anything on the face moves: springs that never overshoot, wandering, and short gestures."""

from __future__ import annotations

import math
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Value = TypeVar("Value", float, NDArray[np.float64])


class Spring(Generic[Value]):
    """Follows a target as a critically damped spring: it neither snaps nor overshoots.

    `time_s` is how long it takes to come within a quarter of the way. The step is the exact solution, for any length.
    """

    def __init__(self, start: Value, time_s: float) -> None:
        self.value: Value = start
        self._speed: Value = start * 0.0
        self._rate = 2.7 / time_s

    def step(self, target: Value, dt: float, haste: float = 1.0) -> Value:
        """The value `dt` seconds later; `haste` makes this step that many times as quick."""
        rate = self._rate * haste
        gap = self.value - target
        push = (self._speed + gap * rate) * dt
        fade = math.exp(-rate * dt)
        self.value = target + (gap + push) * fade
        self._speed = (self._speed - push * rate) * fade
        return self.value


class Wander:
    """A slow, endless movement around zero: a spring towards places chosen at random, for times chosen at random."""

    def __init__(self, random: np.random.Generator, spread: float, pause_s: tuple[float, float], time_s: float) -> None:
        self._random, self._spread, self._pause_s = random, spread, pause_s
        self._spring = Spring[float](float(random.normal()) * spread * 0.5, time_s)
        self._target = 0.0
        self._left_s = 0.0

    def step(self, dt: float) -> float:
        self._left_s -= dt
        if self._left_s <= 0:
            self._left_s = float(self._random.uniform(*self._pause_s))
            self._target = float(np.clip(self._random.normal(), -1.8, 1.8)) * self._spread
        return self._spring.step(self._target, dt)


class Gestures:
    """Short movements laid over each other, each rising quickly and fading slowly: (x e^(1-x))^2, x in rise times."""

    def __init__(self, rise_s: float) -> None:
        self._rise_s = rise_s
        self._running: list[tuple[float, float]] = []

    def add(self, strength: float, delay_s: float = 0.0) -> None:
        self._running.append((-delay_s, strength))

    def step(self, dt: float) -> float:
        self._running = [(age + dt, strength) for age, strength in self._running if age < 8 * self._rise_s]
        ages = ((max(age, 0.0) / self._rise_s, strength) for age, strength in self._running)
        return sum(strength * (x * math.exp(1 - x)) ** 2 for x, strength in ages)


class Handover:
    """Removes the jump where one source of a value takes over from another.

    What was shown last fades into the new, which is followed without delay from the first moment: D. Bollo, "Inertialization",
    2018.
    """

    def __init__(self, size: int, time_s: float) -> None:
        self._offset = np.zeros(size)
        self._last = np.zeros(size)
        self._time_s = time_s

    def step(self, value: NDArray[np.float64], changed: bool, dt: float) -> NDArray[np.float64]:
        self._offset *= math.exp(-dt / self._time_s)
        if changed:
            self._offset = (self._last - value) * math.exp(-dt / self._time_s)
        self._last = value + self._offset
        return self._last
