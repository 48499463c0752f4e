"""Which of the 478 FaceMesh points are what. `right` and `left` are the person's own: the right eye is left in the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

POINTS: Final = 478

#: The outline of the face, clockwise from the top of the forehead.
OVAL: Final = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
CHIN: Final = 152
FOREHEAD: Final = 10

#: Inner and outer edges of the lips, from the picture's left corner to its right; first and last are the corners.
INNER_UPPER: Final = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
INNER_LOWER: Final = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
OUTER_UPPER: Final = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
OUTER_LOWER: Final = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)


@dataclass(frozen=True)
class EyePoints:
    """The points of one eye, each row from the picture's left to its right."""

    side: str
    upper: tuple[int, ...]
    """Margin of the upper lid with both corners, 9 points."""
    lower: tuple[int, ...]
    """Margin of the lower lid with both corners, 9 points."""
    crease: tuple[int, ...]
    """The fold above the inner 7 points of `upper`."""
    brow_side: tuple[int, ...]
    """The ring above the crease."""
    below: tuple[int, ...]
    """The ring under the inner 7 points of `lower`."""
    iris: int
    """Centre; the four rim points follow it."""


RIGHT_EYE: Final = EyePoints(
    side="Right",
    upper=(33, 246, 161, 160, 159, 158, 157, 173, 133),
    lower=(33, 7, 163, 144, 145, 153, 154, 155, 133),
    crease=(247, 30, 29, 27, 28, 56, 190),
    brow_side=(113, 225, 224, 223, 222, 221, 189),
    below=(25, 110, 24, 23, 22, 26, 112),
    iris=468,
)
LEFT_EYE: Final = EyePoints(
    side="Left",
    upper=(362, 398, 384, 385, 386, 387, 388, 466, 263),
    lower=(362, 382, 381, 380, 374, 373, 390, 249, 263),
    crease=(414, 286, 258, 257, 259, 260, 467),
    brow_side=(413, 441, 442, 443, 444, 445, 342),
    below=(341, 256, 252, 253, 254, 339, 255),
    iris=473,
)
EYES: Final = (RIGHT_EYE, LEFT_EYE)

#: From the wing of the nose past the corner of the mouth: the nasolabial fold.
FOLD: Final = {"Right": (129, 203, 206, 216, 212), "Left": (358, 423, 426, 436, 432)}
#: The middle of the cheek.
CHEEK: Final = {"Right": 50, "Left": 280}
#: Between the brows, above the bridge of the nose.
GLABELLA: Final = 9
