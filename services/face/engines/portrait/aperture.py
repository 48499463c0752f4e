"""An opening between two curves, as the eye and the mouth are: its edges per column, and how much of a pixel lies inside."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.face.engines.portrait.kernels import kernel

#: Edges of a column outside the opening: nothing lies between them.
ABSENT = 1e4


@kernel
def sample_curve(points: NDArray[np.float32], left: int, out: NDArray[np.float32], absent: float) -> None:
    """y of the smooth curve through `points` [n, 2] (x increasing) at the columns left, left + 1, ...; `absent` beside it.

    A cubic Hermite spline with the slopes of neighbouring points, and straight ends.
    """
    n = points.shape[0]
    segment = 0
    for i in range(out.shape[0]):
        x = left + i
        if x < points[0, 0] or x > points[n - 1, 0]:
            out[i] = absent
            continue
        while segment < n - 2 and x > points[segment + 1, 0]:
            segment += 1
        x0, y0, x1, y1 = points[segment, 0], points[segment, 1], points[segment + 1, 0], points[segment + 1, 1]
        span = max(x1 - x0, 1e-3)
        slope = (y1 - y0) / span
        slope0, slope1 = slope, slope
        if segment > 0:
            slope0 = (y1 - points[segment - 1, 1]) / max(x1 - points[segment - 1, 0], 1e-3)
        if segment < n - 2:
            slope1 = (points[segment + 2, 1] - y0) / max(points[segment + 2, 0] - x0, 1e-3)
        t = (x - x0) / span
        u = 1.0 - t
        out[i] = y0 * u * u * (1 + 2 * t) + y1 * t * t * (3 - 2 * t) + span * t * u * (slope0 * u - slope1 * t)


@kernel
def clamp01(x: float) -> float:
    """`x` within 0..1."""
    return float(min(max(x, 0.0), 1.0))


@kernel
def sample(texture: NDArray[np.float32], x: float, y: float, k: int) -> float:
    """Channel `k` of a texture [h, w, c] between pixels, its border repeated outside."""
    height, width = texture.shape[0], texture.shape[1]
    x, y = min(max(x, 0.0), width - 1.001), min(max(y, 0.0), height - 1.001)
    i, j = int(x), int(y)
    fx, fy = x - i, y - j
    above = texture[j, i, k] * (1 - fx) + texture[j, i + 1, k] * fx
    below = texture[j + 1, i, k] * (1 - fx) + texture[j + 1, i + 1, k] * fx
    return float(above * (1 - fy) + below * fy)


@kernel
def distance_scale(curve: NDArray[np.float32], i: int) -> float:
    """What a vertical distance to the curve at column `i` is multiplied with to be nearly the shortest one."""
    before, after = curve[max(i - 1, 0)], curve[min(i + 1, curve.shape[0] - 1)]
    if abs(before) >= ABSENT or abs(after) >= ABSENT:
        return 1.0
    slope = (after - before) * 0.5
    return float(1.0 / np.sqrt(1.0 + slope * slope))


def bounds(points: NDArray[np.float32], margin: float, side: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom (exclusive) of the pixels within `margin` of `points`, inside the picture."""
    low = np.maximum(np.floor(points[:, :2].min(0) - margin), 0).astype(int)
    high = np.minimum(np.ceil(points[:, :2].max(0) + margin) + 1, side).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
