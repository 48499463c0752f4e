"""One stream's ear for voices: keeps the latest audio, and says who spoke in a stretch of it.

The work is done beside the recognition, in one thread for all streams. It begins as soon as somebody pauses, so that the answer
is there when the final words are.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from services.asr.voices.people import People
from services.asr.voices.voice_space import VoiceSpace
from services.asr.voices.voiceprint import SAMPLE_RATE_HZ, Array, Voiceprints

#: So much audio is kept: more of an utterance would not tell more.
_KEPT: Final = 8 * SAMPLE_RATE_HZ
#: What was begun for a stretch is good for another one whose end differs by no more than this.
_SAME: Final = SAMPLE_RATE_HZ * 350 // 1000


class Voices:
    """The loaded model and its thread, shared by all streams. Making one blocks; raises Unusable."""

    def __init__(self, path: Path) -> None:
        self._model = Voiceprints(path)
        self._space = VoiceSpace.load()
        self._model.of(np.full(SAMPLE_RATE_HZ, 0.01, np.float32))
        self._thread = ThreadPoolExecutor(1, "voices")

    def open(self) -> Listening:
        """An ear for one stream."""
        return Listening(self, People(self._space))

    async def print_of(self, samples: Array) -> tuple[Array, float]:
        """See `Voiceprints.of`."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._model.of, samples)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


@dataclass
class _Begun:
    """A stretch that is being listened to."""

    end: int
    work: asyncio.Task[tuple[Array, float]]


class Listening:
    """Positions are samples at 16 kHz from the start of the stream."""

    def __init__(self, voices: Voices, people: People) -> None:
        self._voices = voices
        self._people = people
        self._chunks: deque[tuple[int, Array]] = deque()
        self._position = 0
        self._begun: _Begun | None = None
        self.latest = ""
        """Who spoke last; empty when nobody has."""

    def hear(self, samples: Array) -> None:
        """Takes the next audio, mono float32 in [-1, 1)."""
        self._chunks.append((self._position, samples))
        self._position += len(samples)
        while self._chunks[0][0] + len(self._chunks[0][1]) < self._position - _KEPT:
            self._chunks.popleft()

    def skip(self, samples: int) -> None:
        """Moves on over silence."""
        self._position += samples
        self._chunks.clear()

    def begin(self, start: int, end: int) -> None:
        """Somebody has spoken in [start, end) and pauses: who it was is likely to be asked for."""
        if self._begun is None or abs(self._begun.end - end) > _SAME:
            self.close()
            work = self._voices.print_of(self._cut(start, end))
            self._begun = _Begun(end, asyncio.create_task(work, name="voiceprint"))

    async def who(self, start: int, end: int) -> str:
        """The id of whoever spoke in [start, end)."""
        self.begin(start, end)
        begun, self._begun = self._begun, None
        assert begun is not None
        self.latest = self._people.who(*await begun.work)
        return self.latest

    @property
    def given_up(self) -> dict[str, str]:
        """See `People.given_up`."""
        return self._people.given_up

    def close(self) -> None:
        """Gives up what is being listened to."""
        if self._begun is not None:
            self._begun.work.cancel()
            self._begun = None

    def _cut(self, start: int, end: int) -> Array:
        parts = [
            samples[max(0, start - first) : max(0, end - first)]
            for first, samples in self._chunks
            if first < end and first + len(samples) > start
        ]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)
