"""The words of one utterance while it grows: committed, stable, and the rest of the latest hypothesis.

Invariant: committed words and stable words never change; every later hypothesis is decoded with the stable words given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from services.asr.engines.stability import agreed
from services.asr.engines.whisper_decoder import TimedWord
from services.asr.engines.whisper_text import TokenWord

#: Tokens of committed words that the decoder is told as what was said before.
_MEMORY_TOKENS: Final = 48
#: What a mark at the end of a word adds to the pause after it, in columns of 10 ms, when a place to cut is chosen.
_MARKS: Final = {".": 50.0, "?": 50.0, "!": 50.0, ",": 20.0, ";": 20.0, ":": 20.0}


class Transcript:
    """Words from one flush to the next. Times are columns of the stream."""

    def __init__(self) -> None:
        self.committed: list[TimedWord] = []
        self._stable: tuple[TokenWord, ...] = ()
        self._latest: tuple[TokenWord, ...] = ()

    @property
    def prefix(self) -> tuple[int, ...]:
        """Tokens of the stable words since the commit point."""
        return tuple(token for word in self._stable for token in word.tokens)

    @property
    def previous(self) -> tuple[int, ...]:
        """The last tokens before the commit point."""
        return tuple(token for word in self.committed for token in word.tokens)[-_MEMORY_TOKENS:]

    @property
    def firm(self) -> bool:
        """Some words can no longer be taken back."""
        return bool(self.committed or self._stable)

    @property
    def stable_text(self) -> str:
        words = [word.text for word in self.committed] + [word.text for word in self._stable]
        return "".join(words).strip()

    @property
    def unstable_text(self) -> str:
        return "".join(word.text for word in self._latest[len(self._stable) :]).strip()

    def update(self, words: Sequence[TokenWord]) -> None:
        """Takes the next hypothesis of the audio since the commit point; it begins with the stable words."""
        count = agreed([word.text for word in self._latest], [word.text for word in words])
        self._latest = tuple(words)
        self._stable = self._latest[: max(count, len(self._stable))]

    def cut(self, timed: Sequence[TimedWord], until: float, *, only_stable: bool) -> int:
        """How many words to commit so that the cut falls into the clearest pause before `until`; 0 when there is none."""
        allowed = min(len(timed) - 1, len(self._stable) if only_stable else len(timed))
        best, best_score = 0, -1.0
        for count in range(1, allowed + 1):
            word, after = timed[count - 1], timed[count]
            if word.end > until:
                break
            score = after.start - word.end + _MARKS.get(word.text[-1:], 0.0)
            if score >= best_score:
                best, best_score = count, score
        return best

    def commit(self, timed: Sequence[TimedWord], count: int) -> None:
        """Commits the first `count` words of the latest hypothesis, given with their times."""
        self.committed.extend(timed[:count])
        self._stable = self._stable[count:]
        self._latest = self._latest[count:]
