"""From probabilities of speech to segments: when speech began, when it last was, and when it stopped.

Invariant: `started` and `stopped` alternate; the times they name are those of the sound, not of the moment it was noticed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

WINDOW: Final = 512
RATE_HZ: Final = 16_000
#: Speech begins above the first and goes on above the second: Silero's own hysteresis.
START: Final = 0.5
GO_ON: Final = 0.35
#: Windows of speech before it counts: three are 96 ms, more than a click and less than "yes". Two suffice when both are
#: certain.
LEAST_WINDOWS: Final = 3
CERTAIN: Final = 0.85
#: Of these, one may fall below the threshold.
_PATIENCE: Final = 1

#: The edges are looked for in the energy of 8 ms frames: Silero notices speech a median of 52 ms after it began and lets go
#: 55 ms after it ended (30 synthetic utterances with known edges in light noise; extremes 0 and 100 ms).
_FRAME: Final = 128
_LOOK_BACK: Final = 12
_LATE: Final = 52 * RATE_HZ // 1000
#: A frame this much louder than the noise floor is part of the sound.
_ABOVE_FLOOR: Final = 4.0
#: And one this much weaker than the speech just heard (35 dB) is its echo in the room.
_BELOW_PEAK: Final = 10**-3.5
_PEAK_FALL: Final = 0.99
_FLOOR_RISE: Final = 1.01
_LEAST_FLOOR: Final = 1e-9


class Detector(Protocol):
    """What tells speech from the rest, window by window."""

    def probability(self, window: NDArray[np.float32]) -> float: ...

    def reset(self) -> None: ...


@dataclass(frozen=True)
class Window:
    """What one more window of 32 ms told; samples at 16 kHz."""

    end: int
    probability: float
    speaking: bool
    last_speech: int
    """One past the last sample of speech so far."""
    started: int | None = None
    """Speech was noticed that began at this sample."""
    stopped: bool = False
    """The silence since `last_speech` is long enough to propose the end of the speech."""


class Segmenter:
    """One stream at 16 kHz."""

    def __init__(self, detector: Detector, stop_ms: int) -> None:
        self._detector = detector
        self._stop_samples = stop_ms * RATE_HZ // 1000
        self._end = 0
        self._speaking = False
        self._last_speech = 0
        self._run: list[int] = []
        self._misses = 0
        self._certain = 0
        self._floor = 1e-5
        self._peak = 0.0
        self._energy: deque[tuple[int, float]] = deque(maxlen=(_LOOK_BACK + 8) * 2)

    @property
    def end(self) -> int:
        """How far the stream has been heard, in whole windows."""
        return self._end

    @property
    def speaking(self) -> bool:
        return self._speaking

    def push(self, window: NDArray[np.float32]) -> Window:
        """The next 512 samples, float32."""
        probability = self._detector.probability(window)
        begin, self._end = self._end, self._end + WINDOW
        self._follow_energy(window, begin)
        started: int | None = None
        stopped = False
        if self._speaking:
            if probability >= GO_ON:
                self._last_speech = self._end
            elif self._end - self._trimmed_end() >= self._stop_samples:
                self._last_speech = self._trimmed_end()
                self._speaking = False
                stopped = True
        elif self._notice(probability, begin):
            started = max(self._last_speech, self._onset(self._run[0]))
            self._speaking = True
            self._last_speech = self._end
            self._run = []
        last = self._last_speech if not self._speaking or probability >= GO_ON else self._trimmed_end()
        return Window(self._end, probability, self._speaking, last, started, stopped)

    def skip(self, windows: int) -> None:
        """Moves on over silence that needs no looking at; nobody may be speaking."""
        assert not self._speaking
        self._end += windows * WINDOW
        self._run = []
        self._misses = 0
        self._energy.clear()
        self._detector.reset()

    def stop(self) -> int:
        """Ends the speech here and returns its last sample."""
        self._last_speech = min(self._last_speech, self._end)
        self._speaking = False
        self._run = []
        return self._last_speech

    def _notice(self, probability: float, begin: int) -> bool:
        if probability >= START:
            self._run.append(begin)
            self._misses = 0
            self._certain = self._certain + 1 if probability >= CERTAIN else 0
        elif self._run:
            self._misses += 1
            if self._misses > _PATIENCE or probability < GO_ON / 2:
                self._run = []
        return len(self._run) >= LEAST_WINDOWS or (len(self._run) >= 2 and self._certain >= 2)

    def _follow_energy(self, window: NDArray[np.float32], begin: int) -> None:
        for index, frame in enumerate(window.reshape(-1, _FRAME)):
            energy = float(frame @ frame) / _FRAME
            self._floor = max(_LEAST_FLOOR, min(self._floor * _FLOOR_RISE, energy))
            self._peak = max(self._peak * _PEAK_FALL, energy)
            self._energy.append((begin + index * _FRAME, energy))

    def _onset(self, first_window: int) -> int:
        """From the first window called speech back to where the sound rose out of the noise, at most 96 ms."""
        loud = self._floor * _ABOVE_FLOOR
        at = first_window
        for begin, energy in reversed(self._energy):
            if begin >= first_window:
                continue
            if energy < loud or first_window - begin > _LOOK_BACK * _FRAME:
                break
            at = begin
        return max(0, at if at < first_window else first_window - _LATE // 2)

    def _trimmed_end(self) -> int:
        """The end of the last window called speech, back to where the sound fell into the noise, at most 96 ms."""
        loud = max(self._floor * _ABOVE_FLOOR, self._peak * _BELOW_PEAK)
        at = self._last_speech
        for begin, energy in reversed(self._energy):
            if begin >= self._last_speech:
                continue
            if energy >= loud or self._last_speech - begin > _LOOK_BACK * _FRAME:
                break
            at = begin
        return at
