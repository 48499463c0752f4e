"""Everything about one persona at one size that does not change: made once, shared by all sessions that show it."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
from numpy.typing import NDArray

from services.face.engines.portrait.background import at_size, separate
from services.face.engines.portrait.basis import load_basis
from services.face.engines.portrait.expression import (
    LARGEST_PITCH_RAD,
    LARGEST_ROLL_RAD,
    LARGEST_SHIFT,
    LARGEST_YAW_RAD,
    Expression,
)
from services.face.engines.portrait.eyes import Eye
from services.face.engines.portrait.lids import Lid
from services.face.engines.portrait.mesh import Mesh
from services.face.engines.portrait.mouth import Mouth
from services.face.engines.portrait.portrait import Portrait, scaled
from services.face.engines.portrait.raster import EDGE, PERSON, ROOM, opacity_of
from services.face.engines.portrait.shading import face_reliefs
from services.face.engines.portrait.topology import EYES

#: A texture finer than the output keeps a slowly moving face from going soft and sharp in turns.
OVERSAMPLING = 1.5
#: The picture is looked up in strips of this many rows, each as wide as the person is there.
BAND_ROWS = 32


class Rig:
    """A persona at one size. Read-only after construction."""

    def __init__(self, portrait: Portrait, side: int) -> None:
        self.side = side
        texture = scaled(portrait, min(portrait.side, round(OVERSAMPLING * side)))
        output = scaled(portrait, side)
        ratio = texture.side / side
        layers = separate(texture)
        self.texture, self.alpha, self.room = layers.person, layers.alpha, at_size(layers, side)
        self.opacity = opacity_of(layers.alpha)
        self.mesh = Mesh(output, load_basis(), texture.side)
        self.zones = _zones(self.alpha, side, _furthest_move(self.mesh, output.mask))
        self.spans = _spans(self.zones)
        self.bands = _bands(self.spans)
        self.triangles = self._moving_triangles()
        self.eyes = tuple(Eye(texture, eye, ratio) for eye in EYES)
        self.lids = tuple(Lid(texture, eye, ratio) for eye in EYES)
        self.mouth = Mouth(output, self.mesh)
        self.reliefs = (*(relief for lid in self.lids for relief in lid.reliefs), *face_reliefs(texture))

    def _moving_triangles(self) -> NDArray[np.int32]:
        """Triangles over nothing but room need not be drawn."""
        corners = self.mesh.neutral[self.mesh.triangles, :2]
        low = np.clip(np.floor(corners.min(1)), 0, self.side - 1).astype(int)
        high = np.clip(np.ceil(corners.max(1)), 0, self.side - 1).astype(int)
        seen = [bool(self.zones[a[1] : b[1] + 1, a[0] : b[0] + 1].any()) for a, b in zip(low, high, strict=True)]
        return np.ascontiguousarray(self.mesh.triangles[seen])


def _zones(alpha: NDArray[np.uint8], side: int, furthest: float) -> NDArray[np.uint8]:
    """ROOM, EDGE or PERSON for each pixel of the output, true for every movement up to `furthest` pixels."""
    small = cv2.resize(alpha, (side, side), interpolation=cv2.INTER_AREA)
    reach = 2 * round(furthest) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    zones = np.full((side, side), EDGE, np.uint8)
    zones[cv2.dilate(small, disc) < 2] = ROOM
    zones[cv2.erode(small, disc, borderType=cv2.BORDER_REPLICATE) > 252] = PERSON
    return zones


def _furthest_move(mesh: Mesh, mask: NDArray[np.float32]) -> float:
    """How far an expression can carry any point of the person, in pixels of the output."""
    last = mesh.side - 1
    cells = np.clip(np.round(mesh.neutral[:, :2]), 0, last).astype(int)
    person = mask[cells[:, 1], cells[:, 0]] > 0.01
    furthest = 0.0
    for signs in itertools.product((-1, 1), repeat=3):
        yaw, pitch, roll = np.array(signs) * [LARGEST_YAW_RAD, LARGEST_PITCH_RAD, LARGEST_ROLL_RAD]
        shift_x, shift_y = np.array([signs[2], signs[1]]) * LARGEST_SHIFT
        moved, _ = mesh.move(Expression(yaw=yaw, pitch=pitch, roll=roll, shift_x=shift_x, shift_y=shift_y, breath=1.0))
        furthest = max(furthest, float(np.linalg.norm((moved - mesh.neutral)[person, :2], axis=1).max()))
    return furthest


def _spans(zones: NDArray[np.uint8]) -> NDArray[np.int32]:
    """First and one past the last column of each row that is not ROOM."""
    spans = np.zeros((len(zones), 2), np.int32)
    for y, row in enumerate(zones != ROOM):
        columns = np.flatnonzero(row)
        if len(columns):
            spans[y] = columns[0], columns[-1] + 1
    return spans


def _bands(spans: NDArray[np.int32]) -> tuple[tuple[slice, slice], ...]:
    """Rows and columns that hold everything but room, in strips."""
    bands = []
    for top in range(0, len(spans), BAND_ROWS):
        rows = spans[top : top + BAND_ROWS]
        used = rows[rows[:, 1] > rows[:, 0]]
        if len(used):
            bands.append((slice(top, top + len(rows)), slice(int(used[:, 0].min()), int(used[:, 1].max()))))
    return tuple(bands)
