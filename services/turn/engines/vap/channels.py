"""User and persona side by side: frames of both at 16 kHz that cover the same time, on the user's clock.

Invariant: sample n of either side lies at n / 16,000 s of the stream, however it came in, at whatever rate. What did not come
is silence.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.resample import Resampler
from services.turn.engines.vap.network import LEAD, RATE_HZ

#: The persona may be heard so far before the user's own sound of that time comes; what is older is forgotten.
_KEPT: Final = 4 * RATE_HZ
#: A frame waits for the persona's sound, which comes in units of 40 ms, for as long as a message may be.
_PATIENCE: Final = RATE_HZ // 10
#: After a longer gap in the user's sound the model begins anew: so much of it at once would come too late anyway.
GAP: Final = RATE_HZ // 2

Audio = NDArray[np.float32]


@dataclass(frozen=True)
class Frame:
    """One step of the model: float32 [LEAD + frame] of each side."""

    end: int
    """One past its last sample."""
    user: Audio
    persona: Audio
    anew: bool
    """It does not continue the frame before."""


class Line:
    """One side's sound, where it belongs on the clock."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._resampler = Resampler(rate_hz, RATE_HZ)
        self._next = 0
        self._parts: deque[tuple[int, Audio]] = deque()
        self.end = 0
        """One past the last sample, at 16 kHz."""

    def push(self, samples: Audio, start_sample: int) -> int:
        """The next samples, counted at their own rate; returns where on the clock they begin."""
        if start_sample > self._next:
            # The millisecond that the old one still holds is lost in the gap.
            self._resampler = Resampler(self._rate_hz, RATE_HZ)
            self.end = round(start_sample * RATE_HZ / self._rate_hz)
        self._next = start_sample + len(samples)
        heard, begin = self._resampler.push(samples), self.end
        self.end += len(heard)
        self._parts.append((begin, heard))
        while self._parts[0][0] < self.end - _KEPT:
            self._parts.popleft()
        return begin

    def cut(self, begin: int, end: int) -> Audio:
        """[begin, end), silence where nothing came: float32 [end - begin]."""
        out = np.zeros(end - begin, np.float32)
        for at, part in self._parts:
            first, last = max(begin, at), min(end, at + len(part))
            if first < last:
                out[first - begin : last - begin] = part[first - at : last - at]
        return out


class Channels:
    """One stream. `frame`: samples of one step at 16 kHz."""

    def __init__(self, user_rate_hz: int, bot_rate_hz: int, frame: int) -> None:
        self._user, self._persona = Line(user_rate_hz), Line(bot_rate_hz)
        self._frame = frame
        self._begin = 0
        self._anew = True

    def push_bot(self, samples: Audio, start_sample: int) -> None:
        """What the persona says; samples at its rate."""
        self._persona.push(samples, start_sample)

    def push_user(self, samples: Audio, start_sample: int) -> Iterator[Frame]:
        """What the user says, samples at their rate; the frames that are complete with it."""
        before = self._user.end
        begin = self._user.push(samples, start_sample)
        if begin - before > GAP:
            self._begin, self._anew = begin, True
        while (end := self._begin + self._frame) <= self._user.end:
            if self._persona.end < end and self._user.end < end + _PATIENCE:
                return
            first = self._begin - LEAD
            yield Frame(end, self._user.cut(first, end), self._persona.cut(first, end), self._anew)
            self._begin, self._anew = end, False
