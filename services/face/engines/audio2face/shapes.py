"""The server's blend shapes on the portrait's channels. Both are ARKit's; ours are in a table of their own order.

Used are jaw, mouth and puffed cheeks. Not used: lids and gaze, which here belong together; brows and the other cheeks, which
follow what the reply means, not how it sounds; the tongue, which the portrait moves otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.face.engines.portrait.basis import load_basis
from services.face.engines.portrait.expression import CHANNELS, channel
from services.face.engines.portrait.visemes import SEAL, SHAPE

JAW: Final = "jawOpen"
_USED: Final = ("jaw", "mouth", "cheekPuff")
#: Middle of the inner edges of both lips.
_UPPER, _LOWER = 13, 14
#: Lips that are parted less than this meet, and from there on they are left as they are: in what a fully open jaw parts them.
_MEET, _PART = 0.02, 0.05

Places = tuple[NDArray[np.intp], NDArray[np.intp]]


def places(names: Sequence[str]) -> Places:
    """Where the shapes that are used lie among the server's `names` ("JawOpen" or "jawOpen"), and where among our channels."""
    ours = load_basis().channels
    found = [(theirs, ours[plain]) for theirs, plain in enumerate(_plain(name) for name in names) if plain in ours]
    names_of = {row: name for name, row in ours.items()}
    used = [(theirs, row) for theirs, row in found if names_of[row].startswith(_USED)]
    return np.array([theirs for theirs, _ in used], np.intp), np.array([row for _, row in used], np.intp)


def moves_a_jaw(names: Sequence[str]) -> bool:
    """These are ARKit's shapes."""
    return JAW in (_plain(name) for name in names)


def weights(values: Sequence[float], where: Places) -> NDArray[np.float32]:
    """The server's values as weights [CHANNELS], 0..1, which theirs need not be."""
    theirs, rows = where
    made = np.zeros(CHANNELS, np.float32)
    made[rows] = np.clip(np.nan_to_num(np.asarray(values, np.float32)[theirs]), 0, 1)
    return made


def shape(given: NDArray[np.float32]) -> NDArray[np.float64]:
    """A mouth [SHAPE]; lips that nearly meet in spite of what parts them are brought together exactly, for p, b and m."""
    made = np.zeros(SHAPE)
    made[:CHANNELS] = given
    parting = given * _parting()
    apart, open_wide = float(parting.sum()), float(parting[parting > 0].sum())
    meets = 1 - float(np.clip((apart - _MEET) / (_PART - _MEET), 0, 1))
    # Lips at rest meet by themselves: nothing has to be sealed.
    made[SEAL] = meets * min(1.0, open_wide / _MEET)
    return made


@cache
def _parting() -> NDArray[np.float64]:
    """How far each channel parts the lips at full weight, in what a fully open jaw does; below 0 it brings them together."""
    moved = load_basis().displacements
    gap = moved[:, _LOWER, 1] - moved[:, _UPPER, 1]
    return np.asarray(gap / gap[channel(JAW)], np.float64)


def _plain(name: str) -> str:
    return name[:1].lower() + name[1:]
