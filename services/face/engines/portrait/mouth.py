"""Inside the mouth: cavity, tongue and teeth, painted once as small pictures and laid over each other between the lips."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from services.face.engines.portrait.aperture import ABSENT, bounds, clamp01, distance_scale, sample, sample_curve
from services.face.engines.portrait.expression import Expression, channel
from services.face.engines.portrait.kernels import kernel
from services.face.engines.portrait.mesh import Mesh, Pose
from services.face.engines.portrait.portrait import Portrait
from services.face.engines.portrait.sprites import PIXELS_PER_MOUTH, lower_teeth, tongue, upper_teeth
from services.face.engines.portrait.topology import CHIN, INNER_LOWER, INNER_UPPER

#: Of the way of the lower lip, how far teeth and tongue go with the jaw.
JAW_FOLLOWS = 0.72
#: Skin as bright as this (0..255) gives teeth their painted brightness.
TYPICAL_SKIN = 170.0
#: How far behind the lips the teeth lie, in widths of the mouth.
DEPTH = 0.18


class Mouth:
    """The mouth of a portrait. Read-only after construction."""

    def __init__(self, portrait: Portrait, mesh: Mesh) -> None:
        """`portrait` at the size of the output."""
        self._upper, self._lower, self._tongue = upper_teeth(), lower_teeth(), tongue()
        corner, other = mesh.neutral[INNER_UPPER[0]], mesh.neutral[INNER_UPPER[-1]]
        self._width = float(np.linalg.norm(other[:2] - corner[:2]))
        middle = (mesh.neutral[13] + mesh.neutral[14]) * 0.5
        self._anchor = (middle + np.array([0, 0, DEPTH * self._width])).astype(np.float32)
        self._drop = float(mesh.displacements[channel("jawOpen"), 14, 1]) * JAW_FOLLOWS
        chin = portrait.points[CHIN, :2]
        height, half = int(0.12 * mesh.measures.height), int(0.08 * mesh.measures.width)
        skin = portrait.image[int(chin[1]) - height : int(chin[1]) - height // 2, int(chin[0]) - half : int(chin[0]) + half]
        self._light = float(np.clip(np.median(skin) / TYPICAL_SKIN, 0.5, 1.15)) if skin.size else 1.0

    def draw(self, frame: NDArray[np.uint8], points: NDArray[np.float32], pose: Pose, expression: Expression) -> None:
        """Draws into `frame` where the lips of `points` (pixels of the output) are apart."""
        upper, lower = points[list(INNER_UPPER), :2], points[list(INNER_LOWER), :2]
        if float((lower[1:-1, 1] - upper[1:-1, 1]).max()) < 0.35:
            return
        left, top, right, bottom = bounds(np.vstack([upper, lower]), 2.0, frame.shape[0])
        above, below = np.empty(right - left, np.float32), np.empty(right - left, np.float32)
        sample_curve(np.ascontiguousarray(upper), left, above, ABSENT)
        sample_curve(np.ascontiguousarray(lower), left, below, -ABSENT)
        anchor = pose.apply(self._anchor)
        scale = PIXELS_PER_MOUTH / self._width
        drop = self._drop * max(float(expression.weights[channel("jawOpen")]), 0.0) * scale
        place = np.array(
            [
                anchor[0],
                anchor[1],
                math.cos(expression.roll),
                math.sin(expression.roll),
                scale,
                drop,
                expression.tongue,
                self._light,
            ],
            np.float32,
        )
        _draw(frame, left, top, bottom, above, below, self._upper, self._lower, self._tongue, place)


@kernel
def _draw(  # noqa: PLR0917 - compiled functions take their arguments by position
    frame: NDArray[np.uint8],
    left: int,
    top: int,
    bottom: int,
    above: NDArray[np.float32],
    below: NDArray[np.float32],
    upper_teeth: NDArray[np.float32],
    lower_teeth: NDArray[np.float32],
    tongue: NDArray[np.float32],
    place: NDArray[np.float32],
) -> None:
    cx, cy, cosine, sine, scale, drop, lift, light = place
    middle_x, middle_y = upper_teeth.shape[1] * 0.5, upper_teeth.shape[0] * 0.5
    tongue_drop = 0.62 * drop - 40.0 * lift
    cavity = (44.0, 13.0, 13.0)
    # Towards the cheeks the light is less, and redder.
    fade = (0.66, 0.76, 0.82)
    for i in range(above.shape[0]):
        upper, lower = above[i], below[i]
        if upper > ABSENT * 0.5 or lower - upper < 0.05:
            continue
        to_upper, to_lower = distance_scale(above, i), distance_scale(below, i)
        for y in range(top, bottom):
            under, over = (y - upper) * to_upper, (lower - y) * to_lower
            cover = clamp01(under + 0.5) * clamp01(over + 0.5)
            if cover <= 0.0:
                continue
            x = left + i - cx
            sx = (x * cosine + (y - cy) * sine) * scale
            sy = ((y - cy) * cosine - x * sine) * scale
            side = clamp01(1.12 - (sx / 118.0) ** 2)
            # Light falls in from the front and from above: lips shade what lies close behind them.
            under_s, over_s = max(under, 0.0) * scale, max(over, 0.0) * scale
            shade = (1.0 - 0.34 * math.exp(-under_s / 9.0)) * (1.0 - 0.30 * math.exp(-over_s / 6.0))
            px, py = sx + middle_x, sy + middle_y
            a_tongue = sample(tongue, px, py - tongue_drop, 3)
            a_lower = sample(lower_teeth, px, py - drop, 3)
            a_upper = sample(upper_teeth, px, py, 3)
            for k in range(3):
                value = cavity[k]
                value = value * (1 - a_tongue) + sample(tongue, px, py - tongue_drop, k) * (0.45 + 0.40 * side)
                value = value * (1 - a_lower) + sample(lower_teeth, px, py - drop, k) * (1.0 - (1.16 - side) * fade[k])
                value = value * (1 - a_upper) + sample(upper_teeth, px, py, k) * (1.0 - (1.0 - side) * fade[k])
                old = frame[y, left + i, k]
                new = old + (value * shade * light - old) * cover
                frame[y, left + i, k] = np.uint8(min(max(new + 0.5, 0.0), 255.0))
