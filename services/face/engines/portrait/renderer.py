"""From an expression to a frame."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from services.face.engines.portrait.expression import Expression
from services.face.engines.portrait.raster import lay_over_room, scan_triangles
from services.face.engines.portrait.rig import Rig
from services.face.engines.portrait.shading import Skin


class Renderer:
    """Draws one session's frames. Not for use from two threads at once."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._skin = Skin(rig.texture, rig.reliefs)
        side = rig.side
        self._frame = np.empty((side, side, 3), np.uint8)
        self._cells = np.zeros((side, side, 2), np.int16)
        self._fractions = np.zeros((side, side), np.uint16)

    def draw(self, expression: Expression) -> NDArray[np.uint8]:
        """RGB [S, S, 3]; the same array each time."""
        rig = self._rig
        points, pose = rig.mesh.move(expression)
        target = np.ascontiguousarray(points[:, :2])
        scan_triangles(target, rig.mesh.source, rig.triangles, self._cells, self._fractions)
        texture = self._skin.show(expression)
        for band in rig.bands:
            cv2.remap(
                texture, self._cells[band], self._fractions[band], cv2.INTER_LINEAR, self._frame[band], cv2.BORDER_REPLICATE
            )
        lay_over_room(self._frame, rig.room, rig.alpha, rig.opacity, self._cells, self._fractions, rig.zones, rig.spans)
        for eye, lid in zip(rig.eyes, rig.lids, strict=True):
            eye.draw(self._frame, points, pose, expression, lid.line)
            lid.draw(self._frame, points, expression)
        rig.mouth.draw(self._frame, points, pose, expression)
        return self._frame
