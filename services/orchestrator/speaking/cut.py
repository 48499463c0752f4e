"""Ends the voice of a reply that is over without a click, wherever on the way out its units are met.

The first unit without its voice begins with a short fade of what would have come. The face's own fade comes with the next unit,
because the face had gone on meanwhile, and is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from vivant.common.v1 import common_pb2

FADE_S: Final = 0.005


class Cut:
    """The way out of one session, unit by unit."""

    def __init__(self, rate_hz: int) -> None:
        self._fade = round(rate_hz * FADE_S)
        self._sounding = 0
        self._tail = False

    def waiting(self, units: Iterable[common_pb2.Unit], newest_turn_id: int) -> None:
        """Takes the voice of older turns out of units that were passed on and not sent yet."""
        for unit in units:
            if 0 < unit.turn_id < newest_turn_id:
                self._silence(unit)

    def passing(self, unit: common_pb2.Unit, newest_turn_id: int) -> bool:
        """Takes the voice out of a unit of an older turn; True when it was one."""
        if 0 < unit.turn_id < newest_turn_id:
            self._silence(unit)
            return True
        if self._tail and not unit.turn_id:
            unit.pcm = bytes(2 * self._fade) + unit.pcm[2 * self._fade :]
        self._tail = False
        self._sounding = unit.turn_id
        return False

    def _silence(self, unit: common_pb2.Unit) -> None:
        """Its picture and its place in time stay."""
        pcm = np.zeros(len(unit.pcm) // 2, "<i2")
        if self._sounding == unit.turn_id:
            voice = np.frombuffer(unit.pcm, "<i2")[: self._fade]
            pcm[: len(voice)] = voice * np.linspace(1, 0, len(voice))
        unit.pcm = pcm.tobytes()
        unit.turn_id = unit.turn_sample = 0
        self._sounding, self._tail = 0, True
