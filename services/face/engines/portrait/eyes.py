"""The eyes: a white that was completed behind the iris, and a round iris that moves over it, seen between the lids."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from services.face.engines.portrait.aperture import ABSENT, bounds, clamp01, distance_scale, sample, sample_curve
from services.face.engines.portrait.expression import Expression
from services.face.engines.portrait.kernels import kernel
from services.face.engines.portrait.mesh import Pose
from services.face.engines.portrait.portrait import Portrait
from services.face.engines.portrait.topology import EyePoints

#: Way of the iris at full gaze, in widths of the eye.
GAZE_REACH_X, GAZE_REACH_Y = 0.22, 0.11
#: The texture reaches this many radii of the iris beyond the lids.
MARGIN = 1.3


class Eye:
    """One eye of a portrait. Read-only after construction."""

    def __init__(self, texture: Portrait, eye: EyePoints, ratio: float) -> None:
        """`texture` at its full size; `ratio` of its pixels to one of the output."""
        self.points = eye
        self._ratio = ratio
        upper, lower = texture.points[list(eye.upper), :2], texture.points[list(eye.lower), :2]
        iris = texture.points[eye.iris, :2]
        radius = float(np.linalg.norm(texture.points[eye.iris + 1 : eye.iris + 5, :2] - iris, axis=1).mean())
        polygon = np.vstack([upper, lower[-2:0:-1]])
        left, top, right, bottom = bounds(polygon.astype(np.float32), MARGIN * radius, texture.side)
        patch = texture.image[top:bottom, left:right].astype(np.float32)
        y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
        self._radius = radius / ratio
        self._width = float(upper[-1, 0] - upper[0, 0]) / ratio
        self._origin = (iris - [left, top]).astype(np.float32)
        self._centre = np.array([*((iris + 0.5) / ratio - 0.5), texture.points[eye.iris, 2] / ratio], np.float32)
        inside = _inside(polygon, left, top, patch.shape[:2])
        from_iris = np.hypot(x - iris[0], y - iris[1]) / radius
        below_lid = y - np.interp(x, upper[:, 0], upper[:, 1])
        self._white = _complete_white(patch, inside & (from_iris > 1.10) & (below_lid > 0.20 * radius), radius)
        seen = inside & (from_iris < 1.04) & (below_lid > 0.24 * radius)
        self._iris = _complete_iris(patch, seen, from_iris, radius)

    def draw(
        self,
        frame: NDArray[np.uint8],
        points: NDArray[np.float32],
        pose: Pose,
        expression: Expression,
        line: NDArray[np.float32],
    ) -> None:
        """Draws into `frame` between the lids of `points` (output pixels). `line`: RGB and strength of the lid's edge."""
        upper, lower = points[list(self.points.upper), :2], points[list(self.points.lower), :2]
        left, top, right, bottom = bounds(np.vstack([upper, lower]), 3.0, frame.shape[0])
        above, below = np.empty(right - left, np.float32), np.empty(right - left, np.float32)
        sample_curve(np.ascontiguousarray(upper), left, above, ABSENT)
        sample_curve(np.ascontiguousarray(lower), left, below, -ABSENT)
        centre = pose.apply(self._centre)
        gaze_x = expression.gaze_x * GAZE_REACH_X * self._width
        gaze_y = expression.gaze_y * GAZE_REACH_Y * self._width
        place = np.array(
            [
                *(centre[0], centre[1], math.cos(expression.roll), math.sin(expression.roll), gaze_x, gaze_y),
                *(self._radius, self._ratio, upper[0, 0], upper[-1, 0]),
            ],
            np.float32,
        )
        _draw(frame, left, top, bottom, above, below, self._white, self._iris, self._origin, place, line)


