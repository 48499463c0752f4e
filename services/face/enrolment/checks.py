"""What makes a picture usable as a talking portrait. Pure measurements on landmarks, each with its rule and its refusal.

The landmark models find "faces" in animals, drawings and stretched pictures, so a face must also be believed: by the detector,
by the proportions of a human head, and by its mirror image, in which the same points must be found again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from vivant.errors import Unusable

Points = NDArray[np.float64]

HEAD: Final = Path(__file__).resolve().parents[1] / "assets" / "face_basis.npz"
#: Points beyond these are irises, which the generic head does not have.
SKIN: Final = 468

# FaceMesh indices: eye corners (outer, inner), and the middle of the upper and the lower lid, of the right and the left eye.
RIGHT_EYE: Final = (33, 133, 159, 145)
LEFT_EYE: Final = (263, 362, 386, 374)

#: Detections below this do not count as faces at all.
SEEN_SCORE: Final = 0.5
#: Measured: photographs and rendered portraits 0.85 to 0.99, a drawn smiley 0.73, a face upside down 0.78.
HUMAN_SCORE: Final = 0.8
#: RMS distance to the fitted generic head, in eye distances. Measured: 0.04 to 0.07; stretched by 1.8 in one direction 0.13.
MAX_RESIDUAL: Final = 0.1
#: RMS distance to the points found in the mirror image, in eye distances. Measured: 0.04 to 0.055; a negative 0.071.
MAX_MIRROR: Final = 0.065
#: Outer eye corner to outer eye corner.
MIN_EYES_PX: Final = 48
SOFT_EYES_PX: Final = 100
MAX_YAW_DEG: Final = 14.0
MAX_ROLL_DEG: Final = 18.0
#: What the fit reads as pitch in a frontal portrait; camera height and face shape move it by some 5 degrees.
LEVEL_PITCH_DEG: Final = 8.0
MAX_PITCH_DEG: Final = 15.0
#: Lid opening over eye width, of the wider eye. Measured: open 0.29 to 0.5.
MIN_EYE_OPENING: Final = 0.14
#: Variance of the Laplacian over that of the grey values, face at 200 px. Measured: 0.017 to 0.24; blurred 0.001 to 0.006.
MIN_SHARPNESS: Final = 0.01
SOFT_SHARPNESS: Final = 0.03


@dataclass(frozen=True)
class Face:
    """One face as the landmark models found it."""

    score: float
    box: tuple[float, float, float, float]
    """Left, top, right, bottom in pixels."""
    points: Points | None
    """[478, 3] in pixels; None when only the detector saw it."""
    mirrored: Points | None
    """The same points as found in the mirror image."""

    @property
    def width(self) -> float:
        return self.box[2] - self.box[0]


@dataclass(frozen=True)
class Pose:
    """Degrees; yaw to the picture's right, pitch down and roll clockwise are positive."""

    yaw: float
    pitch: float
    roll: float
    residual: float
    """RMS distance to the generic head in eye distances."""


def choose(faces: Sequence[Face], width: int, height: int) -> Points:
    """The landmarks of the one face of a picture; raises as `only_face` and `require_human`."""
    face = only_face(faces, width, height)
    require_human(face)
    assert face.points is not None
    return face.points


def only_face(faces: Sequence[Face], width: int, height: int) -> Face:
    """The one face of a picture, with its landmarks; raises Unusable when there is none, are several, or it is not whole."""
    seen = [face for face in faces if face.score >= SEEN_SCORE]
    if not seen:
        raise Unusable("no face was found; use a picture of one person looking at the camera", reason="no_face")
    largest = seen[0]
    rivals = [face for face in seen[1:] if face.width >= 0.35 * largest.width]
    if rivals:
        raise Unusable(
            f"{1 + len(rivals)} faces were found; cut the picture so that only one person is in it", reason="several_faces"
        )
    left, top, right, bottom = largest.box
    outside = left < 0 or top < 0 or right > width or bottom > height
    if largest.points is None:
        if outside and largest.score >= HUMAN_SCORE:
            raise Unusable("the face is cut off by the edge; the whole face must be in the picture", reason="face_cut_off")
        raise Unusable("what was found does not have the features of a face; use a clear picture of a person", reason="no_face")
    low, high = largest.points[:SKIN, :2].min(0), largest.points[:SKIN, :2].max(0)
    margin = 0.02 * (high[0] - low[0])
    if (low < margin).any() or (high > np.array([width, height]) - margin).any():
        raise Unusable("the face is cut off by the edge; leave some room around it", reason="face_cut_off")
    return largest


def require_human(face: Face) -> None:
    """Raises Unusable when this is hardly a human face."""
    assert face.points is not None
    problem = None
    if face.score < HUMAN_SCORE:
        problem = f"the detector is only {face.score:.0%} sure of it ({HUMAN_SCORE:.0%} needed)"
    elif pose(face.points).residual > MAX_RESIDUAL:
        problem = "its proportions are not those of a human head; is the picture stretched?"
    elif face.mirrored is None or mirror_distance(face.points, face.mirrored) > MAX_MIRROR:
        problem = "its features are not found again in the mirror image"
    if problem:
        raise Unusable(f"this does not look like the photograph or portrait of a person: {problem}", reason="not_a_human_face")


