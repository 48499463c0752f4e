"""From a sent video to the base clip, step by step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.face.engine import FRAMES_PER_SECOND
from services.face.enrolment.clip import loop, report, stored, track, video
from services.face.enrolment.clip.loop import Loop
from services.face.enrolment.clip.stored import BaseClip
from services.face.enrolment.clip.track import Sight
from services.face.enrolment.finder import Finder
from services.face.enrolment.picture import SQUARE_IN_FACES, png
from vivant.errors import Unusable

Picture = NDArray[np.uint8]

#: The share of the time that finding the faces takes.
FOUND: Final = 0.8


@dataclass(frozen=True)
class Made:
    """A base clip that can be kept."""

    files: dict[str, bytes]
    """By their places in the persona's folder."""
    preview: bytes
    """PNG."""
    warnings: tuple[str, ...]
    report: tuple[str, ...]


async def make(data: bytes, finder: Finder) -> AsyncGenerator[float | Made, None]:
    """How much is done (0..1), then what was made. Raises Unusable with the rule that the video breaks."""
    facts = await asyncio.to_thread(video.examine, data)
    expected = facts.seconds * FRAMES_PER_SECOND
    sights: list[Sight] = []
    size = (0, 0)
    async with aclosing(finder.follow(video.pictures(data))) as pictures:
        async for seen in pictures:
            sights.append(await asyncio.to_thread(track.look, seen))
            size = (seen.picture.shape[1], seen.picture.shape[0])
            yield FOUND * min(1.0, len(sights) / expected)
    sights = track.in_one_light(sights)
    track.require_usable(sights)
    found, clip, square = await asyncio.to_thread(_choose, sights, size)
    yield FOUND + 0.05
    files = await asyncio.to_thread(stored.files, clip, _cut(video.pictures(data), found, square, clip.side))
    sheet = await asyncio.to_thread(report.sheet, clip, stored.pictures(files[stored.VIDEO]))
    yield Made(
        files,
        png(sheet),
        tuple(report.warnings(sights, found)),
        tuple(report.lines(facts, sights, found)),
    )


def _choose(sights: list[Sight], size: tuple[int, int]) -> tuple[Loop, BaseClip, tuple[int, int, int]]:
    """The loop, what there is to know of it, and its square: left, top and edge in the pictures of the video."""
    run = track.runs(sights)[0]
    points = np.array([sight.points for sight in sights[run]])
    steady = track.smoothed(points)
    mouths = track.mouths(steady)
    found = loop.find(steady, np.array([sight.thumbnail for sight in sights[run]], np.float64), mouths)
    part = slice(found.first, found.first + found.count)
    boxes = track.smoothed(track.outlines(points))[part]
    square = _square(boxes, size)
    left, top, edge = square
    side = min(stored.LARGEST_SIDE_PX, edge) // 2 * 2
    scale = side / edge
    # Pixels are counted from the middle of the first one.
    corner = np.array([left, top])
    placed = (steady[part, :, :2] - corner + 0.5) * scale - 0.5
    around = (boxes - np.tile(corner, 2) + 0.5) * scale - 0.5
    resting = loop.rest(steady[part], mouths[part], track.eyes(points[part]))
    clip = BaseClip(side, placed.astype(np.float32), around.astype(np.float32), found.there_and_back, resting)
    return replace(found, first=run.start + found.first), clip, square


def _square(boxes: NDArray[np.float64], size: tuple[int, int]) -> tuple[int, int, int]:
    """Left, top and edge of the square around a head that moves, as large around it as that of a portrait."""
    width, height = size
    low, high = boxes[:, :2].min(0), boxes[:, 2:].max(0)
    usual = float(np.median(boxes[:, 2] - boxes[:, 0]))
    edge = min(width, height, round(max(SQUARE_IN_FACES * usual, float((high - low).max()))))
    if float((high - low).max()) > edge:
        raise Unusable("the head moves through more than the height of the picture; sit still", reason="face_cut_off")
    left, top = np.clip((low + high) / 2 - edge / 2, 0, [width - edge, height - edge]).round().astype(int)
    return int(left), int(top), edge


def _cut(pictures: Iterator[Picture], found: Loop, square: tuple[int, int, int], side: int) -> Iterator[Picture]:
    left, top, edge = square
    for index, picture in enumerate(pictures):
        if found.first <= index < found.first + found.count:
            part = picture[top : top + edge, left : left + edge]
            yield np.ascontiguousarray(cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA))
