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
#: Speech goes on above this probability: Silero's own hysteresis.
GO_ON: Final = 0.35
#: Speech begins when its evidence is enough: the sum of the probabilities, of which each window forgets a part. A sound that
#: is far above the noise and may be speech counts for more: Silero is slow with plosives and drawn vowels. Against three
#: windows above 0.5 that finds the first word 41 ms sooner (median of 72 recordings), with 3 false starts instead of 1 in 127 s
#: of silence in AMI meetings.
_REMEMBERED: Final = 0.7
_ENOUGH: Final = 1.25
_LOUD_COUNTS: Final = 0.2
#: Energy against the noise floor (20 dB).
_LOUD: Final = 100.0
#: From this probability on it may be speech; below half of it, what there was is over.
_HINT: Final = 0.2

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
        self._evidence = 0.0
        self._hinted: int | None = None
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
        else:
            self._gather(probability, begin)
            if self._hinted is not None and self._evidence >= _ENOUGH:
                started = max(self._last_speech, self._onset(self._hinted))
                self._speaking = True
                self._last_speech = self._end
                self._forget()
        last = self._last_speech if not self._speaking or probability >= GO_ON else self._trimmed_end()
        return Window(self._end, probability, self._speaking, last, started, stopped)

    def skip(self, windows: int) -> None:
        """Moves on over silence that needs no looking at; nobody may be speaking."""
        assert not self._speaking
        self._end += windows * WINDOW
        self._forget()
        self._energy.clear()
        self._detector.reset()

    def stop(self) -> int:
        """Ends the speech here and returns its last sample."""
        self._last_speech = min(self._last_speech, self._end)
        self._speaking = False
        self._forget()
        return self._last_speech

    def _gather(self, probability: float, begin: int) -> None:
        """Takes in the evidence of the window that starts at `begin`."""
        self._evidence = self._evidence * _REMEMBERED + probability
        if probability >= _HINT:
            self._hinted = begin if self._hinted is None else self._hinted
            if max(energy for at, energy in self._energy if at >= begin) > self._floor * _LOUD:
                self._evidence += _LOUD_COUNTS
        elif probability < _HINT / 2:
            self._hinted = None

    def _forget(self) -> None:
        self._evidence = 0.0
        self._hinted = None

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
