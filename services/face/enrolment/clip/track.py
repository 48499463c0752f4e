"""What was seen in the pictures of a clip, one by one, and what is wrong with those that cannot be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.face.engine import FRAMES_PER_SECOND
from services.face.enrolment import checks
from services.face.enrolment.finder import Followed
from vivant.errors import Unusable

#: Of so large a share of the pictures something may be wrong; the loop is then made of others. Detectors err now and then.
LENIENT: Final = 0.02
#: A face may be so much brighter or darker than it mostly is: less is the shading of a head that turns.
MAX_LIGHT: Final = 0.1
#: Edge of the small grey picture by which pictures are compared.
THUMBNAIL_PX: Final = 48
#: Landmarks and boxes are averaged over so many pictures, as they were when Wav2Lip was trained.
SMOOTHED: Final = 5
#: Between the middles of the inner lips, in eye distances. Measured: shut 0.00 to 0.004, while sounds are made up to 0.1.
OPEN_MOUTH: Final = 0.03
_UPPER_LIP, _LOWER_LIP = 13, 14

#: For each fault: the error, what is said of its pictures, what to do about it, its reason.
_FAULTS: Final = (
    (Unusable, "no face", "one person must be in all of it, looking at the camera", "no_face"),
    (Unusable, "two faces", "only one person may be in it", "several_faces"),
    (Unusable, "a face cut off by the edge", "leave some room around the head", "face_cut_off"),
    (Unusable, "what is hardly a human face", "use a video of a person", "not_a_human_face"),
    (
        Unusable,
        f"a face with less than {checks.MIN_EYES_PX} px between the eye corners",
        "go closer to the camera",
        "face_too_small",
    ),
    (Unusable, "a head that is turned away", "look straight at the camera", "not_frontal"),
    (Unusable, "a blurred face", "use more light, and hold the camera still", "blurred"),
    (
        Unusable,
        f"a face brighter or darker by more than {MAX_LIGHT:.0%}",
        "use steady light and a fixed exposure",
        "light_changes",
    ),
)


@dataclass(frozen=True)
class Sight:
    """What was seen in one picture."""

    fault: str
    """The rule that it breaks; empty when it can be used."""
    points: checks.Points | None
    """[478, 3] in pixels; None where there is no face, or another one beside it."""
    light: float
    """Mean grey of the face."""
    thumbnail: NDArray[np.float32]
    """Grey [48, 48] of the whole picture."""


def look(seen: Followed) -> Sight:
    """Judges one picture by itself, with the limits for portraits."""
    grey = cv2.cvtColor(seen.picture, cv2.COLOR_RGB2GRAY)
    thumbnail = cv2.resize(grey, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    points, light, fault = None, 0.0, ""
    try:
        face = checks.only_face(seen.faces, seen.picture.shape[1], seen.picture.shape[0])
        points = face.points
        assert points is not None
        low, high = np.maximum(points[: checks.SKIN, :2].min(0), 0).astype(int), points[: checks.SKIN, :2].max(0).astype(int)
        light = float(grey[low[1] : high[1], low[0] : high[0]].mean())
        if seen.mirrored:
            checks.require_human(face)
        checks.require_large(points)
        checks.require_frontal(points)
        checks.require_sharp(seen.picture, points)
    except Unusable as exc:
        fault = exc.reason
    return Sight(fault, points, light, thumbnail)


def in_one_light(sights: Sequence[Sight]) -> list[Sight]:
    """The same, with a fault where the face has another light than it mostly has."""
    usual = float(np.median([sight.light for sight in sights if not sight.fault] or [1.0]))
    return [
        Sight("light_changes", sight.points, sight.light, sight.thumbnail)
        if not sight.fault and abs(sight.light - usual) > MAX_LIGHT * usual
        else sight
        for sight in sights
    ]


def require_usable(sights: Sequence[Sight]) -> None:
    """Raises Unusable with the rule that most of the unusable pictures break, when there are too many of these."""
    faults = Counter(sight.fault for sight in sights if sight.fault)
    if faults.total() <= LENIENT * len(sights):
        return
    fault, count = faults.most_common(1)[0]
    rows = {row[-1]: row for row in _FAULTS}
    kind, what, advice, _ = rows[fault]
    others = ", ".join(f"{rows[name][1]} in {number}" for name, number in faults.most_common()[1:])
    also = f" (also {others})" if others else ""
    raise kind(f"{what} in {count} of {len(sights)} pictures{also}; {advice}", reason=fault)


def runs(sights: Sequence[Sight]) -> list[slice]:
    """The stretches of pictures without a fault, those first that are longest."""
    found, start = [], None
    for index, sight in enumerate([*sights, None]):
        usable = sight is not None and not sight.fault
        if usable and start is None:
            start = index
        elif not usable and start is not None:
            found.append(slice(start, index))
            start = None
    return sorted(found, key=lambda run: run.start - run.stop)


def smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """[N, ...] averaged over 5 neighbours; over fewer at the ends, as many on either side."""
    result = np.empty_like(values)
    for index in range(len(values)):
        reach = min(SMOOTHED // 2, index, len(values) - 1 - index)
        result[index] = values[index - reach : index + reach + 1].mean(0)
    return result


def outlines(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The box around each face of [N, 478, 2 or 3], float [N, 4]: left, top, right, bottom in pixels."""
    skin = points[:, : checks.SKIN, :2]
    return np.concatenate([skin.min(1), skin.max(1)], axis=1)


def mouths(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far the lips are apart in each face of [N, 478, 3], in eye distances."""
    apart = np.linalg.norm(points[:, _UPPER_LIP, :2] - points[:, _LOWER_LIP, :2], axis=1)
    return np.asarray(apart / eye_distances(points))


def eyes(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far the eyes are open, each of [N, 478, 3]: lid opening over eye width."""
    return np.array([(checks.opening(face, checks.RIGHT_EYE) + checks.opening(face, checks.LEFT_EYE)) / 2 for face in points])


def eye_distances(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Outer eye corner to outer eye corner in each face of [N, 478, 3], in pixels."""
    return np.asarray(np.linalg.norm(points[:, checks.RIGHT_EYE[0], :2] - points[:, checks.LEFT_EYE[0], :2], axis=1))


def seconds(count: int) -> float:
    """How long so many pictures last."""
    return count / FRAMES_PER_SECOND
