"""Words and sentences of what was said, as readers compare them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_WORD: Final = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_WITHOUT_DIGITS: Final = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_SENTENCE: Final = re.compile(r"(?<=[.?!…])\s+")
_CLAUSE: Final = re.compile(r",\s+")
_REPEATED: Final = re.compile(r"(.)\1+")


def words_of(text: str) -> list[str]:
    """Lower-case words without punctuation, with a plain apostrophe; digits are words, too."""
    return _plain(_WORD.findall(text))


def words_without_digits(text: str) -> list[str]:
    """The same without what is written in digits: so the weights of the end of a turn were fitted."""
    return _plain(_WITHOUT_DIGITS.findall(text))


def sentences_of(text: str) -> list[str]:
    """At least one."""
    return _SENTENCE.split(text.strip())


def clauses_of(sentence: str) -> list[str]:
    """What stands between commas."""
    return _CLAUSE.split(sentence)


def stem(word: str) -> str:
    """ "what" of "what's", "i" of "i'm"."""
    return word.split("'", maxsplit=1)[0]


def squeezed(word: str) -> str:
    """ "um" of "ummm": recognition writes a drawn sound in many lengths."""
    return _REPEATED.sub(r"\1", word)


def _plain(words: Sequence[str]) -> list[str]:
    return [word.lower().replace("’", "'") for word in words]