def require_pose(points: Points) -> list[str]:
    """Big enough, frontal, eyes open: raises Unusable, or returns warnings."""
    warnings = require_large(points) + require_frontal(points)
    if max(opening(points, RIGHT_EYE), opening(points, LEFT_EYE)) < MIN_EYE_OPENING:
        raise Unusable("the eyes are closed; use a picture with open eyes", reason="eyes_closed")
    return warnings


def require_large(points: Points) -> list[str]:
    """Raises Unusable for a face that is too small, or returns warnings."""
    eyes = eye_distance(points)
    if eyes < MIN_EYES_PX:
        raise Unusable(
            f"the face is too small: {eyes:.0f} px between the outer eye corners, {MIN_EYES_PX} needed; go closer",
            reason="face_too_small",
        )
    if eyes < SOFT_EYES_PX:
        return [f"the face is small ({eyes:.0f} px between the eye corners); it will look soft at 512 px"]
    return []


def require_frontal(points: Points) -> list[str]:
    """Raises Unusable for a head that does not look at the camera, or returns warnings."""
    warnings = []
    turned = pose(points)
    for name, angle, limit in (
        ("turned to the side", turned.yaw, MAX_YAW_DEG),
        ("tilted up or down", turned.pitch - LEVEL_PITCH_DEG, MAX_PITCH_DEG),
        ("leaning", turned.roll, MAX_ROLL_DEG),
    ):
        if abs(angle) > limit:
            raise Unusable(
                f"the head is {name} by {abs(angle):.0f} degrees, at most {limit:.0f} can be used; look straight at the camera",
                reason="not_frontal",
            )
        if abs(angle) > 0.7 * limit:
            warnings.append(f"the head is {name} by {abs(angle):.0f} degrees; a straighter picture moves better")
    return warnings


def require_sharp(image: NDArray[np.uint8], points: Points) -> list[str]:
    """Raises Unusable for a blurred face, or returns warnings. `image` is RGB [H, W, 3]."""
    low = np.maximum(points[:SKIN, :2].min(0), 0).astype(int)
    high = points[:SKIN, :2].max(0).astype(int)
    grey = cv2.cvtColor(image[low[1] : high[1], low[0] : high[0]], cv2.COLOR_RGB2GRAY)
    method = cv2.INTER_AREA if grey.shape[0] > 200 else cv2.INTER_CUBIC
    grey = cv2.resize(grey, (200, 200), interpolation=method)
    sharpness = float(cv2.Laplacian(grey, cv2.CV_64F).var() / max(1.0, float(grey.var())))
    if sharpness < MIN_SHARPNESS:
        raise Unusable("the face is blurred; use a sharper picture", reason="blurred")
    return ["the face is a little blurred"] if sharpness < SOFT_SHARPNESS else []


def pose(points: Points) -> Pose:
    """How a head is turned, by a least-squares similarity fit of the generic one (S. Umeyama, 1991)."""
    head = _head() - _head().mean(0)
    face = points[:SKIN] - points[:SKIN].mean(0)
    u, singular, vt = np.linalg.svd(face.T @ head)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * signs) @ vt
    scale = (singular * signs).sum() / (head**2).sum()
    apart = (face - scale * head @ rotation.T)[:, :2]
    return Pose(
        yaw=float(np.degrees(np.arctan2(rotation[0, 2], rotation[2, 2]))),
        pitch=float(np.degrees(np.arcsin(np.clip(-rotation[1, 2], -1, 1)))),
        roll=float(np.degrees(np.arctan2(rotation[1, 0], rotation[1, 1]))),
        residual=float(np.sqrt((apart**2).sum(1).mean()) / eye_distance(points)),
    )


def mirror_distance(points: Points, mirrored: Points) -> float:
    """RMS distance between points and their counterparts found in the mirror image, in eye distances."""
    apart = (points[:SKIN] - mirrored[_counterparts()])[:, :2]
    return float(np.sqrt((apart**2).sum(1).mean()) / eye_distance(points))


def eye_distance(points: Points) -> float:
    """Outer eye corner to outer eye corner, in pixels."""
    return float(np.linalg.norm(points[RIGHT_EYE[0], :2] - points[LEFT_EYE[0], :2]))


def opening(points: Points, eye: tuple[int, int, int, int]) -> float:
    """Lid opening over the width of one eye."""
    outer, inner, upper, lower = points[list(eye), :2]
    return float(np.linalg.norm(upper - lower) / np.linalg.norm(outer - inner))


@cache
def _head() -> Points:
    """The generic head [468, 3] in image axes: y down, z away from the viewer."""
    with np.load(HEAD) as data:
        return np.asarray(data["neutral"][:SKIN] * [1.0, -1.0, -1.0], np.float64)


@cache
def _counterparts() -> NDArray[np.intp]:
    """For each point the index of the one on the other side of the face."""
    flipped = _head() * [-1.0, 1.0, 1.0]
    return np.asarray(((flipped[:, None] - _head()[None]) ** 2).sum(-1).argmin(1))
