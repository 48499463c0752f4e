"""Is anybody speaking? Silero VAD behind a level gate, so that silence costs nothing.

Invariant: `position` advances in windows of 32 ms; all positions are samples at 16 kHz from the start of the stream.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.silero import CONTEXT_SAMPLES, WINDOW_SAMPLES, Silero, rested

#: Windows that stay below this peak (-60 dBFS) are silence without asking the model.
_SILENT_PEAK: Final = 0.001
#: Speech starts above the first threshold and goes on above the second, as Silero's own iterator does it.
_ONSET: Final = 0.5
_HOLD: Final = 0.35
#: Shorter pauses are part of a word (the closure of a "t").
_MIN_PAUSE: Final = 2_400
#: Sounds begin and end softer than what the model notices.
_SOFT: Final = 480
#: Stretches of speech that are remembered, for the times of words: those of half a minute, and more.
_MAX_STRETCHES: Final = 128


class SpeechGate:
    """Where speech starts and ends in one stream."""

    def __init__(self, model: Silero) -> None:
        self._model = model
        self._state = rested()
        self._context = np.zeros(CONTEXT_SAMPLES, np.float32)
        self._rest = np.empty(0, np.float32)
        self.position = 0
        """All audio before this is judged."""
        self.speaking = False
        self.speech_start = 0
        """Where the latest stretch of speech began."""
        self.speech_end = 0
        """Where the latest window with speech ended."""
        self.voiced = 0
        """Samples judged to be speech since `restart`."""
        self._stretches: deque[tuple[int, int]] = deque(maxlen=_MAX_STRETCHES)

    def push(self, samples: NDArray[np.float32]) -> None:
        """Takes float32 samples in [-1, 1) at 16 kHz."""
        audio = np.concatenate((self._rest, samples))
        whole = len(audio) - len(audio) % WINDOW_SAMPLES
        for start in range(0, whole, WINDOW_SAMPLES):
            self._judge(audio[start : start + WINDOW_SAMPLES])
        self._rest = audio[whole:]

    def _judge(self, window: NDArray[np.float32]) -> None:
        if np.abs(window).max() < _SILENT_PEAK:
            probability, self._state = 0.0, rested()
        else:
            probability, self._state = self._model.probability(np.concatenate((self._context, window)), self._state)
        self._context = window[-CONTEXT_SAMPLES:]
        spoken = probability >= (_HOLD if self.speaking else _ONSET)
        if spoken and not self.speaking:
            self.speech_start = self.position
        self.position += WINDOW_SAMPLES
        self.speaking = spoken
        if spoken:
            self.speech_end = self.position
            self.voiced += WINDOW_SAMPLES
            self._note(self.speech_start, self.speech_end)

    def _note(self, start: int, end: int) -> None:
        if self._stretches and start - self._stretches[-1][1] < _MIN_PAUSE:
            start = self._stretches.pop()[0]
        self._stretches.append((start, end))

    def speech(self, start: int, end: int) -> list[tuple[int, int]]:
        """The stretches of speech in [start, end)."""
        return [(max(start, first), min(end, last)) for first, last in self._stretches if last > start and first < end]

    def within_speech(self, start: int, end: int) -> tuple[int, int]:
        """The part of [start, end) in which somebody speaks: the longest one, without the pauses; all of it if nobody does."""
        parts = [(max(start, first - _SOFT), min(end, last + _SOFT)) for first, last in self._stretches]
        longest = max(parts, key=lambda part: part[1] - part[0], default=(start, end))
        return longest if longest[1] > longest[0] else (start, end)

    def skip(self, samples: int) -> None:
        """Moves on over silence."""
        self.position += samples
        self.speaking = False
        self._state = rested()

    def restart(self) -> None:
        """Counts `voiced` from here on."""
        self.voiced = 0
