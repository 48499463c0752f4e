"""Upper lids: the skin that a blink unfolds, without the lashes of the open eye, and lashes that turn down with it."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from services.face.engines.portrait.expression import Expression, channel
from services.face.engines.portrait.kernels import kernel
from services.face.engines.portrait.portrait import Portrait
from services.face.engines.portrait.shading import Relief
from services.face.engines.portrait.topology import EyePoints

#: The lashes of the picture are gone, and painted ones there, between these parts of a blink.
TURN_FROM, TURN_TO = 0.12, 0.50
LASHES = 26
#: In widths of the eye.
LASH_LENGTH = 0.17
LASH_REACH = 0.22


class Lid:
    """The upper lid of one eye. Read-only after construction."""

    def __init__(self, texture: Portrait, eye: EyePoints, ratio: float) -> None:
        """`texture` at its full size; `ratio` of its pixels to one of the output."""
        self.points = eye
        self._blink = channel("eyeBlink" + eye.side)
        left, top, area, lashes, opening = _lid_area(texture, eye)
        original = texture.image[top : top + area.shape[0], left : left + area.shape[1]]
        lashless = cv2.inpaint(original, ((lashes | opening) * np.uint8(255)).astype(np.uint8), 3, cv2.INPAINT_TELEA)
        # Small unevenness that inpainting leaves would be stretched over the whole lid.
        soft = cv2.GaussianBlur(lashless, (0, 0), 1.6)
        repaired = cv2.GaussianBlur((lashes | opening).astype(np.float32), (0, 0), 1.2)[..., None] * area[..., None]
        change = (lashless * (1 - repaired) + soft * repaired - original) * area[..., None]
        shade = _crease(texture, eye, left, top, area.shape)
        self.reliefs = (
            Relief(left, top, np.ascontiguousarray(np.round(change), np.int16), self.turned),
            Relief(left, top, np.ascontiguousarray(np.round(lashless * shade[..., None]), np.int16), self._closed),
        )
        self.line = self._line(original, lashes, opening)
        self._width = float(texture.points[eye.upper[-1], 0] - texture.points[eye.upper[0], 0]) / ratio
        self._strokes = _strokes(eye.side, seed=eye.iris)

    def turned(self, expression: Expression) -> float:
        """How far the lashes have turned from up to down, 0..1."""
        x = min(max((float(expression.weights[self._blink]) - TURN_FROM) / (TURN_TO - TURN_FROM), 0.0), 1.0)
        return x * x * (3 - 2 * x)

    def _closed(self, expression: Expression) -> float:
        return float(expression.weights[self._blink])

    def draw(self, frame: NDArray[np.uint8], points: NDArray[np.float32], expression: Expression) -> None:
        """Draws the painted lashes along the edge of the lid of `points` (pixels of the output)."""
        turned = self.turned(expression)
        if turned < 0.05:
            return
        edge = np.ascontiguousarray(points[list(self.points.upper), :2])
        _draw_lashes(frame, edge, self._strokes, self._width * LASH_LENGTH, self.line, turned)

    @staticmethod
    def _line(original: NDArray[np.uint8], lashes: NDArray[np.bool_], opening: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Colour and strength of lashes, from how dark and how many they are in the picture: float32 RGB + 0..1."""
        skin = original[~(lashes | opening)]
        around = np.median(skin, axis=0) if len(skin) else np.array([190.0, 150.0, 130.0])
        if lashes.sum() < 12:
            return np.array([*(around * 0.45), 0.35], np.float32)
        colour = np.percentile(original[lashes], 15, axis=0) * 0.75
        contrast = 1 - float(np.median(original[lashes]) / max(float(around.mean()), 1.0))
        amount = lashes.sum() / max(float(opening.sum()), 1.0)
        return np.array([*colour, np.clip(0.35 + 0.9 * contrast + 0.6 * amount, 0.4, 0.9)], np.float32)