@kernel
def _draw(  # noqa: PLR0917 - compiled functions take their arguments by position
    frame: NDArray[np.uint8],
    left: int,
    top: int,
    bottom: int,
    above: NDArray[np.float32],
    below: NDArray[np.float32],
    white: NDArray[np.float32],
    iris: NDArray[np.float32],
    origin: NDArray[np.float32],
    place: NDArray[np.float32],
    line: NDArray[np.float32],
) -> None:
    cx, cy, cosine, sine, gaze_x, gaze_y, radius, ratio, start, stop = place
    columns = above.shape[0]
    thickness = 0.085 * radius + 0.35
    for i in range(columns):
        upper, lower = above[i], below[i]
        if upper > ABSENT * 0.5:
            continue
        across = (left + i - start) / max(stop - start, 1.0)
        taper = clamp01(5.0 * min(across, 1.0 - across))
        to_upper, to_lower = distance_scale(above, i), distance_scale(below, i)
        for y in range(top, bottom):
            under_lid, over_lid = (y - upper) * to_upper, (lower - y) * to_lower
            cover = clamp01(under_lid + 0.5) * clamp01(over_lid + 0.5)
            edge = line[3] * taper * math.exp(-((under_lid / thickness) ** 2))
            if cover <= 0.0 and edge < 0.01:
                continue
            x = left + i - cx
            lx, ly = x * cosine + (y - cy) * sine, (y - cy) * cosine - x * sine
            ix, iy = lx - gaze_x, ly - gaze_y
            iris_cover = clamp01((radius - math.sqrt(ix * ix + iy * iy)) / (0.10 * radius + 0.6) + 0.5)
            depth = max(under_lid, 0.0)
            shade = 1.0 - 0.30 * math.exp(-depth / (0.16 * radius)) - 0.06 * math.exp(-max(over_lid, 0.0) / (0.10 * radius))
            for k in range(3):
                value = sample(white, lx * ratio + origin[0], ly * ratio + origin[1], k)
                if iris_cover > 0.0:
                    value += (sample(iris, ix * ratio + origin[0], iy * ratio + origin[1], k) - value) * iris_cover
                old = frame[y, left + i, k]
                new = old + (value * shade - old) * cover
                new += (line[k] - new) * edge
                frame[y, left + i, k] = np.uint8(min(max(new + 0.5, 0.0), 255.0))


def _inside(polygon: NDArray[np.float64], left: int, top: int, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.round(polygon - [left, top]).astype(np.int32)], 255)
    return np.asarray(cv2.erode(mask, np.ones((3, 3), np.uint8)) > 0)


def _complete_white(patch: NDArray[np.float32], seen: NDArray[np.bool_], radius: float) -> NDArray[np.float32]:
    """The white of the eye everywhere: as seen where it is seen, spread smoothly from there."""
    weight = seen.astype(np.float32)
    spread = max(2.0, 0.5 * radius)
    total = cv2.GaussianBlur(weight, (0, 0), spread)
    around = cv2.GaussianBlur(patch * weight[..., None], (0, 0), spread) / np.maximum(total, 1e-4)[..., None]
    typical = np.median(patch[seen], axis=0) if seen.sum() > 8 else np.array([205.0, 198.0, 192.0])
    trust = np.clip(total * 8, 0, 1)[..., None]
    smooth = around * trust + typical * (1 - trust)
    keep = cv2.GaussianBlur(cv2.erode(weight, np.ones((3, 3), np.uint8)), (0, 0), 1.0)[..., None]
    return np.ascontiguousarray(smooth + (patch - smooth) * keep, np.float32)


def _complete_iris(
    patch: NDArray[np.float32], seen: NDArray[np.bool_], from_centre: NDArray[np.float32], radius: float
) -> NDArray[np.float32]:
    """The iris with the part that the lids hide: there, the median of what is seen at the same distance from the centre."""
    steps = np.arange(0, MARGIN + 0.05, 1.0 / max(radius, 4.0))
    typical = np.median(patch[seen], axis=0) if seen.sum() > 8 else np.array([60.0, 45.0, 38.0])
    profile = np.empty((len(steps), 3))
    for row, distance in enumerate(steps):
        ring = seen & (np.abs(from_centre - distance) < 1.2 / radius)
        profile[row] = np.median(patch[ring], axis=0) if ring.sum() > 3 else (profile[row - 1] if row else typical * 0.4)
    hidden = np.stack([np.interp(from_centre, steps, profile[:, k]) for k in range(3)], -1)
    weight = cv2.GaussianBlur(seen.astype(np.float32), (0, 0), max(0.8, 0.10 * radius)) * seen
    return np.ascontiguousarray(hidden + (patch - hidden) * weight[..., None], np.float32)
