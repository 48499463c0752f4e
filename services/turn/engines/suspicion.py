"""The first moment at which somebody may have begun to speak over the persona: long before a detector of speech is sure of it.

In frames of 10 ms, of energy alone: a frame that is far louder than the noise, and louder than anything that this microphone
hears of the persona itself. What it hears of her is learned from all sound while she speaks that did not become speech, so the
same slammed door, or an echo, is suspected once and not again.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

RATE_HZ: Final = 16_000
_FRAME: Final = RATE_HZ // 100
#: Energy against the noise floor (20 dB), against the persona's own sound here (6 dB), and at the least (-60 dBFS).
_ABOVE_NOISE: Final = 100.0
_ABOVE_PERSONA: Final = 4.0
_LEAST: Final = 1e-6
#: The floor rises by 10 dB in two seconds.
_FLOOR_RISE: Final = 1.0115
_LEAST_FLOOR: Final = 1e-9
#: What was heard of the persona is forgotten by half in seven seconds of her speech.
_FORGET: Final = 0.999
#: Sound that has not become speech for so many frames was none.
_NO_SPEECH: Final = 30


class Suspicion:
    """One stream of user audio at 16 kHz."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)
        self.end = 0
        """One past the last whole frame."""
        self._floor = 1e-5
        self._persona = 0.0
        self._pending: deque[float] = deque()
        self._quiet = 0

    def push(self, samples: NDArray[np.float32], *, persona: bool, speech: bool) -> int | None:
        """The next samples, float32: the sample at which something began, if it did.

        `persona`: she is heard now. `speech`: the user is known to be speaking.
        """
        audio = np.concatenate([self._rest, samples])
        count = len(audio) // _FRAME
        self._rest = audio[count * _FRAME :]
        found: int | None = None
        if speech or not persona:
            self._pending.clear()
        for frame in audio[: count * _FRAME].reshape(count, _FRAME):
            begin, self.end = self.end, self.end + _FRAME
            energy = float(frame @ frame) / _FRAME
            self._floor = max(_LEAST_FLOOR, min(self._floor * _FLOOR_RISE, energy))
            if not persona or speech:
                continue
            self._learn(energy)
            self._quiet = max(0, self._quiet - 1)
            if not self._quiet and energy > max(_LEAST, self._floor * _ABOVE_NOISE, self._persona * _ABOVE_PERSONA):
                self._quiet = _NO_SPEECH
                found = begin if found is None else found
        return found

    def skip(self, samples: int) -> None:
        """Silence that was not heard."""
        self.end += samples
        self._pending.clear()

    def _learn(self, energy: float) -> None:
        self._persona *= _FORGET
        self._pending.append(energy)
        if len(self._pending) > _NO_SPEECH:
            self._persona = max(self._persona, self._pending.popleft())
