"""Words as they are written, placed where the words of a Riva server lie in time.

The two differ: a text is punctuated and has "25" where the server timed "twenty" and "five", and some models time nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher


@dataclass(frozen=True)
class Timed:
    """A word and where it lies, in any unit that grows with time."""

    text: str
    start: float
    end: float
    confidence: float = 1.0
    """0 to 1."""


def placed(words: Sequence[str], timed: Sequence[Timed], first: float, last: float, confidence: float = 1.0) -> list[Timed]:
    """`words` with times: those of the same word in `timed`; what differs shares the time between its neighbours by letters.

    Without `timed` all share [first, last); `confidence` is for words that have none of their own.
    """
    if len(words) == len(timed):
        return [Timed(word, other.start, other.end, other.confidence) for word, other in zip(words, timed, strict=True)]
    return list(_matched(words, timed, first, last, confidence))


def _matched(words: Sequence[str], timed: Sequence[Timed], first: float, last: float, confidence: float) -> Iterator[Timed]:
    matcher = SequenceMatcher(None, [_plain(word) for word in words], [_plain(other.text) for other in timed], autojunk=False)
    end = first
    for kind, begin, stop, other_begin, other_stop in matcher.get_opcodes():
        others = timed[other_begin:other_stop]
        if kind == "equal":
            for word, other in zip(words[begin:stop], others, strict=True):
                yield Timed(word, other.start, other.end, other.confidence)
        elif others:
            sure = min(other.confidence for other in others)
            yield from shared(words[begin:stop], others[0].start, others[-1].end, sure)
        else:
            until = timed[other_stop].start if other_stop < len(timed) else last
            yield from shared(words[begin:stop], end, max(end, until), confidence)
        end = others[-1].end if others else end


def shared(words: Sequence[str], first: float, last: float, confidence: float = 1.0) -> Iterator[Timed]:
    """`words` one after the other over [first, last), each as long as it has letters."""
    weights = [1 + len(_plain(word)) for word in words]
    step = (last - first) / sum(weights) if weights else 0.0
    for word, weight in zip(words, weights, strict=True):
        yield Timed(word, first, first + weight * step, confidence)
        first += weight * step


def _plain(word: str) -> str:
    """Without case and punctuation, for comparing."""
    return "".join(char for char in word if char.isalnum()).casefold()
