"""Expressions by name: what the llm may cue, and what the face does while it listens or thinks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.face.engine import Cue, Look, Slot
from services.face.engines.portrait.expression import CHANNELS, channel, sided
from services.face.engines.portrait.motion import Spring

#: Columns of an attitude: ARKit channels, then yaw, pitch, roll in radians.
YAW, PITCH, ROLL = CHANNELS, CHANNELS + 1, CHANNELS + 2
ATTITUDE: Final = CHANNELS + 3

_PAIRS = (
    *("mouthSmile", "mouthFrown", "mouthPress", "mouthDimple", "mouthStretch", "cheekSquint"),
    *("eyeSquint", "eyeWide", "browDown", "browOuterUp", "noseSneer"),
)


def _attitude(yaw_deg: float = 0, pitch_deg: float = 0, roll_deg: float = 0, **weights: float) -> NDArray[np.float64]:
    row = np.zeros(ATTITUDE)
    for name, value in weights.items():
        row[list(sided(name) if name in _PAIRS else (channel(name),))] = value
    row[[YAW, PITCH, ROLL]] = np.deg2rad([yaw_deg, pitch_deg, roll_deg])
    return row


#: The face when nothing is asked of it: not a mask.
NEUTRAL: Final = _attitude(mouthSmile=0.05, cheekSquint=0.03)


@dataclass(frozen=True)
class Preset:
    """An expression at intensity 1."""

    attitude: NDArray[np.float64]
    lasts_s: float = float("inf")
    """After this it goes down to `remains`."""
    remains: float = 1.0
    nods: int = 0
    """Nods made when it begins."""
    looks_aside: bool = False
    """The eyes leave the viewer when it begins."""


PRESETS: Final[dict[str, Preset]] = {
    "neutral": Preset(np.zeros(ATTITUDE)),
    "warm_smile": Preset(
        _attitude(mouthSmile=0.44, cheekSquint=0.40, eyeSquint=0.16, mouthDimple=0.08, browOuterUp=0.08, roll_deg=1.6),
        lasts_s=6.0,
        remains=0.6,
    ),
    "concern": Preset(
        _attitude(
            browInnerUp=0.72,
            browDown=0.34,
            mouthFrown=0.42,
            mouthSmile=-0.30,
            mouthPress=0.14,
            eyeSquint=0.12,
            pitch_deg=1.6,
            roll_deg=-2.2,
        )
    ),
    "amusement": Preset(
        _attitude(
            mouthSmileLeft=0.62,
            mouthSmileRight=0.52,
            cheekSquint=0.55,
            eyeSquint=0.26,
            mouthDimple=0.16,
            browOuterUp=0.14,
            pitch_deg=-1.5,
            roll_deg=2.0,
        ),
        lasts_s=3.5,
        remains=0.5,
    ),
    "thought": Preset(
        _attitude(
            browDown=0.20, browInnerUp=0.16, mouthPress=0.22, mouthLeft=0.10, eyeSquint=0.16, pitch_deg=-0.8, yaw_deg=-1.5
        ),
        lasts_s=4.0,
        remains=0.5,
        looks_aside=True,
    ),
    "surprise": Preset(
        _attitude(browInnerUp=0.70, browOuterUp=0.62, eyeWide=0.55, jawOpen=0.09, pitch_deg=-1.6), lasts_s=1.1, remains=0.2
    ),
    "nod": Preset(_attitude(mouthSmile=0.10, browInnerUp=0.08), lasts_s=1.5, remains=0.0, nods=2),
}

LOOKS: Final[dict[Look, NDArray[np.float64]]] = {
    Look.IDLE: np.zeros(ATTITUDE),
    Look.LISTENING: _attitude(browInnerUp=0.10, browOuterUp=0.06, mouthSmile=0.05, pitch_deg=0.8, roll_deg=1.2),
    Look.THINKING: _attitude(browDown=0.14, browInnerUp=0.10, mouthPress=0.12, eyeSquint=0.10, pitch_deg=-1.0),
}
#: While an interruption is judged: attentive, brows a little up.
PAUSED: Final = _attitude(browInnerUp=0.22, browOuterUp=0.12, eyeWide=0.08, pitch_deg=-0.6)

_SETTLE_S = 0.30


class Attitude:
    """The expression of one session, blended from look and cue."""

    def __init__(self) -> None:
        self._spring = Spring[NDArray[np.float64]](NEUTRAL.copy(), _SETTLE_S)
        self._cue: Cue | None = None
        self._since_s = 0.0
        self.begun: Preset | None = None
        """The preset that began with the newest slot, if one did."""

    def step(self, slot: Slot, dt: float) -> NDArray[np.float64]:
        """The attitude [ATTITUDE] for `slot`."""
        self.begun = None
        self._since_s += dt
        if slot.cue is not self._cue:
            self._cue, self._since_s = slot.cue, 0.0
            self.begun = PRESETS.get(slot.cue.name) if slot.cue else None
        target = NEUTRAL + (PAUSED if slot.paused else LOOKS[Look.IDLE if slot.turn_id > 0 else slot.look])
        preset = PRESETS.get(self._cue.name) if self._cue else None
        if preset and self._cue:
            left = 1.0 if self._since_s < preset.lasts_s else preset.remains
            strength = float(np.clip(self._cue.intensity, 0, 1)) * left
            target = target + preset.attitude * strength
        return self._spring.step(target, dt)