def _lid_area(texture: Portrait, eye: EyePoints) -> tuple[int, int, NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
    """Around a lid: left, top, where its skin may be changed (0..1), its lashes, and the opening of the eye."""
    upper, lower = texture.points[list(eye.upper), :2], texture.points[list(eye.lower), :2]
    width = upper[-1, 0] - upper[0, 0]
    reach = LASH_REACH * width
    left, right = int(upper[0, 0] - reach), int(upper[-1, 0] + reach) + 1
    top, bottom = int(upper[:, 1].min() - 1.2 * reach), int(lower[:, 1].max() + 0.8 * reach) + 1
    y, x = np.mgrid[top:bottom, left:right].astype(np.float64)
    over = np.interp(x, upper[:, 0], upper[:, 1]) - y
    under = y - np.interp(x, lower[:, 0], lower[:, 1])
    beside = np.maximum(np.maximum(upper[0, 0] - x, x - upper[-1, 0]), 0)
    rim = 0.045 * width
    opening = (over < rim) & (under < rim) & (beside < 0.6 * rim)
    grey = cv2.cvtColor(texture.image[top:bottom, left:right], cv2.COLOR_RGB2GRAY)
    size = 2 * round(0.075 * width) + 1
    closed = cv2.morphologyEx(grey, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    dark = (closed.astype(int) - grey) > 16
    near = (over > -rim) & (over < reach) & (under < 0.3 * reach) & (beside < 0.8 * reach)
    lashes = cv2.dilate((dark & near).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    distance = np.maximum(np.maximum(over, under), beside)
    area = np.clip((0.95 * reach - distance) / (0.2 * reach), 0, 1)
    return left, top, area.astype(np.float32), lashes & ~opening, opening


def _crease(texture: Portrait, eye: EyePoints, left: int, top: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A closed lid is round: darker at the fold above and at its edge, lighter between. In parts of the skin's brightness."""
    upper, crease = texture.points[list(eye.upper), :2], texture.points[list(eye.crease), :2]
    y, x = np.mgrid[top : top + shape[0], left : left + shape[1]].astype(np.float64)
    edge = np.interp(x, upper[:, 0], upper[:, 1])
    fold = np.interp(x, crease[:, 0], crease[:, 1])
    height = np.maximum(edge - fold, 0.04 * (upper[-1, 0] - upper[0, 0]))
    v = (edge - y) / height
    across = (x - upper[0, 0]) / (upper[-1, 0] - upper[0, 0])
    fade = np.clip(np.minimum(across + 0.02, 1.02 - across) * 5, 0, 1)
    shade = 0.035 * np.exp(-(((v - 0.45) / 0.30) ** 2)) - 0.06 * np.exp(-(((v - 1.0) / 0.25) ** 2))
    shade -= 0.10 * np.exp(-((v / 0.16) ** 2))
    return np.asarray(shade * fade, np.float32)


def _strokes(side: str, seed: int) -> NDArray[np.float32]:
    """Root along the edge 0..1, length, sideways lean, weight: [LASHES, 4]. The outer lashes are the longer ones."""
    random = np.random.default_rng(seed)
    root = (np.arange(LASHES) + 0.5 + random.uniform(-0.3, 0.3, LASHES)) / LASHES
    outward = root if side == "Left" else 1 - root
    length = (0.40 + 0.60 * outward) * random.uniform(0.75, 1.1, LASHES) * np.clip(8 * np.minimum(root, 1 - root) + 0.3, 0, 1)
    lean = ((root - 0.5) * 1.1 + (0.18 if side == "Left" else -0.18)) + random.uniform(-0.12, 0.12, LASHES)
    weight = random.uniform(0.55, 1.0, LASHES)
    return np.ascontiguousarray(np.stack([0.03 + 0.94 * root, length, lean, weight], -1), np.float32)


@kernel
def _draw_lashes(  # noqa: PLR0917 - compiled functions take their arguments by position
    frame: NDArray[np.uint8],
    edge: NDArray[np.float32],
    strokes: NDArray[np.float32],
    longest: float,
    line: NDArray[np.float32],
    turned: float,
) -> None:
    """Each lash is a row of small soft dots along a curve that bends away from the lid."""
    side = frame.shape[0]
    span = edge.shape[0] - 1
    down = -0.35 + 1.15 * turned
    for s in range(strokes.shape[0]):
        at = strokes[s, 0] * span
        i = min(int(at), span - 1)
        t = at - i
        x0 = edge[i, 0] * (1 - t) + edge[i + 1, 0] * t
        y0 = edge[i, 1] * (1 - t) + edge[i + 1, 1] * t
        length = longest * strokes[s, 1]
        steps = int(length * 2.0) + 2
        for n in range(steps):
            along = n / (steps - 1.0)
            x = x0 + strokes[s, 2] * length * along * (0.55 + 0.45 * along)
            y = y0 + down * length * along * (1.0 - 0.30 * along)
            opacity = line[3] * strokes[s, 3] * turned * (0.62 - 0.50 * along)
            left, top = math.floor(x - 0.5), math.floor(y - 0.5)
            for py in range(max(top, 0), min(top + 3, side)):
                for px in range(max(left, 0), min(left + 3, side)):
                    near = math.exp(-((px - x) ** 2 + (py - y) ** 2) * 2.4) * opacity
                    for k in range(3):
                        old = frame[py, px, k]
                        frame[py, px, k] = np.uint8(old + (line[k] - old) * near)
