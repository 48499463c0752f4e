"""The 52 ARKit displacements at the 478 landmark points, and their fit to a face."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.face.engines.portrait.topology import POINTS

ASSETS = Path(__file__).resolve().parents[2] / "assets"

#: Points with an iris in them have no counterpart on the head that the displacements were taken from.
SKIN_POINTS = 468


@dataclass(frozen=True)
class Basis:
    """The generic head, in image axes: x right, y down, z away from the viewer."""

    neutral: NDArray[np.float64]
    """[478, 3], head units."""
    displacements: NDArray[np.float64]
    """[52, 478, 3], head units at full weight."""
    triangles: NDArray[np.int32]
    """[854, 3], indices of points."""
    channels: dict[str, int]
    """ARKit name -> row of `displacements`."""


@cache
def load_basis() -> Basis:
    """Reads `face_basis.npz` (see ASSETS.md)."""
    flip = np.array([1.0, -1.0, -1.0])
    with np.load(ASSETS / "face_basis.npz") as data:
        return Basis(
            neutral=data["neutral"].astype(np.float64) * flip,
            displacements=data["displacements"].astype(np.float64) * flip,
            triangles=data["triangles"].astype(np.int32),
            channels={str(name): row for row, name in enumerate(data["names"])},
        )


def fit(basis: Basis, points: NDArray[np.float64]) -> NDArray[np.float32]:
    """Displacements [52, 478, 3] in pixels for a face whose landmarks are `points` [478, 3].

    One similarity (scale and rotation) is fitted by least squares: S. Umeyama, "Least-squares estimation of transformation
    parameters between two point patterns", 1991. Proportions stay those of the generic head; its motions suit any face.
    """
    generic = basis.neutral[:SKIN_POINTS] - basis.neutral[:SKIN_POINTS].mean(0)
    face = points[:SKIN_POINTS] - points[:SKIN_POINTS].mean(0)
    u, singular, vt = np.linalg.svd(face.T @ generic)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * signs) @ vt
    scale = (singular * signs).sum() / (generic**2).sum()
    fitted = basis.displacements @ (scale * rotation).T
    fitted[:, SKIN_POINTS:POINTS] = 0.0
    return np.asarray(fitted, np.float32)
