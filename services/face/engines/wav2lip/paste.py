"""From a picture to the face that the network sees, and its painted mouth back into the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.face.engines.portrait.topology import CHIN, OVAL
from services.face.engines.wav2lip.network import FACE_PX

Picture = NDArray[np.uint8]

#: The network was trained on boxes of a detector that begin a little below the hair line, and 10 px more below the chin of a
#: face that is some 200 px high.
_FOREHEAD_SHARE: Final = 0.12
_BELOW_SHARE: Final = 0.05
#: What is higher than a tenth of the way from the tip of the nose to the chin stays as it is.
_NOSE_TIP: Final = 1
_FROM_NOSE: Final = 0.1
#: Softness of the border, in widths of the face.
_FEATHER: Final = 0.06


@dataclass(frozen=True)
class Box:
    """A face in a picture, pixels, half open."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def place(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.right - self.left, self.bottom - self.top


def box_of(points: NDArray[np.float32], side: int) -> Box:
    """The box around FaceMesh points [478 or more, 2 or 3] in a square picture."""
    oval = points[list(OVAL), :2]
    return box_around(np.concatenate([oval.min(0), oval.max(0)]), side)


def box_around(outline: NDArray[np.float32], side: int) -> Box:
    """The box that the network wants of a face whose outline goes from left, top to right, bottom."""
    left, top, right, bottom = outline
    height = bottom - top
    top, bottom = top + _FOREHEAD_SHARE * height, bottom + _BELOW_SHARE * height
    low = np.clip(np.floor([left, top]), 0, side - 2).astype(int)
    high = np.clip(np.ceil([right, bottom]), low + 2, side).astype(int)
    return Box(int(low[0]), int(low[1]), int(high[0]), int(high[1]))


def seen(picture: Picture, box: Box) -> NDArray[np.float32]:
    """What the network is given of a face, float32 [6, 96, 96] in 0..1, blue first."""
    face = cv2.resize(picture[box.place], (FACE_PX, FACE_PX), interpolation=cv2.INTER_AREA)[..., ::-1].astype(np.float32) / 255
    covered = face.copy()
    covered[FACE_PX // 2 :] = 0
    return np.ascontiguousarray(np.concatenate([covered, face], axis=2).transpose(2, 0, 1))


def mask_of(points: NDArray[np.float32], box: Box) -> NDArray[np.float32]:
    """Where the painted face is seen, [height, width, 1] in 0..1: below the nose, inside the face, with soft borders."""
    width, height = box.size
    oval = points[list(OVAL), :2] - [box.left, box.top]
    nose, chin = points[_NOSE_TIP, 1], points[CHIN, 1]
    line = nose + _FROM_NOSE * (chin - nose) - box.top
    mask = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.round(oval).astype(np.int32)), 255)
    mask[: max(0, round(float(line)))] = 0
    reach = 2 * max(1, round(_FEATHER * width / 2)) + 1
    inside = cv2.erode(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    soft = cv2.GaussianBlur(inside, (0, 0), reach / 2).astype(np.float32) / 255
    return np.asarray(soft[..., None], np.float32)


def paste(picture: Picture, box: Box, mask: NDArray[np.float32], painted: NDArray[np.float32], share: float) -> None:
    """Puts a painted face, float32 [3, 96, 96] in 0..1 and blue first, into the picture, with the colours of the picture.

    `share` in 0..1 lets the mouth come and go softly.
    """
    face = cv2.resize(painted.transpose(1, 2, 0)[..., ::-1], box.size, interpolation=cv2.INTER_CUBIC) * 255
    below = picture[box.place].astype(np.float32)
    border = (mask > 0.02) & (mask < 0.5)
    if border.any():
        # The border shows the same skin in both: there they must have the same colour.
        weights = border.astype(np.float32)
        face = face + ((below - face) * weights).sum((0, 1)) / weights.sum()
    blended = below + (face - below) * (mask * share)
    picture[box.place] = np.clip(np.round(blended), 0, 255).astype(np.uint8)
