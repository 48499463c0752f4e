"""Lowers the voice for a moment when somebody may have begun to speak over it: what is heard first of being interrupted."""

from __future__ import annotations

from typing import Final

import numpy as np

from vivant.common.v1 import common_pb2

#: 12 dB.
LOWERED: Final = 0.25
#: Longer than it takes to know whether it is speech; then the voice is held instead, or rises again.
UNITS: Final = 8
_RAMP_S: Final = 0.005


class Duck:
    """The way out of one session, unit by unit."""

    def __init__(self, rate_hz: int) -> None:
        self._ramp = round(rate_hz * _RAMP_S)
        self._left = 0
        self._gain = 1.0

    def begin(self) -> None:
        self._left = UNITS

    def end(self) -> None:
        self._left = 0

    def passing(self, unit: common_pb2.Unit) -> None:
        """Lowers a unit of speech, or raises it again, with a ramp of 5 ms. The fade of a voice that was held stays lowered."""
        before, lowered = self._gain, bool(self._left and unit.turn_id)
        self._left = max(0, self._left - 1)
        self._gain = LOWERED if lowered else 1.0
        unit.ducked = lowered
        if before == self._gain == 1:
            return
        wanted = self._gain if unit.turn_id else before
        voice = np.frombuffer(unit.pcm, "<i2") * np.float32(wanted)
        ramp = min(self._ramp, len(voice))
        voice[:ramp] *= np.linspace(before / wanted, 1, ramp, dtype=np.float32)
        unit.pcm = voice.clip(-32768, 32767).astype("<i2").tobytes()
