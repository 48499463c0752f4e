"""Two clocks of one microphone: the user's, and that of a model that has heard it from some moment on, without long gaps."""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

#: Silence that is passed on for a gap. It ends every turn; the rest of a gap would only be work.
MOST_SILENCE_S: Final = 2


class Clock:
    """Of one connection. All positions are in samples of the user's rate; `rate_hz` is that."""

    def __init__(self, rate_hz: int, start_sample: int) -> None:
        self._rate = rate_hz
        self.position = 0
        """How much the model has been given."""
        self.next_sample = start_sample
        """Up to where the user's sound has been passed on."""
        self._positions = [0]
        self._samples = [start_sample]

    def accept(self, start_sample: int, samples: int) -> int:
        """Sound is passed on: returns how many samples of silence go before it."""
        gap = start_sample - self.next_sample
        silence = min(gap, MOST_SILENCE_S * self._rate)
        self.position += silence
        if silence < gap:
            # Its first half is what came after the sound before, the other half what came before the sound that follows.
            self._positions.append(self.position - silence // 2)
            self._samples.append(start_sample - silence // 2)
        self.position += samples
        self.next_sample = start_sample + samples
        return silence

    def sample_at(self, model_ms: float) -> int:
        """The user's sample at so many milliseconds of the model's clock."""
        position = round(model_ms * self._rate / 1000)
        mark = bisect_right(self._positions, position) - 1
        return self._samples[mark] + position - self._positions[mark]
