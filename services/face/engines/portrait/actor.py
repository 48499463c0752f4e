"""From a slot to an expression: speech, attitude and life of one session put together."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.face.engine import Slot
from services.face.engines.portrait import expression as ex
from services.face.engines.portrait.basis import load_basis
from services.face.engines.portrait.expression import CHANNELS, Expression, channel, sided
from services.face.engines.portrait.life import Alive, Life
from services.face.engines.portrait.looks import PITCH, ROLL, YAW, Attitude
from services.face.engines.portrait.speech import Mouth
from services.face.engines.portrait.visemes import SEAL, SHAPE, TONGUE

_BLINK = list(sided("eyeBlink"))
_WIDE = list(sided("eyeWide"))
_BROWS = [channel("browInnerUp"), *sided("browOuterUp")]
_LIDS = [*_BLINK, *_WIDE, *sided("eyeSquint")]
_JAW = channel("jawOpen")
#: While a sound shapes the mouth, expressions give way there.
_MOUTH_ROWS = [row for name, row in load_basis().channels.items() if name.startswith(("mouth", "jaw"))]
GIVES_WAY = 0.45
#: A portrait that smiles can be made to smile less.
LOWEST = -0.4
#: The upper lid goes with the eye: this much of a blink at a full gaze down.
LID_FOLLOWS_DOWN, LID_FOLLOWS_UP = 0.34, 0.22


class Articulation(Protocol):
    """What shapes the mouth."""

    def step(self, slot: Slot, dt: float) -> NDArray[np.float64]:
        """The mouth [SHAPE] for `slot`, `dt` seconds after the one before."""
        ...


class Still:
    """The mouth stays as it is in silence: somebody else paints it."""

    def step(self, slot: Slot, dt: float) -> NDArray[np.float64]:
        return np.zeros(SHAPE)


class Actor:
    """Decides what the face of one session does."""

    def __init__(self, seed: int, fps: int, mouth: Articulation | None = None) -> None:
        """`mouth` None: it follows phonemes and sound by itself."""
        self._dt = 1.0 / fps
        self._mouth: Articulation = mouth or Mouth()
        self._attitude, self._life = Attitude(), Life(seed)
        self._index: int | None = None

    def step(self, slot: Slot) -> Expression:
        """The expression for `slot`. Slots that were left out have passed all the same."""
        missed = 1 if self._index is None else max(1, min(slot.index - self._index, 25))
        self._index = slot.index
        dt = self._dt * missed
        mouth = self._mouth.step(slot, dt)
        attitude = self._attitude.step(slot, dt)
        alive = self._life.step(slot, self._attitude.begun, dt)
        weights = attitude[:CHANNELS].copy()
        busy = min(1.0, float(np.abs(mouth[:CHANNELS]).sum()) + float(mouth[SEAL]))
        weights[_MOUTH_ROWS] *= 1 - GIVES_WAY * busy
        weights += mouth[:CHANNELS]
        weights[_BROWS] += alive.brow * np.array([0.8, 0.6, 0.6])
        _open_lids(weights, alive)
        weights = np.clip(weights, LOWEST, 1)
        weights[_LIDS] = np.maximum(weights[_LIDS], 0)
        weights[_JAW] = np.clip(weights[_JAW], 0, ex.LARGEST_JAW_OPEN)
        return Expression(
            weights=weights.astype(np.float32),
            seal=float(mouth[SEAL]),
            tongue=float(mouth[TONGUE]),
            yaw=_within(alive.yaw + attitude[YAW], ex.LARGEST_YAW_RAD),
            pitch=_within(alive.pitch + attitude[PITCH], ex.LARGEST_PITCH_RAD),
            roll=_within(alive.roll + attitude[ROLL], ex.LARGEST_ROLL_RAD),
            shift_x=_within(alive.shift_x, ex.LARGEST_SHIFT),
            shift_y=_within(alive.shift_y, ex.LARGEST_SHIFT),
            gaze_x=_within(alive.gaze_x - 1.5 * attitude[YAW], 1.0),
            gaze_y=_within(alive.gaze_y - 1.3 * attitude[PITCH], 1.0),
            breath=alive.breath,
        )


def _open_lids(weights: np.ndarray[tuple[int], np.dtype[np.float64]], alive: Alive) -> None:
    """Blinks, and lids that follow the eyes up and down."""
    follow = LID_FOLLOWS_DOWN * max(alive.gaze_y, 0.0)
    weights[_BLINK] += follow + alive.blink * (1 - follow)
    weights[_WIDE] += LID_FOLLOWS_UP * max(-alive.gaze_y, 0.0)
    weights[_WIDE] *= 1 - alive.blink


def _within(value: float, limit: float) -> float:
    """`value` bent smoothly so that it never passes `limit`."""
    return float(limit * np.tanh(value / limit)) if abs(value) > 0.5 * limit else float(value)
