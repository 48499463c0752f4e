"""Where a clip can be made a loop: the two pictures between which it can go round, or turn, without a jump.

Going round, the picture after the last one is the first, so what follows the last one in the clip must look as the first does,
and move as it does: pictures are compared with their neighbours, as in A. Schoedl et al., "Video Textures", 2000. Going there
and back, nothing can jump, but what moves turns round; so it turns where nothing moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.face.engine import FRAMES_PER_SECOND
from services.face.enrolment import checks
from services.face.enrolment.clip import track
from vivant.errors import Unusable

Array = NDArray[np.float64]

MIN_PICTURES: Final = 2 * FRAMES_PER_SECOND
#: Longer loops are less easily noticed. What is kept of each picture for painting takes 1.2 MB: 290 MB in all.
MAX_PICTURES: Final = 10 * FRAMES_PER_SECOND
#: Two faces that are as close as this look the same: half a pixel for a hundred from eye corner to eye corner.
_SAME_POINTS: Final = 0.005
#: As this, of 256: less than the noise of a camera's picture is seen in a thumbnail.
_SAME_GREY: Final = 1.0
#: A step that is larger than nine of ten in the clip itself catches the eye.
_USUAL: Final = 90
#: Pictures on either side are compared as well, with these weights (binomial).
_NEIGHBOURS: Final = np.array([1, 4, 6, 4, 1]) / 16
_REACH: Final = len(_NEIGHBOURS) // 2
#: A loop that goes round looks alive for longer than one that goes back; this much of a usual step is not seen instead.
_BACK_COSTS: Final = 0.3
#: A mouth that opens in silence is worse than any seam; by the root of its share, since a single twitch is seen as well.
_OPEN_COSTS: Final = 4.0
_SHORT_COSTS: Final = 1.0


@dataclass(frozen=True)
class Loop:
    """A stretch of a clip that can be shown for ever."""

    first: int
    """In the clip."""
    count: int
    there_and_back: bool
    seam: float
    """How much changes where it begins anew or turns, in steps that are usual in the clip; up to 1 is not seen."""
    open_share: float
    """The share of its pictures in which the mouth is open."""

    @property
    def period(self) -> int:
        """Pictures that are shown until it begins anew."""
        return 2 * (self.count - 1) if self.there_and_back else self.count


def find(points: Array, thumbnails: Array, mouths: Array) -> Loop:
    """The best loop of consecutive pictures: landmarks [N, 478, 3], grey thumbnails [N, ...], openings of the mouth [N].

    Raises Unusable when there are too few pictures.
    """
    count = len(points)
    # Each end has neighbours that it is compared with.
    if count < MIN_PICTURES + 2 * _REACH + 1:
        raise Unusable(
            f"no more than {track.seconds(count):.1f} s of the video can be used at a stretch; "
            f"{track.seconds(MIN_PICTURES + 2 * _REACH + 1):.1f} s are needed",
            reason="no_loop",
        )
    apart = distances(points, thumbnails)
    opened = np.concatenate([[0.0], np.cumsum(mouths > track.OPEN_MOUTH)])
    best, chosen = np.inf, None
    for length in range(MIN_PICTURES, min(MAX_PICTURES, count - 2 * _REACH - 1) + 1):
        # Neighbours on both sides are there for what begins between these two.
        starts = np.arange(_REACH, count - length - _REACH)
        open_share = (opened[starts + length] - opened[starts]) / length
        for there_and_back in (False, True):
            seams = _turns(apart, length) if there_and_back else _rounds(apart, length)
            period = 2 * (length - 1) if there_and_back else length
            costs = seams + _OPEN_COSTS * np.sqrt(open_share) + _SHORT_COSTS * max(0.0, 1 - period / MAX_PICTURES)
            costs = costs + _BACK_COSTS if there_and_back else np.where(seams <= 1, costs, np.inf)
            at = int(costs.argmin())
            if costs[at] < best:
                best = costs[at]
                chosen = Loop(int(starts[at]), length, there_and_back, float(seams[at]), float(open_share[at]))
    assert chosen is not None
    return chosen


def distances(points: Array, thumbnails: Array) -> Array:
    """How different any two pictures are, [N, N], in steps that are usual in this clip from one picture to the next."""
    places = points[:, : checks.SKIN, :2] / np.median(track.eye_distances(points))
    # Of each point, not of each coordinate.
    moved = _rms(places.reshape(len(points), -1)) * np.sqrt(2)
    changed = _rms(thumbnails.reshape(len(thumbnails), -1))
    return np.asarray(np.maximum(moved / _usual(moved, _SAME_POINTS), changed / _usual(changed, _SAME_GREY)))


def rest(points: Array, mouths: Array, eyes: Array) -> int:
    """The picture in which a conversation begins: mouth shut, eyes open, the head where it mostly is."""
    faces = points[:, : checks.SKIN, :2]
    away = np.sqrt(((faces - np.median(faces, axis=0)) ** 2).sum(2).mean(1)) / track.eye_distances(points)
    shut = np.maximum(0, 1 - eyes / np.median(eyes))
    return int((mouths / track.OPEN_MOUTH + shut / 0.2 + away / (4 * _SAME_POINTS)).argmin())


def _rounds(apart: Array, length: int) -> Array:
    """For loops that begin at 2, 3, ...: how different what follows the last picture is from the first."""
    return np.convolve(np.diag(apart, length), _NEIGHBOURS, "valid")


def _turns(apart: Array, length: int) -> Array:
    """For loops that begin at 2, 3, ...: how different the pictures beside those are at which they turn, the worse of both."""
    starts = np.arange(_REACH, len(apart) - length - _REACH)
    # Of the picture k it is how different those at k - 1 and k + 1 are.
    turn = np.concatenate([[np.inf], np.diag(apart, 2)])
    return np.asarray(np.maximum(turn[starts], turn[starts + length - 1]))


def _usual(apart: Array, least: float) -> float:
    return max(float(np.percentile(np.diag(apart, 1), _USUAL)), least)


def _rms(rows: Array) -> Array:
    """Root mean square of the differences between any two rows of [N, M], float [N, N]."""
    rows = rows - rows.mean(0)
    squares = (rows**2).sum(1)
    return np.asarray(np.sqrt(np.maximum(squares[:, None] + squares[None] - 2 * rows @ rows.T, 0) / rows.shape[1]))
