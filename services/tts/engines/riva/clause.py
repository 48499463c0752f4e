"""The words of a clause as they are written, and what of them a Riva server is sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from services.common.riva.alignment import Timed, placed
from services.tts.spoken import SpokenWord, in_letters_of


@dataclass(frozen=True)
class Clause:
    """`tokens` are sent; each belongs to the written word with its index."""

    words: Sequence[SpokenWord]
    tokens: Sequence[tuple[str, int]]

    @property
    def sounds(self) -> bool:
        """There is something to be said."""
        return any(char.isalnum() for token, _ in self.tokens for char in token)

    @property
    def unspoken_scripts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(word.unspoken_script for word in self.words if word.unspoken_script))

    def request(self, speed: float) -> str:
        """The text for the server; another pace than the voice's own is asked for in SSML."""
        text = " ".join(token for token, _ in self.tokens)
        return text if speed == 1 else f'<speak><prosody rate="{speed:.0%}">{escape(text)}</prosody></speak>'

    def timed(self, said: Sequence[Timed], first: float, last: float) -> list[tuple[float, float]]:
        """From when to when each written word sounds, in order: `said` is what the server timed, within [first, last)."""
        tokens = placed([token for token, _ in self.tokens], said, first, last)
        spans: dict[int, tuple[float, float]] = {}
        for (_, owner), token in zip(self.tokens, tokens, strict=True):
            spans[owner] = (spans[owner][0] if owner in spans else token.start, token.end)
        return list(self._in_order(spans, first))

    def _in_order(self, spans: dict[int, tuple[float, float]], first: float) -> Iterator[tuple[float, float]]:
        """A word of which nothing is said takes no time."""
        at = first
        for index in range(len(self.words)):
            start, end = spans.get(index, (at, at))
            start = max(start, at)
            at = max(end, start)
            yield start, at


def clause_of(words: Sequence[SpokenWord], language: str) -> Clause:
    """What is sent of the words of a clause in a language."""
    words = in_letters_of(language, words)
    return Clause(words, [(token, index) for index, word in enumerate(words) for token in word.spoken.split()])
