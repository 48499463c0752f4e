"""The words of one utterance while it grows, twice: as they were shown, and as they will be in the final.

Partial results are decoded quickly, from little audio and with the stable words given; the words of the final are decoded anew,
with more audio and care. So the two can differ. Invariants: the stable text only grows; committed words never change; what can
still change is bounded by the audio that is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from services.asr.engines.stability import agreed, covered
from services.asr.engines.whisper_text import TimedWord, TokenWord

#: Tokens of committed words that the decoder is told as what was said before.
_MEMORY_TOKENS: Final = 48
#: What a mark at the end of a word adds to the pause after it, in columns of 10 ms, when a place to cut is chosen.
_MARKS: Final = {".": 50.0, "?": 50.0, "!": 50.0, ",": 20.0, ";": 20.0, ":": 20.0}
#: Ten seconds later are worth as much as a pause of one second: few long pieces are better than many short ones.
_LATER: Final = 0.1


class Transcript:
    """Words from one flush to the next. Times are columns of the stream."""

    def __init__(self) -> None:
        self.committed: list[TimedWord] = []
        """The first words of the final; their audio is forgotten."""
        self._past = ""
        self._shown: list[TimedWord] = []
        self._stable: tuple[TokenWord, ...] = ()
        self._latest: tuple[TokenWord, ...] = ()
        self._open: tuple[TokenWord, ...] = ()

    @property
    def empty(self) -> bool:
        """Nothing was said yet that could not be taken back."""
        return not (self.committed or self._shown or self._stable)

    @property
    def stable_text(self) -> str:
        return (self._past + _join(self._shown) + _join(self._stable)).strip()

    @property
    def unstable_text(self) -> str:
        return _join(self._open).strip()

    @property
    def prefix(self) -> tuple[int, ...]:
        """Tokens of the stable words in the audio that partial results are made from."""
        return _tokens(self._stable)

    @property
    def shown_tokens(self) -> tuple[int, ...]:
        """The last tokens before that audio."""
        return _tokens([*self.committed, *self._shown])[-_MEMORY_TOKENS:]

    @property
    def committed_tokens(self) -> tuple[int, ...]:
        """The last tokens that are committed."""
        return _tokens(self.committed)[-_MEMORY_TOKENS:]

    def hear(self, words: Sequence[TokenWord]) -> None:
        """Takes a quick hypothesis, decoded with `prefix`."""
        count = agreed(_texts(self._latest), _texts(words))
        self._latest = tuple(words)
        self._stable = self._latest[: max(count, len(self._stable))]
        self._open = self._latest[len(self._stable) :]

    def show(self, words: Sequence[TokenWord]) -> None:
        """Takes a careful hypothesis of all that is not committed: its further words are shown, but nothing becomes stable."""
        said: list[TokenWord] = [*self._shown, *self._stable]
        self._open = tuple(TokenWord(word.text, word.tokens) for word in words[covered(_texts(said), _texts(words)) :])

    def advance(self, timed: Sequence[TimedWord], until: float) -> float | None:
        """Moves the start of the audio for partial results on, over stable words; where to, or None for nowhere.

        `timed` are the words of the latest quick hypothesis.
        """
        count = place_to_cut(timed[: len(self._stable) + 1], until)
        if not count:
            return None
        self._shown.extend(timed[:count])
        self._stable, self._latest = self._stable[count:], self._latest[count:]
        return _between(timed, count)

    def commit(self, timed: Sequence[TimedWord], until: float) -> float | None:
        """Commits the words of a careful hypothesis up to the best cut before `until`; where that is, or None for nowhere."""
        count = place_to_cut(timed, until)
        if not count:
            return None
        cut = _between(timed, count)
        self.committed.extend(timed[:count])
        before = [word for word in self._shown if (word.start + word.end) / 2 < cut]
        self._past += _join(before)
        self._shown = self._shown[len(before) :]
        return cut

    def close(self, timed: Sequence[TimedWord]) -> None:
        """Commits all words of a careful hypothesis of all that is not committed."""
        self.committed.extend(timed)
        self.show(timed)
        self._past += _join(self._shown) + _join(self._stable) + _join(self._open)
        self._shown = []
        self._stable = self._latest = self._open = ()


def place_to_cut(timed: Sequence[TimedWord], until: float) -> int:
    """After how many words speech is best cut: at a clear pause or the end of a sentence, at or before `until`. 0: nowhere."""
    best, best_score = 0, 0.0
    for count, (word, after) in enumerate(pairwise(timed), 1):
        if word.end > until:
            break
        score = after.start - word.end + _MARKS.get(word.text[-1:], 0.0) + _LATER * (word.end - timed[0].start)
        if score >= best_score:
            best, best_score = count, score
    return best


def _between(timed: Sequence[TimedWord], count: int) -> float:
    return (timed[count - 1].end + timed[count].start) / 2


def _texts(words: Sequence[TokenWord]) -> list[str]:
    return [word.text for word in words]


def _join(words: Sequence[TokenWord]) -> str:
    return "".join(word.text for word in words)


def _tokens(words: Sequence[TokenWord]) -> tuple[int, ...]:
    return tuple(token for word in words for token in word.tokens)
