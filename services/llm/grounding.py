"""The check of a clause against what is known: nothing is claimed that memory, the question or the conversation do not hold.

Names and numbers must be in the evidence. A relation ("my sister") must be too, and a sentence about the same things must not be
denied in one and affirmed in the other. What the check cannot see is a wrong claim made of known words only; a clause about the
person's life must therefore share most of its words with the evidence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from services.llm.clauses import sentences
from services.llm.words import content, numbers, stem, words

#: Capital letters that name nobody.
_NO_NAMES: Final = frozenset(
    [
        "i",
        "i'm",
        "i've",
        "i'd",
        "i'll",
        "ok",
        "tv",
        "ai",
        "a.i",
        "mister",
        "missus",
        "mr",
        "mrs",
        "miss",
        "ms",
        "dr",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
        "english",
        "christmas",
        "god",
        "lord",
    ]
)
_RELATIONS: Final = frozenset(
    map(stem, ["mother", "father", "sister", "brother", "son", "daughter", "child", "husband", "wife", "uncle", "aunt", "niece", "nephew", "cousin", "grandmother", "grandfather", "grandson", "granddaughter", "twin", "boyfriend", "girlfriend", "fiance", "stepson", "stepdaughter", "dog", "cat"])
)  # fmt: skip
_NEGATIONS: Final = frozenset(["no", "not", "never", "none", "nobody", "nothing", "neither", "nor", "without", "cannot"])
#: Small numbers are said in passing ("one or two"), so they claim nothing.
_SMALL: Final = frozenset({0, 1, 2})
#: A claim about one's own life shares at least this share of its words with the evidence.
_MIN_SHARED: Final = 0.5
_OWN_LIFE: Final = re.compile(r"\b(I|I'm|I’m|I've|I’ve|my|we|our|he|she|they|his|her)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Evidence:
    """Everything that a reply may speak of."""

    texts: tuple[str, ...]
    """Passages of the life story, and what was said in the conversation."""
    known: tuple[str, ...] = ()
    """Names that may always be said: the persona's own, and the listener's."""
    _words: frozenset[str] = field(init=False)
    _numbers: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        together = " ".join((*self.texts, *self.known))
        object.__setattr__(self, "_words", frozenset(content(together)))
        object.__setattr__(self, "_numbers", frozenset(numbers(together)))

    def problem(self, clause: str, *, strict: bool = True) -> str | None:
        """What is wrong with a clause, as a word for the log; None when it holds. Not strict: only names and numbers are checked."""
        if any(stem(name.lower()) not in self._words for name in names(clause)):
            return "name"
        if not (numbers(clause) - _SMALL) <= self._numbers:
            return "number"
        if not strict:
            return None
        said = content(clause)
        if any(word in _RELATIONS and word not in self._words for word in said):
            return "relation"
        if _contradicts(clause, self.texts):
            return "negation"
        if len(said) >= 3 and _OWN_LIFE.search(clause):
            shared = sum(word in self._words for word in said) / len(said)
            if shared < _MIN_SHARED:
                return "unsupported"
        return None


def names(text: str) -> list[str]:
    """The words of a text that look like names: capital letters inside a sentence, or at its start when no common word stands there."""
    found = []
    for sentence in sentences(text) or [text]:
        for index, match in enumerate(re.finditer(r"[^\W\d_][\w'’]*", sentence)):
            word = match.group().replace("’", "'").removesuffix("'s")
            lower = word.lower()
            if index > 0 and word[0].isupper() and lower not in _NO_NAMES and len(word) > 1:
                found.append(word)
    return found


def unknown_terms(text: str, known: Iterable[str]) -> list[str]:
    """Names and numbers of `text` that none of `known` has, for grading."""
    together = " ".join(known)
    have, counted = set(content(together)), numbers(together)
    return [name for name in names(text) if stem(name.lower()) not in have] + [
        str(number) for number in sorted(numbers(text) - _SMALL - counted)
    ]


def _contradicts(clause: str, texts: Sequence[str]) -> bool:
    """Whether the sentence of the evidence that is closest in words says the opposite."""
    said = set(content(clause)) - _NEGATIONS
    if len(said) < 1:
        return False
    best, share = "", 0.0
    for text in texts:
        for sentence in sentences(text):
            shared = len(said & set(content(sentence))) / len(said)
            if shared > share:
                best, share = sentence, shared
    return share >= 0.6 and _negated(clause) != _negated(best)


def _negated(text: str) -> bool:
    return any(word in _NEGATIONS or word.endswith("n't") for word in words(text))
