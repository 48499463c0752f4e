"""How Whisper would write the end of what it has just heard: a full stop, a question mark, or dots.

By itself it writes a full stop where somebody stops to look for a word, and leaves out the "um". Told beforehand how a speaker
who hesitates looks in writing, it tells the two apart by what it hears and what was said: the probabilities of the three marks
after the last word are a reading of words and voice together. Forced alignment gives them in one pass of the decoder. They are
asked as soon as words are settled, and told after the final, which waits for nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Event
from types import MappingProxyType
from typing import Any, Final, TypeVar

import ctranslate2
import numpy as np
from numpy.typing import NDArray

from services.asr.engine import Ends
from services.asr.engine import Final as FinalEvent
from services.asr.engines.outbox import Outbox
from services.asr.engines.whisper_text import TimedWord, Vocabulary
from services.asr.settings import WhisperOptions
from services.common.ending import Ending
from services.common.log_mel import FRAMES_PER_S

T = TypeVar("T")

#: What such a speaker might have said before, by language; in others the question is not asked.
HESITANT: Final = MappingProxyType({"en": " So, um... I was, uh, thinking of... Well, I mean, if we..."})
_MARKS: Final = (".", "?", "...")
#: Of a turn with pauses so much is heard again: the words before the pause tell what the ones after it complete.
_HEARD_AGAIN: Final = 10 * FRAMES_PER_S
#: With so many columns left out between them words belong to different turns: with the silence before and after speech that is
#: kept, it was silent for 2.5 s.
_APART: Final = 150


@dataclass(frozen=True)
class Settled:
    """A stretch of speech that was decoded as if all were said."""

    end: int
    """The column of the stream at which it ends."""
    words: Sequence[TimedWord]
    columns: NDArray[np.float32]
    encoded: Any
    """What the encoder made of the columns; None: not kept."""


@dataclass(frozen=True)
class Question:
    """How do the words `tokens` end?"""

    tokens: tuple[int, ...]
    language: str
    encoded: Any
    """What the encoder made of the columns in which they were said, and of silence behind them."""
    length: int
    """How many columns those are, at most 3000."""
    abandoned: Event
    """Set: nobody wants to know any more."""


@dataclass(frozen=True)
class Judge:
    """The model, beside the event loop."""

    encode: Callable[[NDArray[np.float32], int], Awaitable[Any]]
    """Columns, float32 `[80, n]`, shown with so much silence that they are so many."""
    tell: Callable[[Question], Awaitable[Ending | None]]
    """See `judge`; None also when nobody wanted to know any more."""


def judge(model: Any, vocabulary: Vocabulary, asked: Question) -> Ending | None:
    """Blocking. None: no words."""
    words = vocabulary.without_marks(asked.tokens)
    if not words:
        return None
    features = asked.encoded if asked.encoded.device == "cpu" else asked.encoded.to_device(ctranslate2.Device.cpu)
    each = ctranslate2.StorageView.from_array(np.repeat(np.asarray(features), len(_MARKS), axis=0))
    start = vocabulary.start(asked.language, vocabulary.tokens(HESITANT[asked.language]))
    texts = [[*words, vocabulary.tokens(mark)[-1]] for mark in _MARKS]
    found = model.align(each, start, texts, [asked.length] * len(_MARKS))
    return Ending(*(float(one.text_token_probs[-1]) for one in found))


@dataclass(frozen=True)
class _Prepared:
    """What is known of a question while the words are decoded that it is about."""

    columns: NDArray[np.float32]
    said: tuple[int, ...]
    """Tokens of what was said before in the turn."""
    length: int
    """Columns in which that was said, and these."""
    encoding: asyncio.Task[Any] | None
    """Of both; None: nothing was said before, and these are encoded anyway."""
    abandoned: Event = field(default_factory=Event)


class Endings:
    """Asks as soon as words are settled, with what was said before in the same turn; told is the answer after their final."""

    def __init__(self, judge: Judge | None, outbox: Outbox, language: str, options: WhisperOptions) -> None:
        self._judge = judge if language in HESITANT else None
        self._outbox = outbox
        self._language = language
        self._options = options
        self._before: list[Settled] = []
        self._prepared: _Prepared | None = None
        self._settled: Settled | None = None
        self._encoding: asyncio.Task[Any] | None = None
        self._answer: asyncio.Task[Ending | None] | None = None
        self._telling: asyncio.Task[None] | None = None

    def prepare(self, end: int, columns: NDArray[np.float32]) -> None:
        """These are being decoded, and end before the column `end` of the stream. What was asked before is void."""
        if self._judge is None:
            return
        self._abandon()
        if self._before and end - columns.shape[1] - self._before[-1].end >= _APART:
            self._before = []
        while self._before and sum(each.columns.shape[1] for each in self._before) + columns.shape[1] > _HEARD_AGAIN:
            del self._before[0]
        heard = np.concatenate([*(each.columns for each in self._before), columns], axis=1)
        if self._before:
            padded_s = heard.shape[1] / FRAMES_PER_S + self._options.padding_s
            context = round(max(self._options.context_s, padded_s) * FRAMES_PER_S)
            encoding = _after(self._encoding, partial(self._judge.encode, heard, context))
            self._encoding = asyncio.create_task(encoding, name="encode")
        said = tuple(token for each in self._before for word in each.words for token in word.tokens)
        self._prepared = _Prepared(columns, said, heard.shape[1], self._encoding if self._before else None)

    def begin(self, settled: Settled) -> None:
        """What was prepared is decoded: these may be the last words of a final."""
        if self._judge is None or settled is self._settled:
            return
        assert self._prepared is not None
        assert self._prepared.columns is settled.columns
        self._settled = settled
        asking = _after(self._answer, partial(self._ask, self._judge, self._prepared, settled))
        self._answer = asyncio.create_task(asking, name="ending")

    async def _ask(self, judge: Judge, prepared: _Prepared, settled: Settled) -> Ending | None:
        tokens = (*prepared.said, *(token for word in settled.words for token in word.tokens))
        encoded = settled.encoded if prepared.encoding is None else await prepared.encoding
        return await judge.tell(Question(tokens, self._language, encoded, prepared.length, prepared.abandoned))

    async def tell(self, final: FinalEvent, settled: Settled) -> None:
        """`final` is told, and these are its last words. Raises what went wrong with an answer before."""
        if self._judge is None:
            return
        self.begin(settled)
        await self.finish()
        assert self._answer is not None
        assert self._prepared is not None
        self._before.append(replace(settled, encoded=None))
        self._telling = asyncio.create_task(self._tell(self._answer, self._prepared.abandoned, final), name="tell_ending")

    async def _tell(self, answer: asyncio.Task[Ending | None], abandoned: Event, final: FinalEvent) -> None:
        ending = await answer
        if ending is not None and not abandoned.is_set():
            self._outbox.put(Ends(final.flush_id, ending))

    async def finish(self) -> None:
        """Waits for the answer that is to be told, and raises what went wrong."""
        if self._telling is not None:
            telling, self._telling = self._telling, None
            await telling

    def _abandon(self) -> None:
        if self._prepared is not None:
            self._prepared.abandoned.set()

    def close(self) -> None:
        """Abandons it."""
        self._abandon()
        for task in (self._encoding, self._answer, self._telling):
            if task is not None:
                task.cancel()


async def _after(last: asyncio.Task[Any] | None, work: Callable[[], Awaitable[T]]) -> T:
    """One after the other; what went wrong with the last one is raised, though nobody wants its result any more."""
    if last is not None:
        await last
    return await work()
