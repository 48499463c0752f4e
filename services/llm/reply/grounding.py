"""The check of a clause against what is known: nothing is claimed that memory, the question or the conversation do not hold.

Names and numbers must be in the evidence, and so must a relation ("my sister"). A claim about somebody's life must share
most of its words with one sentence of the evidence (or two that follow each other), must not deny what that sentence
affirms, and must not turn it towards the listener. A wrong claim made of the words of one sentence stays unseen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from services.llm.reply.clauses import sentences
from services.llm.understanding.words import LEXICON, content, numbers, stem, stems, words

_NO_NAMES: Final = frozenset(LEXICON["no_names"].split())
_RELATIONS: Final = stems("relations")
_NEGATIONS: Final = frozenset(LEXICON["negations"].split())
#: Numbers are checked by themselves.
_NUMBERS: Final = stems("numbers") | stems("tens") | stems("ordinals") | {"hundr", "hundred", "thousand"}
#: Small numbers are said in passing ("one or two"), so they claim nothing.
_SMALL: Final = frozenset({0, 1, 2})
#: A claim about a life shares at least this share of its words with a sentence that is known.
_MIN_SHARED: Final = 0.7
#: Fewer words of meaning than this claim nothing ("I see").
_MIN_CLAIM: Final = 2
_LIFE: Final = re.compile(r"\b(I|I['’](m|ve|d|ll)|[Mm]y|[Ww]e|[Oo]ur|[Hh]e|[Ss]he|[Tt]hey|[Hh]is|[Hh]er|[Tt]heir)\b")
_LISTENER: Final = re.compile(r"\b(you|your|yours)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Evidence:
    """Everything that a reply may speak of."""

    texts: tuple[str, ...]
    """Passages of the life story, and what was said in the conversation."""
    known: tuple[str, ...] = ()
    """Names that may always be said: the persona's own, and the listener's."""
    relations: tuple[str, ...] = ()
    """Who or what belongs to this life besides what belongs to all."""
    _words: frozenset[str] = field(init=False)
    _numbers: frozenset[int] = field(init=False)
    _people: frozenset[str] = field(init=False)
    _relations: frozenset[str] = field(init=False)
    _spans: tuple[tuple[str, frozenset[str]], ...] = field(init=False)

    def __post_init__(self) -> None:
        together = " ".join((*self.texts, *self.known))
        spans = [span for text in self.texts for span in _spans(sentences(text))]
        object.__setattr__(self, "_words", _all_words(together))
        object.__setattr__(self, "_numbers", frozenset(numbers(together)))
        object.__setattr__(self, "_people", frozenset(stem(name.lower()) for text in self.texts for name in names(text)))
        object.__setattr__(self, "_relations", _RELATIONS | frozenset(map(stem, self.relations)))
        object.__setattr__(self, "_spans", tuple((span, frozenset(content(span))) for span in spans))

    def problem(self, clause: str) -> str | None:
        """What is wrong with a clause, in a word for the log; None when it holds."""
        if any(stem(name.lower()) not in self._words for name in names(clause)):
            return "name"
        if not (numbers(clause) - _SMALL) <= self._numbers:
            return "number"
        said = set(content(clause)) - _NEGATIONS - _NUMBERS
        if any(word in self._relations and word not in self._words for word in said):
            return "relation"
        problem = self._claim_problem(clause, said) if said else None
        if problem == "unsupported" and not (_LIFE.search(clause) or said & self._people):
            # Said of nobody's life, or of the listener's.
            return None
        return problem

    def _claim_problem(self, clause: str, said: set[str]) -> str | None:
        span, have = max(self._spans, key=lambda item: (len(said & item[1]), -len(item[1])), default=("", frozenset()))
        if len(said & have) < _MIN_SHARED * len(said):
            return "unsupported" if len(said) >= _MIN_CLAIM else None
        # Which half of two sentences is denied cannot be told.
        if _negated(clause) != _negated(span) and len(sentences(span)) == 1:
            return "negation"
        if _LISTENER.search(clause) and not _LISTENER.search(span):
            return "listener"
        return None


def names(text: str) -> list[str]:
    """The words of a text that look like names: those with a capital letter inside a sentence."""
    found = []
    for sentence in sentences(text):
        for match in list(re.finditer(r"[^\W\d_][\w'’]*", sentence))[1:]:
            word = match.group().replace("’", "'").removesuffix("'s")
            if word[0].isupper() and len(word) > 1 and word.lower() not in _NO_NAMES:
                found.append(word)
    return found


def unknown_terms(text: str, known: Iterable[str]) -> list[str]:
    """Names and numbers of `text` that none of `known` has."""
    together = " ".join(known)
    have, counted = _all_words(together), numbers(together)
    strange = [name for name in names(text) if stem(name.lower()) not in have]
    return strange + [str(number) for number in sorted(numbers(text) - _SMALL - counted)]


def _all_words(text: str) -> frozenset[str]:
    """The stems of all words, the little ones too: "You" may be part of a title."""
    return frozenset(map(stem, words(text)))


def _spans(texts: list[str]) -> list[str]:
    """Single sentences, and pairs that follow each other."""
    return texts + [f"{first} {second}" for first, second in pairwise(texts)]


def _negated(text: str) -> bool:
    return any(word in _NEGATIONS or word.endswith("n't") for word in words(text))
