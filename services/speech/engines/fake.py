"""A speech model without a model, for tests: loud is speech, a silence of fixed length takes the floor, a letter is a tone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import numpy as np

from services.common.audio import to_float, to_pcm
from services.common.settings import SharedSettings
from services.common.tasks import say_why
from services.speech.engine import (
    Action,
    ConversationConfig,
    Done,
    Ending,
    Event,
    Floor,
    Said,
    Speech,
    SpeechInfo,
    Word,
    Words,
)
from services.speech.settings import FakeOptions

RATE_HZ: Final = 24_000
_LOUD: Final = 0.01
_CHUNK: Final = RATE_HZ * 40 // 1000


class FakeEngine:
    """See services.speech.engine.SpeechEngine."""

    def __init__(self, options: FakeOptions, shared: SharedSettings) -> None:
        self._options = options
        self.info = SpeechInfo(
            name="fake",
            version="1",
            input_rates_hz=(16_000, 24_000, 8_000, 48_000),
            sample_rate_hz=RATE_HZ,
            voices=("tone",),
            word_times=options.word_times,
        )

    def load(self) -> None:
        """Nothing to load."""

    async def open(self, config: ConversationConfig) -> FakeSession:
        """See SpeechEngine."""
        return FakeSession(config, self._options)


class FakeSession:
    """See services.speech.engine.Session. A reply that was begun is said to its end before another begins."""

    def __init__(self, config: ConversationConfig, options: FakeOptions) -> None:
        self._options = options
        self._rate = config.input_rate_hz
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._context = ""
        self._next_sample = 0
        self._last_loud: int | None = None
        self._loud = False
        self._turn_id = 0
        self._length = 0
        self._heard = 0
        self._reply: asyncio.Task[None] | None = None
        self._finishing = False

    async def hear(self, pcm: bytes, start_sample: int) -> None:
        """See Session."""
        self._next_sample = start_sample + len(pcm) // 2
        was_loud, self._loud = self._loud, bool(np.sqrt(np.mean(to_float(pcm) ** 2)) > _LOUD)
        if self._loud:
            self._last_loud = self._next_sample
            if not was_loud and self._sounding:
                self._events.put_nowait(Floor(self._turn_id, Action.YIELD, start_sample))
        elif self._last_loud is not None and self._next_sample - self._last_loud >= self._options.turn_ms * self._rate // 1000:
            self._take()

    async def know(self, text: str) -> None:
        """See Session."""
        self._context = text

    async def note(self, said: Said) -> None:
        """It forgets nothing, and so needs to be told nothing again."""

    async def respond(self, text: str) -> None:
        """See Session."""
        self._take()

    async def played(self, turn_id: int, position_samples: int) -> None:
        """See Session."""
        if turn_id == self._turn_id:
            self._heard = position_samples

    async def clear(self, newest_turn_id: int) -> None:
        """See Session."""
        if self._turn_id < newest_turn_id and self._options.stops:
            self._length = 0
            if self._reply:
                self._reply.cancel()
                self._reply = None

    async def finish(self) -> None:
        """See Session."""
        self._finishing = True
        if self._reply is None:
            self._events.put_nowait(None)

    async def events(self) -> AsyncIterator[Event]:
        """See Session."""
        while (event := await self._events.get()) is not None:
            yield event

    async def close(self) -> None:
        """See Session."""
        if self._reply:
            self._reply.cancel()

    @property
    def _sounding(self) -> bool:
        """A reply is being made, or heard."""
        return self._reply is not None or self._heard < self._length

    def _take(self) -> None:
        self._last_loud = None
        if self._reply or self._finishing:
            return
        self._turn_id += 1
        self._heard = self._length = 0
        text = self._options.replies[(self._turn_id - 1) % len(self._options.replies)].replace("{context}", self._context)
        self._events.put_nowait(Floor(self._turn_id, Action.TAKE, self._next_sample))
        self._reply = asyncio.create_task(self._say(self._turn_id, text), name="reply")
        self._reply.add_done_callback(say_why("reply"))
        self._reply.add_done_callback(self._over)

    async def _say(self, turn_id: int, text: str) -> None:
        letter = self._options.letter_ms * RATE_HZ // 1000
        words = text.split()
        loop = asyncio.get_running_loop()
        due = loop.time()
        for index, word in enumerate(words):
            if turn_id == self._options.fails_turn and index >= len(words) // 2:
                failed = Done(turn_id, Ending.FAILED, "reply_broke_off", "the scripted reply breaks off here")
                self._events.put_nowait(failed)
                return
            self._events.put_nowait(Words(turn_id, word if index == len(words) - 1 else f"{word} "))
            sound = _tones(word, letter)
            timed = [Word(word, self._length, self._length + letter * len(word))]
            for at in range(0, len(sound), 2 * _CHUNK):
                pcm = sound[at : at + 2 * _CHUNK]
                self._events.put_nowait(Speech(turn_id, pcm, timed if at == 0 and self._options.word_times else ()))
                self._length += len(pcm) // 2
                if self._options.pace:
                    due += len(pcm) / 2 / RATE_HZ / self._options.pace
                    await asyncio.sleep(due - loop.time())
        self._events.put_nowait(Done(turn_id, Ending.COMPLETE))

    def _over(self, reply: asyncio.Task[None]) -> None:
        if self._reply is reply:
            self._reply = None
            if self._finishing:
                self._events.put_nowait(None)


def _tones(word: str, letter: int) -> bytes:
    """A tone for each letter, and a pause behind the word, of `letter` samples each."""
    hz = [200.0 + 20 * (ord(char.lower()) % 26) for char in word] + [0.0]
    return to_pcm((np.sin(2 * np.pi * np.arange(letter) / RATE_HZ * np.array(hz)[:, None]) * 0.3).ravel())
