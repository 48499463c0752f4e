"""The words from one flush to the next, out of Riva's finals and what it holds of the rest.

Invariants: the stable text only grows; the words of the answer follow each other in time, whatever the order in which Riva
gives its finals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from services.asr.engine import Final, NoSpeech, Partial, Word
from services.asr.engines.riva.results import Hypothesis
from services.asr.engines.stability import agreed, covered, plain


class Stretch:
    """What was said from `first_sample` on."""

    def __init__(self, first_sample: int) -> None:
        self._first = first_sample
        self._finals: list[list[Word]] = []
        self._open: tuple[str, ...] = ()
        self._stable: list[str] = []
        self._shown: tuple[str, ...] = ()
        self._start: int | None = None
        self._seen = first_sample

    @property
    def said_until(self) -> int:
        """Where the words that are final end."""
        return max((words[-1].end_sample for words in self._finals), default=self._first)

    def final(self, words: Sequence[Word]) -> None:
        """More words that will not change any more."""
        self._open = ()
        if words:
            self._finals.append(list(words))
            self._finals.sort(key=lambda each: each[0].start_sample)
            self._see(words[0].start_sample, words[-1].end_sample)
            self._settle(sum(map(len, self._finals)))

    def hear(self, found: Hypothesis) -> None:
        """What Riva holds of what comes after the finals. By its word, or when it says so twice, words are stable."""
        count = max(found.stable, agreed(self._open, found.words))
        self._open = found.words
        self._see(found.start_sample, found.end_sample)
        self._settle(sum(map(len, self._finals)) + count)

    def lose(self) -> None:
        """The stream of Riva's broke: what it held but had not made final is heard anew."""
        self._open = ()

    def partial(self) -> Partial | None:
        """What is understood so far; None: nothing."""
        if not (self._stable or self._shown):
            return None
        start = self._first if self._start is None else self._start
        return Partial(" ".join(self._stable), " ".join(self._shown), start, max(start, self._seen))

    def answer(self, flush_id: int, end_sample: int, language: str) -> Final | NoSpeech:
        """The answer to a flush at `end_sample`."""
        words: list[Word] = []
        at = self._first
        for word in (word for each in self._finals for word in each):
            start = min(max(word.start_sample, at), end_sample)
            at = min(max(word.end_sample, start), end_sample)
            words.append(replace(word, start_sample=start, end_sample=at))
        if not words:
            return NoSpeech(flush_id, self._first, end_sample)
        text = " ".join(word.text for word in words)
        return Final(flush_id, text, words, words[0].start_sample, at, language)

    def _see(self, start_sample: int, end_sample: int) -> None:
        if self._start is None:
            self._start = max(self._first, start_sample)
        self._seen = max(self._seen, end_sample)

    def _settle(self, stable: int) -> None:
        """Of all words as they are now the first `stable` may be relied on: what they add to the stable text stays."""
        now = [*(word.text for words in self._finals for word in words), *self._open]
        same = 0
        while same < min(len(self._stable), len(now)) and plain(self._stable[same]) == plain(now[same]):
            same += 1
        said = same + covered(self._stable[same:], now[same:]) if same < len(self._stable) else same
        self._stable += now[said:stable]
        self._shown = tuple(now[max(said, stable) :])
