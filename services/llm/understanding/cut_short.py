"""What the persona was telling when it was interrupted: it is not told again from its beginning, but can be gone on with.

Only what was heard is in the history, so it is looked for among the passages: the one whose sentences begin with the last words
that were heard.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from services.llm.memory.history import Utterance
from services.llm.persona.story import Passage
from services.llm.understanding.words import words

#: Fewer words may begin anything.
_LEAST_WORDS: Final = 3
#: So many replies of its own ago it still knows what it was telling.
_REMEMBERED: Final = 4


@dataclass(frozen=True)
class CutShort:
    """A passage of which not all was heard."""

    passage: Passage
    rest: int
    """The first sentence that was not heard to its end; there is one."""
    begun: int = 0
    """So many words of it were heard."""

    @property
    def next(self) -> int:
        """The sentence that was about to tell something new: this one, or the one after it when most of this one was heard."""
        return self.rest + (2 * self.begun > len(words(self.passage.sentences[self.rest])))


def interrupted(history: Sequence[Utterance], persona_id: str) -> bool:
    """Whether the persona's last words were cut short."""
    last = next((item for item in reversed(history) if item.speaker == persona_id), None)
    return last is not None and last.interrupted


def cut_short(passages: Iterable[Passage], history: Sequence[Utterance], persona_id: str) -> CutShort | None:
    """What was cut short last, and was not told to its end since; None when there is nothing to go on with."""
    own = [item for item in reversed(history) if item.speaker == persona_id][:_REMEMBERED]
    for item in own:
        if item.interrupted and (found := _told(passages, words(item.text))) is not None:
            return found
        if not item.interrupted and _told_to_its_end(passages, words(item.text)):
            return None
    return None


def _told(passages: Iterable[Passage], heard: list[str]) -> CutShort | None:
    """The passage whose telling ends with what was heard."""
    best, longest = None, _LEAST_WORDS - 1
    for passage in passages:
        sentences = [words(sentence) for sentence in passage.sentences]
        for first in range(len(sentences)):
            length = _overlap(heard, [word for sentence in sentences[first:] for word in sentence])
            if length > longest:
                rest, begun = _after(sentences, first, length)
                longest = length
                best = CutShort(passage, rest, begun) if rest < len(sentences) else None
    return best


def _overlap(heard: list[str], told: list[str]) -> int:
    """How many words at the end of `heard` are those at the beginning of `told`."""
    return next((n for n in range(min(len(heard), len(told)), 0, -1) if heard[-n:] == told[:n]), 0)


def _after(sentences: Sequence[list[str]], first: int, length: int) -> tuple[int, int]:
    """Where `length` words from the beginning of sentence `first` end: the sentence, and how many of its words they are.

    When they are all of its words it is the next sentence, and none.
    """
    while first < len(sentences) and length >= len(sentences[first]):
        length -= len(sentences[first])
        first += 1
    return first, length


def _told_to_its_end(passages: Iterable[Passage], heard: list[str]) -> bool:
    """Whether this was the end of a passage: then an older one is not gone on with."""
    ends = (words(passage.sentences[-1]) for passage in passages)
    return any(len(end) >= _LEAST_WORDS and heard[-len(end) :] == end for end in ends)
