"""The points of a portrait, and where an expression moves them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from services.face.engines.portrait import topology as top
from services.face.engines.portrait.basis import Basis, fit
from services.face.engines.portrait.expression import Expression
from services.face.engines.portrait.portrait import Portrait

#: Columns and rows of the points around the face.
GRID = 25
#: How far the outermost points lie beyond the borders, in sides of the picture.
BEYOND = 0.12
#: Of a closed eye, the part that the lower lid has risen.
LOWER_LID_SHARE = 0.12
#: Channel, fall of the upper lid and rise of the lower one, in openings of the eye.
_LID_MOVES = (
    ("eyeBlink", 1 - LOWER_LID_SHARE, LOWER_LID_SHARE),
    ("eyeWide", -0.24, -0.04),
    ("eyeSquint", 0.10, 0.32),
    ("cheekSquint", 0.0, 0.14),
)
#: Of the way of a lid, how far the skin around goes with it.
CREASE_SHARE, BROW_SIDE_SHARE, BELOW_SHARE = 0.50, 0.14, 0.40
#: A portrait whose lips are further apart than this (in heights of the face) smiles with an open mouth.
OPEN_MOUTH = 0.012
LARGEST_JAW_CLOSING = 0.40
#: Of its width, what a mouth with the jaw wide open loses.
NARROWING = 0.30
#: Rise of the shoulders with a full breath, in heights of the face.
BREATH_RISE = 0.011


@dataclass(frozen=True)
class Frame:
    """Measures of a face in pixels."""

    centre: NDArray[np.float64]
    width: float
    height: float
    chin: float
    """y of the lowest point of the outline."""


def measure(points: NDArray[np.float64]) -> Frame:
    oval = points[list(top.OVAL), :2]
    return Frame(oval.mean(0), float(np.ptp(oval[:, 0])), float(np.ptp(oval[:, 1])), float(oval[:, 1].max()))


@dataclass(frozen=True)
class Pose:
    """Rigid motion of the head: q = rotation (p - pivot) + pivot + shift."""

    rotation: NDArray[np.float32]
    pivot: NDArray[np.float32]
    shift: NDArray[np.float32]

    def apply(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray((points - self.pivot) @ self.rotation.T + self.pivot + self.shift, np.float32)


class Mesh:
    """Face and surroundings as triangles over a texture. Read-only after construction: sessions share it."""

    def __init__(self, portrait: Portrait, basis: Basis, texture_side: int) -> None:
        """`portrait` at the size of the output; `texture_side` is that of the texture the points are looked up in."""
        self.side = portrait.side
        self.landmarks = portrait.points
        self.measures = measure(portrait.points)
        self.displacements = fit(basis, portrait.points)
        self._shape_lids(basis.channels)
        self._round_jaw(basis.channels["jawOpen"])
        rest = self._close_mouth(basis.channels["jawOpen"])
        around = self._around(portrait.mask)
        neutral = np.vstack([rest, around])
        reach = 0.30 * self.measures.width
        neutral[:, 2] = np.where(neutral[:, 2] > 0, reach * np.tanh(neutral[:, 2] / reach), neutral[:, 2])
        self.neutral = neutral.astype(np.float32)
        ratio = texture_side / self.side
        flat = np.vstack([self.landmarks[:, :2], around[:, :2]])
        self.source = np.ascontiguousarray((flat + 0.5) * ratio - 0.5, np.float32)
        self.triangles = np.ascontiguousarray(np.vstack([self._outer_triangles(around), _holes(), basis.triangles]), np.int32)
        middle, below = self.measures.centre[0], self.measures.chin + 0.10 * self.measures.height
        self.pivot = np.array([middle, below, 0.42 * self.measures.width], np.float32)

    def move(self, expression: Expression) -> tuple[NDArray[np.float32], Pose]:
        """All points [n, 3] in pixels of the output, and the motion of the head."""
        points = self.neutral.copy()
        change = np.tensordot(expression.weights, self.displacements, 1)
        points[: top.POINTS] += change
        points[top.POINTS :] += self._follow @ change[list(top.OVAL)]
        self._meet_lids(points)
        upper, lower = list(top.INNER_UPPER[1:-1]), list(top.INNER_LOWER[1:-1])
        between = (points[upper] + points[lower]) * 0.5
        # Lips never pass through each other, and `seal` makes them meet.
        seal = np.maximum(expression.seal, points[upper, 1] > points[lower, 1]).astype(np.float32)[:, None]
        points[upper] += (between - points[upper]) * seal
        points[lower] += (between - points[lower]) * seal
        pose = self._pose(expression)
        points += (pose.apply(points) - points) * self._head
        points[:, 1] -= expression.breath * self._breath
        return points, pose

    def _pose(self, expression: Expression) -> Pose:
        cy, sy = math.cos(expression.yaw), math.sin(expression.yaw)
        cp, sp = math.cos(expression.pitch), math.sin(expression.pitch)
        cr, sr = math.cos(expression.roll), math.sin(expression.roll)
        turn = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
        nod = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
        lean = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
        shift = np.array([expression.shift_x, expression.shift_y, 0.0]) * self.measures.width
        return Pose((lean @ nod @ turn).astype(np.float32), self.pivot, shift.astype(np.float32))

    def _shape_lids(self, channels: dict[str, int]) -> None:
        """Replaces what moves the lids: on this face they have to meet exactly, and to stay smooth wherever they go."""
        for eye in top.EYES:
            upper, lower = self.landmarks[list(eye.upper), :2], self.landmarks[list(eye.lower), :2]
            above = np.maximum(np.interp(upper[1:-1, 0], lower[:, 0], lower[:, 1]) - upper[1:-1, 1], 0)
            below = np.maximum(lower[1:-1, 1] - np.interp(lower[1:-1, 0], upper[:, 0], upper[:, 1]), 0)
            lids = [*eye.upper, *eye.lower]
            for name, fall, rise in _LID_MOVES:
                row = self.displacements[channels[name + eye.side]]
                row[lids] = 0.0
                if name == "eyeBlink":
                    row[:] = 0.0
                row[list(eye.upper[1:-1]), 1] = fall * above
                row[list(eye.crease), 1] = fall * above * CREASE_SHARE
                row[list(eye.brow_side), 1] = fall * above * BROW_SIDE_SHARE
                row[list(eye.lower[1:-1]), 1] = -rise * below
                row[list(eye.below), 1] = -rise * below * BELOW_SHARE

    def _round_jaw(self, jaw: int) -> None:
        """A mouth that opens gets narrower and rounder: its corners come in, and the lower lip hangs in an arc."""
        middle = (self.landmarks[13, :2] + self.landmarks[14, :2]) / 2
        width = float(np.linalg.norm(self.landmarks[top.INNER_UPPER[-1], :2] - self.landmarks[top.INNER_UPPER[0], :2]))
        offset = (self.landmarks[:, :2] - middle) / width
        near = np.exp(-((offset[:, 0] / 0.65) ** 2) - (offset[:, 1] / 0.5) ** 2)
        change = self.displacements[jaw]
        change[:, 0] -= (NARROWING * width * offset[:, 0] * near).astype(np.float32)
        for lip in (list(top.INNER_LOWER), list(top.OUTER_LOWER)):
            along = np.linspace(0, 1, len(lip))
            ends = np.interp(along, [0, 1], [change[lip[0], 1], change[lip[-1], 1]])
            change[lip, 1] = ends + (change[lip[5], 1] - ends) * np.sin(np.pi * along) ** 0.55

    def _close_mouth(self, jaw: int) -> NDArray[np.float64]:
        """The landmarks with closed lips: silence is a closed mouth, also where the portrait shows teeth."""
        upper, lower = list(top.INNER_UPPER), list(top.INNER_LOWER)
        gap = float((self.landmarks[lower, 1] - self.landmarks[upper, 1]).max())
        rest = self.landmarks.copy()
        if gap < OPEN_MOUTH * self.measures.height:
            return rest
        per_weight = float(self.displacements[jaw, 14, 1] - self.displacements[jaw, 13, 1])
        rest -= min(0.75 * gap / per_weight, LARGEST_JAW_CLOSING) * self.displacements[jaw]
        between = (rest[upper] + rest[lower]) * 0.5
        for inner, outer in ((upper, list(top.OUTER_UPPER)), (lower, list(top.OUTER_LOWER))):
            change = between - rest[inner]
            rest[inner] += change
            rest[outer[1:-1]] += 0.85 * change[1:-1]
        return rest

    def _around(self, mask: NDArray[np.float32]) -> NDArray[np.float64]:
        """Points outside the face [m, 3], and how much each follows the head, the outline and the breath."""
        side, face = self.side, self.measures
        oval = self.landmarks[list(top.OVAL)]
        # One row beyond each border, so that nothing comes into sight uncovered there.
        line = np.concatenate([[-BEYOND * side], np.linspace(0, side - 1, GRID), [(1 + BEYOND) * side]])
        grid = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
        outline = oval[:, :2].astype(np.float32).reshape(-1, 1, 2)
        outside = np.array([cv2.pointPolygonTest(outline, (float(x), float(y)), True) for x, y in grid])
        grid = grid[outside < -0.55 * side / GRID]
        distance = np.linalg.norm(grid[:, None] - oval[None, :, :2], axis=2)
        near = 1 / np.maximum(distance, 1) ** 3
        near /= near.sum(1, keepdims=True)
        self._follow = (near * np.exp(-((distance.min(1) / (0.22 * face.width)) ** 2))[:, None]).astype(np.float32)
        self._follow = np.ascontiguousarray(self._follow)
        from_centre = np.hypot(
            (grid[:, 0] - face.centre[0]) / (0.5 * face.width),
            (grid[:, 1] - (face.centre[1] - 0.1 * face.height)) / (0.56 * face.height),
        )
        depth = near @ oval[:, 2] + np.clip(from_centre - 1, 0, 1) * 0.10 * face.width
        head = 1 - smoothstep((grid[:, 1] - face.chin + 0.02 * face.height) / (0.50 * face.height))
        head *= self._held_by_border(grid, mask)
        chest = smoothstep((grid[:, 1] - face.chin) / (0.35 * face.height))
        chest *= np.clip((side - 1 - grid[:, 1]) / (0.10 * side), 0, 1)
        self._head = np.concatenate([np.ones(top.POINTS), head]).astype(np.float32)[:, None]
        self._breath = (np.concatenate([np.zeros(top.POINTS), chest]) * BREATH_RISE * face.height).astype(np.float32)
        return np.column_stack([grid, depth])

    def _held_by_border(self, grid: NDArray[np.float64], mask: NDArray[np.float32]) -> NDArray[np.float64]:
        """0 at a border of the picture that cuts through the person: beyond it there is nothing to move into sight."""
        last = self.side - 1
        cells = np.clip(np.round(grid), 0, last).astype(int)
        free = np.ones(len(grid))
        at_left, at_right, at_top = mask[cells[:, 1], 0], mask[cells[:, 1], last], mask[0, cells[:, 0]]
        for cut, away in ((at_left, grid[:, 0]), (at_right, last - grid[:, 0]), (at_top, grid[:, 1])):
            free = np.minimum(free, 1 - cut * (1 - np.clip(away / (0.08 * self.side), 0, 1)))
        return free

    def _outer_triangles(self, around: NDArray[np.float64]) -> NDArray[np.int32]:
        oval = self.landmarks[list(top.OVAL), :2]
        points = np.vstack([oval, around[:, :2]])
        index = np.concatenate([top.OVAL, top.POINTS + np.arange(len(around))])
        simplices = Delaunay(points).simplices
        outline = oval.astype(np.float32).reshape(-1, 1, 2)
        centres = points[simplices].mean(1)
        outside = [cv2.pointPolygonTest(outline, (float(x), float(y)), False) < 0 for x, y in centres]
        return np.asarray(index[simplices[outside]], np.int32)

    @staticmethod
    def _meet_lids(points: NDArray[np.float32]) -> None:
        """Squinting or looking down never crosses the lids."""
        for eye in top.EYES:
            inner, lower = list(eye.upper[1:-1]), list(eye.lower)
            points[inner, 1] = np.minimum(points[inner, 1], np.interp(points[inner, 0], points[lower, 0], points[lower, 1]))


def _holes() -> NDArray[np.int32]:
    """Fans over the eyes and the mouth, drawn before the face so that no gap shows under their layers."""
    rings = [[*eye.upper, *eye.lower[-2:0:-1]] for eye in top.EYES]
    rings.append([*top.INNER_UPPER, *top.INNER_LOWER[-2:0:-1]])
    return np.array([(ring[0], ring[i], ring[i + 1]) for ring in rings for i in range(1, len(ring) - 1)], np.int32)


def smoothstep(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """0 below 0, 1 above 1, smooth between."""
    x = np.clip(x, 0, 1)
    return np.asarray(x * x * (3 - 2 * x), np.float64)
