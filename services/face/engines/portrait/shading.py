"""Light and shade that the warp cannot make: changes of the texture, each with a strength that an expression gives it.

A crease or a lifted cheek is painted into the texture before it is warped, so that it sits on the skin wherever the skin goes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.face.engines.portrait.expression import Expression, channel
from services.face.engines.portrait.kernels import kernel
from services.face.engines.portrait.mesh import measure
from services.face.engines.portrait.portrait import Portrait
from services.face.engines.portrait.topology import CHEEK, FOLD

#: Strengths closer than this look the same.
VISIBLE = 0.02
SHADOW_TINT = np.array([0.70, 1.05, 1.15], np.float32)


@dataclass(frozen=True)
class Relief:
    """One change of the texture at full strength."""

    left: int
    top: int
    change: NDArray[np.int16]
    """RGB [h, w, 3], added."""
    strength: Callable[[Expression], float]


class Skin:
    """The texture of one session, with the reliefs of its current expression painted in."""

    def __init__(self, texture: NDArray[np.uint8], reliefs: tuple[Relief, ...]) -> None:
        self.texture = texture.copy()
        self._clean = texture
        self._reliefs = reliefs
        self._shown = np.zeros(len(reliefs))

    def show(self, expression: Expression) -> NDArray[np.uint8]:
        """The texture for `expression`; the same array each time."""
        wanted = np.array([relief.strength(expression) for relief in self._reliefs])
        wanted[np.abs(wanted) < VISIBLE] = 0.0
        if np.all(np.abs(wanted - self._shown) < VISIBLE * 0.5):
            return self.texture
        for relief, shown in zip(self._reliefs, self._shown, strict=True):
            if shown:
                height, width = relief.change.shape[:2]
                area = np.s_[relief.top : relief.top + height, relief.left : relief.left + width]
                self.texture[area] = self._clean[area]
        for relief, strength in zip(self._reliefs, wanted, strict=True):
            if strength:
                _add(self.texture, relief.change, relief.left, relief.top, round(strength * 256))
        self._shown = wanted
        return self.texture


@kernel
def _add(texture: NDArray[np.uint8], change: NDArray[np.int16], left: int, top: int, strength: int) -> None:
    height, width = change.shape[0], change.shape[1]
    for y in range(height):
        for x in range(width):
            for k in range(3):
                value = int(texture[top + y, left + x, k]) + ((int(change[y, x, k]) * strength) >> 8)
                texture[top + y, left + x, k] = min(max(value, 0), 255)


def face_reliefs(texture: Portrait) -> tuple[Relief, ...]:
    """Nasolabial folds and cheeks of both sides, and the shade under the lower lip. `texture` at its full size."""
    reliefs = []
    for side in ("Right", "Left"):
        smile, jaw = channel("mouthSmile" + side), channel("jawOpen")
        squint, sneer = channel("cheekSquint" + side), channel("noseSneer" + side)

        def fold(e: Expression, smile: int = smile, jaw: int = jaw, sneer: int = sneer) -> float:
            return float(min(0.95 * max(e.weights[smile], 0.0) + 0.25 * max(e.weights[jaw], 0.0) + 0.5 * e.weights[sneer], 1.0))

        def cheek(e: Expression, smile: int = smile, squint: int = squint) -> float:
            return float(min(0.8 * max(e.weights[smile], 0.0) + 0.5 * e.weights[squint], 1.0))

        reliefs += [_fold(texture, side, fold), _cheek(texture, side, cheek)]
    return tuple(reliefs)


def _fold(texture: Portrait, side: str, strength: Callable[[Expression], float]) -> Relief:
    """Dark along the fold on the side of the mouth, a little light on the side of the cheek."""
    scale = measure(texture.points).width
    line = _dense(texture.points[list(FOLD[side]), :2])
    left, top, x, y = _area(line, 0.10 * scale)
    offset = np.stack([x, y], -1)[:, :, None, :] - line[None, None]
    distance = np.hypot(offset[..., 0], offset[..., 1])
    nearest = distance.argmin(2)
    away = np.take_along_axis(distance, nearest[..., None], 2)[..., 0]
    tangent = np.gradient(line, axis=0)[nearest]
    towards = np.take_along_axis(offset, nearest[..., None, None], 2)[:, :, 0]
    cheek_side = np.sign(tangent[..., 0] * towards[..., 1] - tangent[..., 1] * towards[..., 0])
    signed = away * cheek_side * (1.0 if side == "Right" else -1.0)
    along = nearest / (len(line) - 1)
    fade = np.sin(np.pi * np.clip(0.08 + 0.90 * along, 0, 1)) ** 0.7
    narrow, wide = 0.018 * scale, 0.042 * scale
    shade = -0.13 * np.exp(-((signed / narrow) ** 2)) - 0.05 * np.exp(-(((signed + wide * 0.5) / wide) ** 2))
    shade += 0.05 * np.exp(-(((signed - wide * 1.1) / wide) ** 2))
    return _relief(texture, left, top, shade * fade, strength)


def _cheek(texture: Portrait, side: str, strength: Callable[[Expression], float]) -> Relief:
    """The lifted cheek catches light above and turns away below."""
    scale = measure(texture.points).width
    centre = texture.points[CHEEK[side], :2]
    left, top, x, y = _area(centre[None], 0.19 * scale)
    u, v = (x - centre[0]) / (0.085 * scale), (y - centre[1]) / (0.075 * scale)
    shade = 0.075 * np.exp(-(u**2) - (v + 0.25) ** 2) - 0.05 * np.exp(-(u**2) - (v - 1.25) ** 2)
    return _relief(texture, left, top, shade, strength)


def _relief(
    texture: Portrait, left: int, top: int, shade: NDArray[np.float64], strength: Callable[[Expression], float]
) -> Relief:
    """`shade` [h, w] in parts of the skin's own brightness; shadows on skin are warmer than grey."""
    height, width = shade.shape
    skin = texture.image[top : top + height, left : left + width].astype(np.float32)
    tint = np.where(shade[..., None] < 0, SHADOW_TINT, np.float32(1.0))
    return Relief(left, top, np.ascontiguousarray(np.round(skin * shade[..., None] * tint), np.int16), strength)


def _area(points: NDArray[np.float64], margin: float) -> tuple[int, int, NDArray[np.float64], NDArray[np.float64]]:
    left, top = np.floor(points.min(0) - margin).astype(int)
    right, bottom = np.ceil(points.max(0) + margin).astype(int)
    y, x = np.mgrid[top:bottom, left:right].astype(np.float64)
    return int(left), int(top), x, y


def _dense(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """A polyline with 40 points of even spacing."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    at = np.linspace(0, length[-1], 40)
    return np.stack([np.interp(at, length, points[:, 0]), np.interp(at, length, points[:, 1])], -1)
