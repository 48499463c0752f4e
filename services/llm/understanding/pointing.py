"""Short questions about what is just being told: "Hold on, where is that?", "How old is she?"."""

from __future__ import annotations

import re
from typing import Final

from services.llm.understanding.words import LEXICON, numbers, words

#: A question with more words than this stands by itself.
SHORT_WORDS: Final = 8
_POINTING: Final = frozenset(LEXICON["pointing"].split())
_ANSWERS: Final = {kind: frozenset(text.split()) for kind, text in LEXICON["answers"].items()}
_HOW_MUCH: Final = re.compile(r"\bhow (old|many|much|long|far|often|deep|big|tall|high)\b|\bwhat age\b")
_WHO: Final = re.compile(r"\b(who|whom|whose|name)\b")
_WHERE: Final = re.compile(r"\bwhere\b")
_WHEN: Final = re.compile(r"\bwhen\b|\bwhat (year|day)\b")
_WHY: Final = re.compile(r"\bwhy\b|\bhow come\b")
_PLACE: Final = re.compile(r"\b(?:in|at|on|near|outside|from|of|to) (?:the )?([A-Z][a-z]+)|\bout of (?:an?|the) ([a-z]+)")
#: A name, but not the word that a sentence begins with.
_NAMED: Final = re.compile(r"(?<=[a-z,;] )(?!I\b)[A-Z][a-z]+")


def points_back(question: str) -> bool:
    """Whether a question can only be understood by who heard what was said before it."""
    said = words(question)
    return len(said) <= SHORT_WORDS and not _POINTING.isdisjoint(said)


def fits(question: str, sentence: str) -> bool:
    """Whether a sentence has what a question asks for: a number, a name, a place, a time, a reason. Others: never."""
    asked, told = question.lower(), frozenset(words(sentence))
    if _HOW_MUCH.search(asked):
        return bool(numbers(sentence))
    if _WHO.search(asked):
        return _NAMED.search(sentence) is not None
    if _WHERE.search(asked):
        named = {name.lower().removesuffix("s") for found in _PLACE.findall(sentence) for name in found if name}
        return not _ANSWERS["where"].isdisjoint(told) or bool(named - _ANSWERS["when"])
    if _WHEN.search(asked):
        return not _ANSWERS["when"].isdisjoint(told) or bool(numbers(sentence))
    return _WHY.search(asked) is not None and not _ANSWERS["why"].isdisjoint(told)
