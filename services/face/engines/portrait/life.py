"""What a living face does by itself: blinks, glances, sway, breath, and beats of head and brow with the voice.

Everything advances slot by slot from one seeded generator: the same seed and slots give the same life, and it never repeats.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from services.face.engine import Look, Slot
from services.face.engines.portrait.looks import Preset
from services.face.engines.portrait.motion import Gestures, Spring, Wander
from services.face.engines.portrait.visemes import VOWELS, visemes_of

#: Of one blink, in seconds: down, shut, up.
DOWN_S, SHUT_S, UP_S = 0.075, 0.035, 0.165
#: A glance moves the eyes in a frame or two.
SACCADE_S = 0.035
#: After a nod that was asked for, the face nods again by itself this much later at the earliest.
_AFTER_NOD_S = 4.0


class Blinks:
    """Intervals are gamma distributed, between about 1 and 8 s; a few blinks come in twos, a few are not complete."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random
        self._next_s = float(random.uniform(0.6, 2.5))
        self._age_s = math.inf
        self._depth = 1.0

    def prompt(self, chance: float) -> None:
        """Something happened with which people tend to blink."""
        if self._age_s > 0.6 and self._random.uniform() < chance:
            self._next_s = min(self._next_s, 0.0)

    def step(self, dt: float) -> float:
        """How closed the lids are, 0..1."""
        self._age_s += dt
        self._next_s -= dt
        if self._next_s <= 0 and self._age_s > DOWN_S + SHUT_S + 0.6 * UP_S:
            self._age_s = float(self._random.uniform(0, dt))
            self._depth = 1.0 if self._random.uniform() < 0.85 else float(self._random.uniform(0.7, 0.9))
            again = self._random.uniform() < 0.10
            self._next_s = float(self._random.uniform(0.28, 0.4) if again else 0.7 + self._random.gamma(3.0, 0.95))
        if self._age_s < DOWN_S:
            x = self._age_s / DOWN_S
            return self._depth * x * x * (3 - 2 * x)
        x = max(self._age_s - DOWN_S - SHUT_S, 0) / UP_S
        return self._depth * (1 - x) ** 2 * (1 + 2 * x) if x < 1 else 0.0


