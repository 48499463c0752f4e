"""Landmarks of the eyes moved to where the lids and irises really are.

FaceMesh is off by a few pixels there, most with heavy or old lids. It does not matter for the outline of a face, but it shows
as soon as an eye moves: the white would be painted onto the lid.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from services.face.engines.portrait.portrait import Portrait
from services.face.engines.portrait.topology import EYES, EyePoints

#: Lids are searched this far from their landmarks, in heights of the eye. An opening drawn too large is the usual error,
#: and make-up would pass for one that is drawn too small.
LID_SHRINKS, LID_GROWS = 0.40, 0.10
#: Irises are searched this far around theirs, in radii.
IRIS_REACH, IRIS_STEP = 0.45, 0.06
#: FaceMesh draws irises a little small.
TYPICAL_SCALE = 1.06
SCALES = np.linspace(0.90, 1.26, 10)
#: Along the rim: mostly left and right, where no lid hides it.
ANGLES = np.deg2rad(np.concatenate([np.arange(-50, 51, 5), np.arange(130, 231, 5), np.arange(60, 121, 10)]))


def corrected(portrait: Portrait) -> Portrait:
    """The portrait with lids, creases and irises of both eyes put right."""
    points = portrait.points.copy()
    for eye in EYES:
        _move_lids(portrait.image, points, eye)
    found = [_find_iris(portrait.image, points, eye) for eye in EYES]
    # Both irises of a person are of one size.
    radius = float(np.mean([circle[2] for circle in found]))
    for eye, (x, y, _) in zip(EYES, found, strict=True):
        centre = np.array([x, y])
        points[eye.iris, :2] = centre
        rim = np.array([[1, 0], [0, -1], [-1, 0], [0, 1]]) * radius
        points[eye.iris + 1 : eye.iris + 5, :2] = centre + rim
    return replace(portrait, points=points)


def _move_lids(image: NDArray[np.uint8], points: NDArray[np.float64], eye: EyePoints) -> None:
    """Moves both lids so that the most of what is not skin, and the least of what is, lies between them."""
    upper, lower = points[list(eye.upper), :2], points[list(eye.lower), :2]
    height = float((lower[:, 1] - upper[:, 1]).max())
    left, right = int(np.ceil(upper[0, 0])), int(np.floor(upper[-1, 0]))
    top, bottom = int(upper[:, 1].min() - 1.2 * height), int(lower[:, 1].max() + 1.2 * height)
    x = np.arange(left, right + 1)
    along = (x - upper[0, 0]) / (upper[-1, 0] - upper[0, 0])
    bow = np.sin(np.pi * along)
    lids = {True: np.interp(x, upper[:, 0], upper[:, 1]), False: np.interp(x, lower[:, 0], lower[:, 1])}
    gain = _not_skin(image[top:bottom, left : right + 1], lids[True] - top, lids[False] - top, height)
    summed = np.vstack([np.zeros(len(x)), np.cumsum(gain, 0)])
    skews = np.linspace(-0.16, 0.16, 9)
    for is_upper, lid in lids.items():
        shifts = np.linspace(-LID_GROWS, LID_SHRINKS, 26) * (1 if is_upper else -1)
        shift, skew = (grid[..., None] * height for grid in np.meshgrid(shifts, skews, indexing="ij"))
        rows = lid + bow * (shift + skew * (2 * along - 1)) - top
        reached = _between(summed, rows)
        score = (-reached if is_upper else reached) - 0.6 * len(x) * ((shift / height) ** 2 + (skew / height) ** 2)[..., 0]
        i, j = np.unravel_index(int(score.argmax()), score.shape)
        inner = list((eye.upper if is_upper else eye.lower)[1:-1])
        at = (points[inner, 0] - upper[0, 0]) / (upper[-1, 0] - upper[0, 0])
        move = np.sin(np.pi * np.clip(at, 0, 1)) * (shifts[i] + skews[j] * (2 * at - 1)) * height
        points[inner, 1] += move
        points[list(eye.crease if is_upper else eye.below), 1] += 0.6 * move


def _not_skin(
    area: NDArray[np.uint8], upper: NDArray[np.float64], lower: NDArray[np.float64], height: float
) -> NDArray[np.float64]:
    """How unlike the skin around the eye each pixel is, minus the threshold between skin and eye: positive inside, [h, w]."""
    size = 2 * max(1, round(0.10 * height)) + 1
    without_lashes = cv2.morphologyEx(area, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    lab = cv2.cvtColor(without_lashes, cv2.COLOR_RGB2LAB).astype(np.float64) * [0.35, 1.0, 1.0]
    y = np.arange(len(area))[:, None]
    middle = (upper + lower) / 2
    skin = (y < upper - 0.45 * height) | (y > lower + 0.45 * height)
    eye = np.abs(y - middle) < 0.22 * height
    typical = np.median(lab[skin], axis=0)
    spread = np.median(np.abs(lab[skin] - typical), axis=0) + 2.0
    unlike = np.sqrt((((lab - typical) / spread) ** 2).sum(-1))
    threshold = (np.median(unlike[skin]) + np.median(unlike[eye])) / 2
    return np.asarray(np.clip((unlike - threshold) / max(threshold, 1e-3), -1, 1), np.float64)


def _between(summed: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over the columns of `summed` [h + 1, w] at fractional `rows` [..., w]."""
    rows = np.clip(rows, 0, len(summed) - 1.001)
    whole = rows.astype(int)
    columns = np.broadcast_to(np.arange(summed.shape[1]), rows.shape)
    above, below = summed[whole, columns], summed[whole + 1, columns]
    return np.asarray((above + (below - above) * (rows - whole)).sum(-1))


