"""Teeth and tongue, painted: RGBA float32 [256, 384, 4], premultiplied, 0..255 and 0..1, the lips' line in the middle."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

#: Pixels of a sprite in one width of the closed mouth.
PIXELS_PER_MOUTH = 228.0
WIDTH, HEIGHT = 384, 256

ENAMEL = np.array([246.0, 233.0, 212.0])
GUM = np.array([176.0, 92.0, 88.0])
TONGUE = np.array([180.0, 96.0, 92.0])

#: Widths and heights from the middle outwards, in pixels (about 0.24 mm each).
_UPPER = ((35, 56), (28, 50), (31, 54), (27, 46), (26, 42), (24, 38))
_LOWER = ((23, 42), (25, 43), (28, 46), (28, 40), (27, 38), (26, 36))
#: Lower edge of the upper teeth, upper edge of the lower ones, relative to the line of the lips.
_UPPER_EDGE, _LOWER_EDGE = 3.0, 13.0
#: Teeth further out stand further back, and so nearer to the level of the eye.
_ARCH = 15.0


@cache
def upper_teeth() -> NDArray[np.float32]:
    """The upper row; it belongs to the skull."""
    return _row(_UPPER, _UPPER_EDGE, -1.0)


@cache
def lower_teeth() -> NDArray[np.float32]:
    """The lower row; it moves with the jaw."""
    return _row(_LOWER, _LOWER_EDGE, 1.0)


@cache
def tongue() -> NDArray[np.float32]:
    """The tongue at rest, its tip behind the lower teeth; it moves with the jaw."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    u, v = (x - WIDTH / 2) / 84.0, (y - HEIGHT / 2 - 50.0) / 50.0
    inside = u**2 + np.where(v < 0, np.abs(v) ** 2.4, v**2)
    cover = np.clip((1 - inside) * np.where(v < 0, 2.5, 6.0), 0, 1)
    # The back lies in the dark, the tip in the light; a shallow groove runs along the middle.
    light = 0.42 + 0.58 * np.clip((v + 1.0) / 0.9, 0, 1) ** 1.5 - 0.12 * np.exp(-((u / 0.12) ** 2)) * np.clip(0.7 - v, 0, 1)
    light *= 1 - 0.30 * u**2
    return _finish(TONGUE * light[..., None], cover, 1.6)


def _row(teeth: tuple[tuple[int, int], ...], edge: float, away: float) -> NDArray[np.float32]:
    """A row whose biting edges lie at `edge`; `away` is the direction from there to the gums, -1 up, 1 down."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    colour = np.zeros((HEIGHT, WIDTH, 3))
    cover = np.zeros((HEIGHT, WIDTH))
    variation = np.random.default_rng(7)
    for side in (-1, 1):
        start = 0.0
        for width, height in teeth:
            centre = WIDTH / 2 + side * (start + width / 2)
            start += width
            bend = _ARCH * ((centre - WIDTH / 2) / 150.0) ** 2
            rise = (y - HEIGHT / 2 - edge) * away - (bend if away < 0 else -bend * 0.6)
            u = (x - centre) / (width / 2)
            # Corners are rounded at the biting edge, and the neck is a little narrower.
            inside = (
                (np.abs(u) < 1.0 - 0.07 * np.clip(rise / height, 0, 1)) & (rise > 3.2 * np.abs(u) ** 4) & (rise < height + 30)
            )
            depth = np.clip(rise / height, 0, 1.5)
            light = (
                (1 - 0.17 * np.abs(u) ** 3) * (0.86 + 0.14 * np.clip(depth * 3, 0, 1)) * (1 - 0.08 * np.clip(depth - 0.6, 0, 1))
            )
            tint = ENAMEL * (1 - 0.035 * variation.uniform())
            gum = np.clip((rise - height - 5 * np.abs(u) ** 2 + 6) / 6, 0, 1)[..., None]
            shade = tint * light[..., None] * (1 - gum) + GUM * gum
            colour[inside] = shade[inside]
            cover[inside] = 1.0
    return _finish(colour, cover, 1.1)


def _finish(colour: NDArray[np.float64], cover: NDArray[np.float64], softness: float) -> NDArray[np.float32]:
    sprite = np.dstack([colour * cover[..., None], cover]).astype(np.float32)
    return np.ascontiguousarray(cv2.GaussianBlur(sprite, (0, 0), softness), np.float32)
