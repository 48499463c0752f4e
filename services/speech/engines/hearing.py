"""The user's sound on its way to a model: one clock, one rate, and the newest of it kept to be passed on again."""

from __future__ import annotations

from collections import deque
from typing import Final

from services.common.audio import to_float, to_pcm
from services.common.resample import Resampler
from services.speech.engines.clock import Clock

#: What is kept: longer than people talk in one go, and than a connection takes to be opened again.
KEPT_S: Final = 15


class Hearing:
    """Of one conversation, over all of its connections."""

    def __init__(self, rate_hz: int, model_rate_hz: int) -> None:
        self._rate = rate_hz
        self._model_rate = model_rate_hz
        self._kept: deque[tuple[int, bytes]] = deque()
        self.next_sample = 0
        """Up to where the user's sound has come."""
        self._begin(0)

    def hear(self, pcm: bytes, start_sample: int) -> bytes:
        """16-bit sound of the user; returns what the model gets of it, at its own rate, with silence for a gap."""
        self._kept.append((start_sample, pcm))
        self.next_sample = start_sample + len(pcm) // 2
        while self._kept[0][0] < self.next_sample - KEPT_S * self._rate:
            self._kept.popleft()
        return self._pass_on(pcm, start_sample)

    def restart(self, from_sample: int) -> list[bytes]:
        """Another connection: what it gets first, from about this sample on, as far as it is kept."""
        again = [(start, pcm) for start, pcm in self._kept if start + len(pcm) // 2 > from_sample]
        self._begin(again[0][0] if again else self.next_sample)
        return [self._pass_on(pcm, start) for start, pcm in again]

    def sample_at(self, model_ms: float) -> int:
        """The user's sample at so many milliseconds of the sound that this connection was given."""
        return self._clock.sample_at(model_ms)

    def _begin(self, start_sample: int) -> None:
        self._clock = Clock(self._rate, start_sample)
        self._resampler = Resampler(self._rate, self._model_rate)

    def _pass_on(self, pcm: bytes, start_sample: int) -> bytes:
        silence = self._clock.accept(start_sample, len(pcm) // 2)
        sound = bytes(2 * silence) + pcm
        return sound if self._rate == self._model_rate else to_pcm(self._resampler.push(to_float(sound)))