class Gaze:
    """Where the eyes rest: mostly on the viewer, sometimes beside; aside while thinking, on the viewer while listening."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random
        self._x, self._y = Spring[float](0.0, SACCADE_S), Spring[float](0.0, SACCADE_S)
        self._target = (0.0, 0.0)
        self._left_s = 0.8
        self._look: tuple[Look, bool] = (Look.IDLE, False)
        self._side = 1.0
        self.moved = 0.0
        """Size of the glance that began with the newest slot."""

    def step(self, look: Look, attentive: bool, aside: bool, dt: float) -> tuple[float, float]:
        """x and y in -1..1. `attentive` holds the viewer; `aside` begins a glance away."""
        self.moved = 0.0
        self._left_s -= dt
        changed = (look, attentive) != self._look
        self._look = (look, attentive)
        if changed or aside or self._left_s <= 0:
            x, y, self._left_s = self._away() if aside else self._choose(look, attentive)
            self.moved = math.hypot(x - self._target[0], y - self._target[1])
            self._target = (x, y)
        return self._x.step(self._target[0], dt), self._y.step(self._target[1], dt)

    def _choose(self, look: Look, attentive: bool) -> tuple[float, float, float]:
        random = self._random
        if look is Look.THINKING and not attentive:
            return self._away()
        if not attentive and look is Look.IDLE and random.uniform() < 0.22:
            return float(random.normal(0, 0.42)), float(random.normal(0.05, 0.20)), float(random.uniform(0.5, 1.5))
        small = 0.05 if attentive or look is Look.LISTENING else 0.09
        return float(random.normal(0, small)), float(random.normal(0, small * 0.6)), float(random.uniform(0.5, 2.2))

    def _away(self) -> tuple[float, float, float]:
        random = self._random
        if random.uniform() < 0.35:
            self._side = -self._side
        return (
            self._side * float(random.uniform(0.45, 0.85)),
            float(random.uniform(-0.8, -0.15)),
            float(random.uniform(0.8, 2.0)),
        )


@dataclass(frozen=True)
class Alive:
    """Life at one moment, to be added to an expression."""

    blink: float
    gaze_x: float
    gaze_y: float
    yaw: float
    pitch: float
    roll: float
    shift_x: float
    shift_y: float
    brow: float
    breath: float


class Life:
    """All of it, for one session."""

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        self._random = random
        self._blinks, self._gaze = Blinks(random), Gaze(random)
        self._yaw = Wander(random, 0.040, (0.9, 3.2), 0.75)
        self._pitch = Wander(random, 0.022, (0.8, 2.6), 0.65)
        self._roll = Wander(random, 0.020, (1.2, 3.8), 0.9)
        self._x, self._y = Wander(random, 0.007, (1.0, 3.5), 1.0), Wander(random, 0.005, (0.8, 2.8), 0.9)
        self._lively = Spring[float](0.6, 0.5)
        self._nods, self._brows = Gestures(0.15), Gestures(0.15)
        self._follow_x, self._follow_y = Spring[float](0.0, 0.35), Spring[float](0.0, 0.35)
        self._rest_s = 0.0
        self._next_nod_s = 2.0
        self._breath, self._breath_hz = float(random.uniform(0, 1)), 0.24

    def step(self, slot: Slot, begun: Preset | None, dt: float) -> Alive:
        """Life for `slot`; `begun` is the preset that starts with it."""
        speaking = slot.turn_id != 0 and not slot.paused
        self._beat(slot, speaking, dt)
        if begun:
            strength = slot.cue.intensity if slot.cue else 1.0
            for n in range(begun.nods):
                self._nods.add(0.075 * strength * (0.75**n), delay_s=0.34 * n)
            if begun.nods:
                self._next_nod_s = max(self._next_nod_s, _AFTER_NOD_S)
        look = Look.IDLE if slot.turn_id > 0 else slot.look
        gaze_x, gaze_y = self._gaze.step(look, slot.paused, bool(begun and begun.looks_aside), dt)
        self._blinks.prompt(0.45 if self._gaze.moved > 0.35 else 0.0)
        lively = self._lively.step(1.0 if speaking else 0.25 if slot.paused else 0.6, dt)
        yaw, pitch, roll = (wander.step(dt) * lively for wander in (self._yaw, self._pitch, self._roll))
        # The head goes a little along with the eyes, later and slower; the eyes make up for the head.
        yaw += self._follow_x.step(gaze_x * 0.045, dt)
        pitch += self._follow_y.step(gaze_y * 0.035, dt) + self._nods.step(dt)
        breath = self._breathe(dt)
        return Alive(
            blink=self._blinks.step(dt),
            gaze_x=gaze_x - 1.5 * yaw,
            gaze_y=gaze_y - 1.3 * pitch,
            yaw=yaw,
            pitch=pitch,
            roll=roll,
            shift_x=self._x.step(dt) * lively,
            shift_y=self._y.step(dt) * lively - 0.0025 * breath,
            brow=self._brows.step(dt),
            breath=breath,
        )

    def _beat(self, slot: Slot, speaking: bool, dt: float) -> None:
        """Nods and brows on some stressed vowels; small nods while listening."""
        self._rest_s -= dt
        if speaking:
            end = slot.turn_sample + len(slot.pcm)
            for phoneme in slot.phonemes:
                starts = slot.turn_sample <= phoneme.start_sample < end and phoneme.stress == 1
                if starts and self._rest_s <= 0 and visemes_of(phoneme.symbol)[0] in VOWELS and self._random.uniform() < 0.6:
                    strength = float(self._random.uniform(0.4, 1.0))
                    self._nods.add(0.034 * strength)
                    if self._random.uniform() < 0.55:
                        self._brows.add(0.42 * strength)
                    self._rest_s = float(self._random.uniform(0.35, 0.9))
            self._next_nod_s = max(self._next_nod_s, 1.5)
        elif slot.look is Look.LISTENING and not slot.paused:
            self._next_nod_s -= dt
            if self._next_nod_s <= 0:
                strength = float(self._random.uniform(0.5, 1.0))
                for n in range(1 + int(self._random.uniform() < 0.4)):
                    self._nods.add(0.045 * strength * 0.7**n, delay_s=0.30 * n)
                self._next_nod_s = 1.6 + float(self._random.gamma(3.0, 0.9))

    def _breathe(self, dt: float) -> float:
        """Breathing in is quicker than breathing out, and no breath is as long as the one before."""
        self._breath += self._breath_hz * dt
        if self._breath >= 1:
            self._breath -= 1
            self._breath_hz = float(self._random.uniform(0.20, 0.30))
        phase = self._breath / 0.4 * 0.5 if self._breath < 0.4 else 0.5 + (self._breath - 0.4) / 0.6 * 0.5
        return 0.5 - 0.5 * math.cos(2 * math.pi * phase)