def _find_iris(image: NDArray[np.uint8], points: NDArray[np.float64], eye: EyePoints) -> tuple[float, float, float]:
    """x, y and radius of the circle with the strongest rise from iris to white along its visible arc.

    The integro-differential operator of J. Daugman, 1993.
    """
    centre = points[eye.iris, :2]
    radius = float(np.linalg.norm(points[eye.iris + 1 : eye.iris + 5, :2] - centre, axis=1).mean())
    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), 0.06 * radius + 0.4).astype(np.float32)
    shifts = np.arange(-IRIS_REACH, IRIS_REACH + IRIS_STEP / 2, IRIS_STEP) * radius
    dx, dy, scale = (grid.ravel() for grid in np.meshgrid(shifts, shifts, SCALES, indexing="ij"))
    x, y, r = centre[0] + dx, centre[1] + dy, radius * scale
    step = max(1.0, 0.12 * radius)
    seen = _seen(points, eye, x, y, r)
    count = seen.sum(1)
    # Clipped, so that a highlight or the dark line of a lid does not decide alone.
    rise = np.clip(_ring(grey, x, y, r + step) - _ring(grey, x, y, r - step), -40, 70)
    mean = (rise * seen).sum(1) / np.maximum(count, 1)
    far = (dx**2 + dy**2) / (radius * IRIS_REACH) ** 2
    score = np.where(count >= 10, mean - 5 * far - 120 * (scale - TYPICAL_SCALE) ** 2, -np.inf)
    best = int(score.argmax())
    if not np.isfinite(score[best]) or mean[best] < 8:
        return float(centre[0]), float(centre[1]), radius * TYPICAL_SCALE
    return float(x[best]), float(y[best]), float(r[best])


def _ring(
    grey: NDArray[np.float32], x: NDArray[np.float64], y: NDArray[np.float64], r: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Brightness along circles: [circles, angles]."""
    columns = (x[:, None] + r[:, None] * np.cos(ANGLES)).astype(np.float32)
    rows = (y[:, None] + r[:, None] * np.sin(ANGLES)).astype(np.float32)
    return np.asarray(cv2.remap(grey, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _seen(
    points: NDArray[np.float64], eye: EyePoints, x: NDArray[np.float64], y: NDArray[np.float64], r: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which samples lie between the lids, with a margin for lashes and the wet line."""
    upper, lower = points[list(eye.upper), :2], points[list(eye.lower), :2]
    columns = x[:, None] + r[:, None] * np.cos(ANGLES)
    rows = y[:, None] + r[:, None] * np.sin(ANGLES)
    margin = 0.22 * r[:, None]
    over = rows > np.interp(columns, upper[:, 0], upper[:, 1]) + margin
    under = rows < np.interp(columns, lower[:, 0], lower[:, 1]) - margin * 0.8
    return np.asarray(over & under & (columns > upper[0, 0]) & (columns < upper[-1, 0]), np.bool_)
