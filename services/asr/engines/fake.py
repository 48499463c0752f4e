"""The engine `fake`: understands what its script says, one line for each stretch of sound. For tests and demonstrations."""

from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np
from numpy.typing import NDArray

from services.asr.engine import AsrInfo, Event, Final, NoSpeech, Partial, StreamConfig, Word
from services.asr.engines.outbox import Outbox
from services.asr.settings import FakeOptions
from services.common.settings import SharedSettings

#: Samples above this level are sound.
_LOUD = 0.01


class FakeEngine:
    """See `services.asr.engine.Engine`."""

    def __init__(self, options: FakeOptions, shared: SharedSettings) -> None:
        self._options = options

    @property
    def info(self) -> AsrInfo:
        return AsrInfo(
            name="fake",
            version="1",
            sample_rates_hz=(16_000, 8_000, 24_000, 48_000),
            languages=("en",),
        )

    def load(self) -> None:
        """Nothing to load."""

    def open(self, config: StreamConfig) -> FakeSession:
        return FakeSession(config, self._options)

    def close(self) -> None:
        """Nothing to end."""


class FakeSession:
    """Says the script's words one by one while there is sound."""

    def __init__(self, config: StreamConfig, options: FakeOptions) -> None:
        self._config = config
        self._script = options.script
        self._word_samples = int(config.sample_rate_hz / options.words_per_s)
        self._outbox = Outbox()
        self._line = 0
        self._known = 0
        self._sound: tuple[int, int] | None = None
        self._flushed = self._end = 0

    async def push(self, samples: NDArray[np.float32], start_sample: int) -> None:
        self._end = start_sample + len(samples)
        if np.abs(samples).max(initial=0.0) < _LOUD:
            return
        self._sound = (self._sound[0] if self._sound else start_sample, self._end)
        words = self._words()
        if self._config.partials and len(words) > self._known:
            self._known = len(words)
            texts = [word.text for word in words]
            self._outbox.put(Partial(" ".join(texts[:-1]), texts[-1], *self._sound))

    def _words(self) -> list[Word]:
        """The words that the sound so far has had time for; always the first one."""
        assert self._sound is not None
        start, end = self._sound
        step = self._word_samples
        texts = self._script[self._line % len(self._script)].split()[: 1 + (end - start) // step]
        return [
            Word(text, start + index * step, max(start + index * step, min(end, start + (index + 1) * step)), 1.0)
            for index, text in enumerate(texts)
        ]

    async def flush(self, flush_id: int) -> None:
        await self._outbox.room()
        if self._sound is None:
            self._outbox.put(NoSpeech(flush_id, self._flushed, self._end))
        else:
            words = self._words()
            text = " ".join(word.text for word in words)
            self._outbox.put(Final(flush_id, text, words, *self._sound, self._config.language))
            self._line += 1
        self._sound = None
        self._known = 0
        self._flushed = self._end

    async def finish(self) -> None:
        await self.flush(0)
        self._outbox.end()

    def events(self) -> AsyncIterator[Event]:
        return self._outbox.events()

    async def close(self) -> None:
        self._outbox.end()
