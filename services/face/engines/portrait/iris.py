"""Where the iris really is: FaceMesh is off by a few pixels, which shows as soon as the eye moves."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from services.face.engines.portrait.eyes import Iris
from services.face.engines.portrait.portrait import Portrait
from services.face.engines.portrait.topology import EyePoints

#: Searched around the landmark's circle, in its radii.
REACH, STEP = 0.45, 0.06
RADII = np.linspace(0.80, 1.30, 13)
#: A larger iris is believed only for a clearly better edge.
ANGLES = np.deg2rad(np.concatenate([np.arange(-50, 51, 5), np.arange(130, 231, 5), np.arange(60, 121, 10)]))


def find_iris(texture: Portrait, eye: EyePoints) -> Iris:
    """The circle with the strongest rise from iris to white along its visible arc.

    The integro-differential operator of J. Daugman, 1993.
    """
    centre = texture.points[eye.iris, :2]
    radius = float(np.linalg.norm(texture.points[eye.iris + 1 : eye.iris + 5, :2] - centre, axis=1).mean())
    grey = cv2.GaussianBlur(cv2.cvtColor(texture.image, cv2.COLOR_RGB2GRAY), (0, 0), 0.06 * radius + 0.4).astype(np.float32)
    shifts = np.arange(-REACH, REACH + STEP / 2, STEP) * radius
    dx, dy, scale = np.meshgrid(shifts, shifts, RADII, indexing="ij")
    x, y, r = (centre[0] + dx).ravel(), (centre[1] + dy).ravel(), (radius * scale).ravel()
    step = max(1.0, 0.13 * radius)
    inner, outer = _ring(grey, x, y, r - step), _ring(grey, x, y, r + step)
    seen = _seen(texture, eye, x, y, r)
    count = seen.sum(1)
    # Clipped, so that a highlight or the dark line of the lid does not decide alone.
    rise = (np.clip(outer - inner, -60, 90) * seen).sum(1) / np.maximum(count, 1)
    far = (np.hypot(dx, dy).ravel() / radius / REACH) ** 2
    score = np.where(count >= 10, rise - 6 * far - 25 * np.abs(scale.ravel() - 1.0), -np.inf)
    best = int(score.argmax())
    if not np.isfinite(score[best]) or rise[best] < 8:
        return Iris(float(centre[0]), float(centre[1]), radius)
    return Iris(float(x[best]), float(y[best]), float(r[best]))


def _ring(
    grey: NDArray[np.float32], x: NDArray[np.float64], y: NDArray[np.float64], r: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Brightness [circles, angles]."""
    columns = (x[:, None] + r[:, None] * np.cos(ANGLES)).astype(np.float32)
    rows = (y[:, None] + r[:, None] * np.sin(ANGLES)).astype(np.float32)
    return np.asarray(cv2.remap(grey, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _seen(
    texture: Portrait, eye: EyePoints, x: NDArray[np.float64], y: NDArray[np.float64], r: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which samples lie between the lids, with a margin for lashes and the wet line."""
    upper, lower = texture.points[list(eye.upper), :2], texture.points[list(eye.lower), :2]
    columns = x[:, None] + r[:, None] * np.cos(ANGLES)
    rows = y[:, None] + r[:, None] * np.sin(ANGLES)
    margin = 0.22 * r[:, None]
    over = rows > np.interp(columns, upper[:, 0], upper[:, 1]) + margin
    under = rows < np.interp(columns, lower[:, 0], lower[:, 1]) - margin * 0.8
    return np.asarray(over & under & (columns > upper[0, 0]) & (columns < upper[-1, 0]), np.bool_)
