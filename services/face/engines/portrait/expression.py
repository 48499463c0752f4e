"""All that a frame depends on."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.face.engines.portrait.basis import load_basis

CHANNELS = len(load_basis().channels)

#: More looks like rubber.
LARGEST_JAW_OPEN = 0.6
#: A single picture shows nothing of what turns into sight past this.
LARGEST_YAW_RAD = np.deg2rad(11.0)
LARGEST_PITCH_RAD = np.deg2rad(7.0)
LARGEST_ROLL_RAD = np.deg2rad(5.0)
#: In widths of the face.
LARGEST_SHIFT = 0.025


def channel(name: str) -> int:
    """Index of an ARKit channel in `Expression.weights`."""
    return load_basis().channels[name]


def sided(name: str) -> tuple[int, int]:
    """Indices of the left and the right channel of a pair: `mouthSmile` -> mouthSmileLeft, mouthSmileRight."""
    return channel(name + "Left"), channel(name + "Right")


def _no_weights() -> NDArray[np.float32]:
    return np.zeros(CHANNELS, np.float32)


@dataclass
class Expression:
    """A face at one moment."""

    weights: NDArray[np.float32] = field(default_factory=_no_weights)
    """[52], ARKit channels, 0..1; a little below 0 undoes what the portrait itself shows, a smile for example."""
    seal: float = 0.0
    """1 brings the lips together exactly."""
    tongue: float = 0.0
    """1 lifts the tip of the tongue to the upper teeth."""
    yaw: float = 0.0
    """Radians, positive towards the picture's right."""
    pitch: float = 0.0
    """Radians, positive is a nod down."""
    roll: float = 0.0
    """Radians, positive leans to the picture's right."""
    shift_x: float = 0.0
    """Of the head, in widths of the face."""
    shift_y: float = 0.0
    gaze_x: float = 0.0
    """-1..1, positive to the picture's right; 0 is where the portrait looks."""
    gaze_y: float = 0.0
    """-1..1, positive is down."""
    breath: float = 0.0
    """0 out, 1 in."""
