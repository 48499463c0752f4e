"""How Whisper would write the end of what it has just heard: a full stop, a question mark, or dots.

By itself it writes a full stop where somebody stops to look for a word, and leaves out the "um". Told beforehand how a speaker
who hesitates looks in writing, it tells the two apart by what it hears and what was said: the probabilities of the three marks
after the last word are a reading of words and voice together. Forced alignment gives them in one pass of the decoder. They are
told after the words, which wait for nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from threading import Event
from types import MappingProxyType
from typing import Any, Final

import ctranslate2
import numpy as np
from numpy.typing import NDArray

from services.asr.engine import Ends
from services.asr.engine import Final as FinalEvent
from services.asr.engines.outbox import Outbox
from services.asr.engines.whisper_text import TokenWord, Vocabulary
from services.asr.settings import WhisperOptions
from services.common.ending import Ending
from services.common.log_mel import FRAMES_PER_S

#: What such a speaker might have said before, by language; in others the question is not asked.
HESITANT: Final = MappingProxyType({"en": " So, um... I was, uh, thinking of... Well, I mean, if we..."})
_MARKS: Final = (".", "?", "...")
#: Of a turn with pauses so much is heard again: the words before the pause tell what the ones after it complete.
_HEARD_AGAIN: Final = 10 * FRAMES_PER_S
#: With so many columns left out between them words belong to different turns: with the silence before and after speech that is
#: kept, it was silent for 2.5 s.
_APART: Final = 150


@dataclass(frozen=True)
class Question:
    """How do the words `tokens` end that were said in `columns`? `abandoned`: nobody wants to know any more."""

    columns: NDArray[np.float32]
    """From `LogMelStream.cut`, float32 `[80, n]`, n <= 3000."""
    tokens: tuple[int, ...]
    language: str
    context: int
    """Columns that the encoder sees, speech and silence."""
    abandoned: Event = field(default_factory=Event)


Judge = Callable[[Question], Awaitable[Ending | None]]


def judge(model: Any, vocabulary: Vocabulary, encoded: Any, asked: Question) -> Ending | None:
    """Blocking. `encoded`: what the encoder made of the columns. None: no words."""
    words = vocabulary.without_marks(asked.tokens)
    if not words:
        return None
    features = encoded if encoded.device == "cpu" else encoded.to_device(ctranslate2.Device.cpu)
    each = ctranslate2.StorageView.from_array(np.repeat(np.asarray(features), len(_MARKS), axis=0))
    start = vocabulary.start(asked.language, vocabulary.tokens(HESITANT[asked.language]))
    texts = [[*words, vocabulary.tokens(mark)[-1]] for mark in _MARKS]
    found = model.align(each, start, texts, [asked.columns.shape[1]] * len(_MARKS))
    return Ending(*(float(one.text_token_probs[-1]) for one in found))


class Endings:
    """Asks after each final, with what was said before in the same turn, and puts the answer into the outbox."""

    def __init__(self, ask: Judge | None, outbox: Outbox, language: str, options: WhisperOptions) -> None:
        self._ask = ask if language in HESITANT else None
        self._outbox = outbox
        self._language = language
        self._options = options
        self._columns: list[NDArray[np.float32]] = []
        self._words: list[tuple[int, ...]] = []
        self._end = -_APART
        self._question: Question | None = None
        self._asking: asyncio.Task[None] | None = None

    async def after(self, final: FinalEvent, end: int, words: Sequence[TokenWord], columns: NDArray[np.float32]) -> None:
        """`final` is told, and its last `words` were said in `columns`, which end before the column `end` of the stream."""
        if self._ask is None:
            return
        await self._no_more()
        if end - columns.shape[1] - self._end >= _APART:
            self._columns, self._words = [], []
        self._end = end
        self._columns.append(columns)
        self._words.append(tuple(token for word in words for token in word.tokens))
        while len(self._columns) > 1 and sum(each.shape[1] for each in self._columns) > _HEARD_AGAIN:
            del self._columns[0], self._words[0]
        heard = np.concatenate(self._columns, axis=1)
        tokens = tuple(token for said in self._words for token in said)
        padded_s = heard.shape[1] / FRAMES_PER_S + self._options.padding_s
        context = round(max(self._options.context_s, padded_s) * FRAMES_PER_S)
        self._question = Question(heard, tokens, self._language, context)
        self._asking = asyncio.create_task(self._tell(self._ask, self._question, final), name="ending")

    async def _tell(self, ask: Judge, question: Question, final: FinalEvent) -> None:
        ending = await ask(question)
        if ending is not None and not question.abandoned.is_set():
            self._outbox.put(Ends(final.flush_id, ending))

    async def finish(self) -> None:
        """Waits for the answer, and raises what went wrong in it."""
        if self._asking is not None:
            asking, self._asking = self._asking, None
            await asking

    async def _no_more(self) -> None:
        """What was asked before is not wanted any more: other words have come."""
        if self._question is not None:
            self._question.abandoned.set()
        await self.finish()

    def close(self) -> None:
        """Abandons it."""
        if self._question is not None:
            self._question.abandoned.set()
        if self._asking is not None:
            self._asking.cancel()
