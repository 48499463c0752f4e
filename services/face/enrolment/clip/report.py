"""What was found in a clip, for people: lines of text, and pictures of the loop with what was found in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.face.enrolment import checks
from services.face.enrolment.clip import track
from services.face.enrolment.clip.loop import Loop
from services.face.enrolment.clip.stored import BaseClip
from services.face.enrolment.clip.track import Sight
from services.face.enrolment.clip.video import Facts

Picture = NDArray[np.uint8]

_COLUMNS: Final = 5
_SHEET: Final = 2 * _COLUMNS
_TILE_PX: Final = 192
_BOX, _POINT = (80, 220, 120), (40, 110, 255)
#: Up to this a seam is not seen.
_UNSEEN: Final = 1.0
_OFTEN_OPEN: Final = 0.1
_SHORT_S: Final = 5.0


def lines(facts: Facts, sights: Sequence[Sight], loop: Loop) -> list[str]:
    """A line for each thing that was measured."""
    usable = [sight for sight in sights if not sight.fault]
    chosen = sights[loop.first : loop.first + loop.count]
    points = np.array([sight.points for sight in chosen])
    poses = [checks.pose(face) for face in points]
    light = np.array([sight.light for sight in chosen])
    turned = [f"{name} {min(angles):+.0f} to {max(angles):+.0f}" for name, angles in _angles(poses).items()]
    goes = "there and back" if loop.there_and_back else "round"
    return [
        f"video: {facts.width} x {facts.height}, {facts.seconds:.1f} s, {facts.rate:.1f} pictures a second",
        f"pictures: {len(usable)} of {len(sights)} can be used",
        f"face: {np.median(track.eye_distances(points)):.0f} px between the eye corners",
        f"head, degrees: {', '.join(turned)}",
        f"light: within {np.abs(light / np.median(light) - 1).max():.1%}",
        f"loop: {track.seconds(loop.count):.1f} s from {track.seconds(loop.first):.1f} s on, {goes}, "
        f"anew after {track.seconds(loop.period):.1f} s",
        f"seam: {loop.seam:.2f} of a usual step from picture to picture (up to {_UNSEEN:.0f} is not seen)",
        f"mouth: shut in {1 - loop.open_share:.0%} of the loop",
    ]


def warnings(sights: Sequence[Sight], loop: Loop) -> list[str]:
    """What could be better."""
    chosen = [sight.points for sight in sights[loop.first : loop.first + loop.count] if sight.points is not None]
    found = checks.require_large(chosen[0])
    if loop.open_share > _OFTEN_OPEN:
        found.append(f"the mouth is open in {loop.open_share:.0%} of the loop, also when nothing is said; film a silent person")
    if loop.seam > _UNSEEN:
        found.append(f"the head moves where the loop turns ({loop.seam:.1f} of a usual step); film a few moments of stillness")
    if track.seconds(loop.period) < _SHORT_S:
        found.append(f"the loop is short, {track.seconds(loop.period):.1f} s; a longer video is less easily seen to repeat")
    return found


def sheet(clip: BaseClip, pictures: Iterable[Picture]) -> Picture:
    """Ten pictures of the loop at equal distances, RGB, with boxes and landmarks; `pictures` are all of it."""
    shown = set(np.linspace(0, clip.count - 1, _SHEET).round().astype(int).tolist())
    tiles = [_tile(clip, picture, at) for at, picture in enumerate(pictures) if at in shown]
    rows = [np.concatenate(tiles[start : start + _COLUMNS], axis=1) for start in range(0, _SHEET, _COLUMNS)]
    return np.concatenate(rows, axis=0)


def _tile(clip: BaseClip, picture: Picture, at: int) -> Picture:
    scale = _TILE_PX / clip.side
    tile = cv2.resize(picture, (_TILE_PX, _TILE_PX), interpolation=cv2.INTER_AREA)
    left, top, right, bottom = (clip.boxes[at] * scale).round().astype(int).tolist()
    cv2.rectangle(tile, (left, top), (right, bottom), _BOX, 1)
    for x, y in (clip.points[at] * scale).round().astype(int).tolist()[::2]:
        cv2.circle(tile, (x, y), 0, _POINT, -1)
    cv2.putText(tile, f"{track.seconds(at):.1f} s", (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, _BOX, 1, cv2.LINE_AA)
    return np.asarray(tile, np.uint8)


def _angles(poses: Sequence[checks.Pose]) -> dict[str, list[float]]:
    return {
        "to the side": [pose.yaw for pose in poses],
        "up and down": [pose.pitch - checks.LEVEL_PITCH_DEG for pose in poses],
        "leaning": [pose.roll for pose in poses],
    }
