"""The person cut out softly, and the room without the person: what lets a head move in front of a wall that stands still."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from services.face.engines.portrait.portrait import Portrait, resize

#: In parts of the picture's side.
EDGE_RADIUS = 0.011
CLEARANCE = 0.0065
HAIR_REACH = 0.045
#: Smallest variance that the guided filter takes for an edge, for grey values in 0..1.
EDGE_VARIANCE = 4e-4


@dataclass(frozen=True)
class Layers:
    """The picture in two parts: `person` + (1 - alpha) * `room` is the picture that was enrolled."""

    person: NDArray[np.uint8]
    """RGB [T, T, 3], premultiplied with alpha."""
    alpha: NDArray[np.uint8]
    """[T, T], 255 where only the person is."""
    room: NDArray[np.uint8]
    """RGB [T, T, 3], filled in where the person was."""


def separate(portrait: Portrait) -> Layers:
    """Splits the portrait.

    At a soft edge the person is what the room does not explain: at rest the two add up to the original, and a fine hair that
    the mask has only in part still moves with the head.
    """
    picture = portrait.image.astype(np.float32)
    alpha = soften(portrait.image, portrait.mask)
    alpha = np.maximum(alpha, _loose_hair(portrait.image, alpha))
    room, near = fill(portrait.image, alpha)
    # Where the picture is darker than the room can be, something of the person covers it.
    least = 1 - (picture / np.maximum(room, 1)).min(2)
    alpha = np.where(near, np.maximum(alpha, np.clip(least, 0, 1)), alpha)[..., None]
    person = np.clip(picture - (1 - alpha) * room, 0, 255 * alpha)
    return Layers(_bytes(person), _bytes(alpha[..., 0] * 255), _bytes(room))


def _loose_hair(image: NDArray[np.uint8], alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Coverage [N, N] by thin dark lines close to the person: single hairs, which no mask has."""
    side = image.shape[0]
    near = cv2.dilate((alpha > 0.3).astype(np.uint8), _disc(HAIR_REACH * side)) > 0
    bright = cv2.morphologyEx(image, cv2.MORPH_CLOSE, _disc(0.006 * side)).astype(np.float32)
    darker = 1 - (image / np.maximum(bright, 1)).min(2)
    return np.asarray(np.where(near, np.clip((darker - 0.07) * 1.3, 0, 1), 0), np.float32)


def soften(image: NDArray[np.uint8], mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mask with its edge moved onto the picture's own edges: guided filter, K. He, J. Sun and X. Tang, 2013."""
    guide = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    size = 2 * max(2, round(EDGE_RADIUS * image.shape[0])) + 1

    def mean(values: NDArray[np.floating]) -> NDArray[np.float32]:
        return np.asarray(cv2.boxFilter(values, -1, (size, size)), np.float32)

    mean_guide, mean_mask = mean(guide), mean(mask)
    slope = (mean(guide * mask) - mean_guide * mean_mask) / (mean(guide * guide) - mean_guide**2 + EDGE_VARIANCE)
    refined = mean(slope) * guide + mean(mean_mask - slope * mean_guide)
    return np.asarray(np.clip((refined - 0.06) / 0.88, 0, 1), np.float32)


def fill(image: NDArray[np.uint8], alpha: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The room behind the person, and where it had to be filled in.

    Each pixel comes from the finest level of a pyramid that knows it, with the room's own grain.
    """
    side = image.shape[0]
    near = cv2.dilate((alpha > 0.02).astype(np.uint8), _disc(CLEARANCE * side))
    known = np.asarray(cv2.GaussianBlur(1.0 - near.astype(np.float32), (0, 0), side * 0.004), np.float32)
    known = (known * (near == 0)).astype(np.float32)
    picture = image.astype(np.float32)
    smooth = _from_coarser(np.asarray(picture * known[..., None], np.float32), known)
    grain = picture - cv2.GaussianBlur(picture, (0, 0), 1.2)
    strength = float(np.std(grain[known > 0.99])) if np.any(known > 0.99) else 0.0
    noise = np.random.default_rng(0).normal(0, min(strength, 4.0), (side, side, 1)).astype(np.float32)
    room = np.clip(picture * known[..., None] + (smooth + noise) * (1 - known[..., None]), 0, 255)
    return np.asarray(room, np.float32), near > 0


def _from_coarser(weighted: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Push-pull: S. Gortler et al., "The Lumigraph", 1996. `weighted` [h, w, 3] is already multiplied with `weight` [h, w]."""
    height, width = weight.shape
    if min(height, width) <= 2:
        total = max(float(weight.sum()), 1e-6)
        return np.broadcast_to(weighted.sum((0, 1)) / total, weighted.shape).astype(np.float32)
    coarse_weight = np.asarray(cv2.pyrDown(weight), np.float32)
    coarse = _from_coarser(np.asarray(cv2.pyrDown(weighted), np.float32), np.asarray(np.minimum(coarse_weight, 1), np.float32))
    below = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    share = np.clip(weight * 4, 0, 1)[..., None]
    here = weighted / np.maximum(weight, 1e-4)[..., None]
    return np.asarray(here * share + below * (1 - share), np.float32)


def at_size(layers: Layers, side: int) -> NDArray[np.uint8]:
    """The room at the size of the output."""
    return resize(layers.room, side)


def _bytes(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.clip(values + 0.5, 0, 255).astype(np.uint8))


def _disc(radius: float) -> NDArray[np.uint8]:
    size = 2 * max(1, round(radius)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)
