"""From moved triangles to pixels: a map for OpenCV's fixed-point remap, and the person laid over the room."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from services.face.engines.portrait.kernels import kernel

#: What a pixel shows. For pixels of the output it is decided once, with allowance for all movement.
ROOM, EDGE, PERSON = 0, 1, 2


@kernel
def scan_triangles(
    target: NDArray[np.float32],
    source: NDArray[np.float32],
    triangles: NDArray[np.int32],
    cells: NDArray[np.int16],
    fractions: NDArray[np.uint16],
) -> None:
    """Writes where each pixel comes from.

    `target` and `source` [n, 2] are the corners in pixels of the output and of the texture; `triangles` [m, 3] are drawn in
    order, later over earlier. `cells` [S, S, 2] and `fractions` [S, S] are OpenCV's CV_16SC2 and CV_16UC1 maps: whole pixels,
    and 5 bits each of x and y. Pixels that no triangle covers keep what they had.
    """
    height, width = fractions.shape
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        if target[b, 1] < target[a, 1]:
            a, b = b, a
        if target[c, 1] < target[a, 1]:
            a, c = c, a
        if target[c, 1] < target[b, 1]:
            b, c = c, b
        ax, ay, bx, by, cx, cy = target[a, 0], target[a, 1], target[b, 0], target[b, 1], target[c, 0], target[c, 1]
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if abs(area) < 1e-5:
            continue
        first, last = max(0, math.ceil(ay)), min(height - 1, math.floor(cy))
        if first > last:
            continue
        scale = 65536.0 / area
        ub, vb = source[b, 0] - source[a, 0], source[b, 1] - source[a, 1]
        uc, vc = source[c, 0] - source[a, 0], source[c, 1] - source[a, 1]
        du_dx, dv_dx = (ub * (cy - ay) - uc * (by - ay)) * scale, (vb * (cy - ay) - vc * (by - ay)) * scale
        du_dy, dv_dy = (uc * (bx - ax) - ub * (cx - ax)) * scale, (vc * (bx - ax) - vb * (cx - ax)) * scale
        long_slope = (cx - ax) / (cy - ay)
        upper_slope = (bx - ax) / (by - ay) if by > ay else 0.0
        lower_slope = (cx - bx) / (cy - by) if cy > by else 0.0
        u_step, v_step = np.int32(du_dx), np.int32(dv_dx)
        for y in range(first, last + 1):
            one = ax + (y - ay) * long_slope
            other = ax + (y - ay) * upper_slope if (y < by and by > ay) else bx + (y - by) * lower_slope
            left, right = max(0, math.ceil(min(one, other) - 2e-3)), min(width - 1, math.floor(max(one, other) + 2e-3))
            # Half of the finest step (1/32 pixel) is added so that cutting bits off rounds to the nearest.
            u = np.int32(source[a, 0] * 65536.0 + (left - ax) * du_dx + (y - ay) * du_dy + 1024.0)
            v = np.int32(source[a, 1] * 65536.0 + (left - ax) * dv_dx + (y - ay) * dv_dy + 1024.0)
            for x in range(left, right + 1):
                cells[y, x, 0] = u >> 16
                cells[y, x, 1] = v >> 16
                fractions[y, x] = ((v >> 6) & 992) | ((u >> 11) & 31)
                u += u_step
                v += v_step


@kernel
def lay_over_room(  # noqa: PLR0917 - compiled functions take their arguments by position
    frame: NDArray[np.uint8],
    room: NDArray[np.uint8],
    alpha: NDArray[np.uint8],
    opacity: NDArray[np.uint8],
    cells: NDArray[np.int16],
    fractions: NDArray[np.uint16],
    zones: NDArray[np.uint8],
    spans: NDArray[np.int32],
) -> None:
    """Completes a frame that holds the premultiplied person: the room is added where the person does not cover it.

    `zones` [S, S] says where that can be; `spans` [S, 2] the columns of each row between the outermost pixels that are not
    certainly ROOM. `alpha` [T, T] is the texture's, `opacity` what `opacity_of` makes of it.
    """
    height = zones.shape[0]
    side = alpha.shape[0]
    for y in range(height):
        start, stop = spans[y, 0], spans[y, 1]
        frame[y, :start] = room[y, :start]
        frame[y, stop:] = room[y, stop:]
        for x in range(start, stop):
            if zones[y, x] == PERSON:
                continue
            u = np.int32(min(max(cells[y, x, 0], 0), side - 2))
            v = np.int32(min(max(cells[y, x, 1], 0), side - 2))
            seen = opacity[v, u]
            if seen == PERSON:
                continue
            if seen == ROOM or zones[y, x] == ROOM:
                for k in range(3):
                    frame[y, x, k] = room[y, x, k]
                continue
            a, b = np.int32(alpha[v, u]), np.int32(alpha[v, u + 1])
            c, d = np.int32(alpha[v + 1, u]), np.int32(alpha[v + 1, u + 1])
            fu, fv = np.int32(fractions[y, x] & 31), np.int32(fractions[y, x] >> 5)
            above, below = (a << 5) + (b - a) * fu, (c << 5) + (d - c) * fu
            free = np.int32(261120) - ((above << 5) + (below - above) * fv)
            free += free >> 8
            for k in range(3):
                value = frame[y, x, k] + ((np.int32(room[y, x, k]) * free + 131072) >> 18)
                frame[y, x, k] = np.uint8(min(value, 255))


def opacity_of(alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What each pixel of the texture shows together with its neighbours to the right and below: ROOM, EDGE or PERSON."""
    square = np.ones((2, 2), np.uint8)
    least = cv2.erode(alpha, square, anchor=(0, 0))
    most = cv2.dilate(alpha, square, anchor=(0, 0))
    return np.where(least == 255, PERSON, np.where(most == 0, ROOM, EDGE)).astype(np.uint8)
