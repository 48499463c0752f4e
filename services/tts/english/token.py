"""A written word taken apart, and its place among the others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.common.abbreviations import FUNCTION_WORDS

_OPENING: Final = "(\"'“‘[{«…—–"
_CLOSING: Final = ".,;:!?…)\"'”’]}»—–"
_SENTENCE_END: Final = re.compile(r"[.!?…]")
_WORD: Final = re.compile(r"[^\W\d_]")
_TWO_DIGITS: Final = re.compile(r"\d\ds?")


@dataclass
class Token:
    """One written word: marks before it, itself, marks after it."""

    lead: str
    core: str
    trail: str
    said: str | None = None
    """What is said for `core`; None: as it is written."""
    count: float | None = None
    """Its value when it is a number that counts things; what is counted may follow."""

    @property
    def spoken(self) -> str:
        return f"{self.lead}{self.core if self.said is None else self.said}{self.trail}"

    @property
    def low(self) -> str:
        return self.core.lower()

    @property
    def capital(self) -> bool:
        return self.core[:1].isupper()

    @property
    def name(self) -> bool:
        """It looks like a part of a name: a capital, and no word that merely begins a sentence."""
        return self.capital and self.low.partition("'")[0] not in FUNCTION_WORDS

    @property
    def dotted(self) -> bool:
        return self.trail.startswith(".")

    @property
    def closed(self) -> bool:
        """A mark stands behind it."""
        return bool(self.trail)


_NOTHING: Final = Token("", "", "")


def split(word: str) -> Token:
    """Marks off both ends. An apostrophe before digits stays with them, as in '62."""
    inner = word.lstrip(_OPENING)
    core = inner.rstrip(_CLOSING)
    lead, trail = word[: len(word) - len(inner)], inner[len(core) :]
    if lead[-1:] in ("'", "’", "‘") and _TWO_DIGITS.fullmatch(core):
        lead, core = lead[:-1], f"'{core}"
    return Token(lead, core, trail)


@dataclass(frozen=True)
class Place:
    """A word among its neighbours."""

    tokens: Sequence[Token]
    index: int

    @property
    def token(self) -> Token:
        return self.tokens[self.index]

    def near(self, offset: int) -> Token:
        """The word so many further on; an empty one beyond the ends."""
        at = self.index + offset
        return self.tokens[at] if 0 <= at < len(self.tokens) else _NOTHING

    @property
    def before(self) -> Token:
        return self.near(-1)

    @property
    def after(self) -> Token:
        return self.near(1)

    @property
    def last(self) -> bool:
        return self.index + 1 >= len(self.tokens)

    @property
    def opens(self) -> bool:
        """It begins a sentence, so its capital means nothing."""
        return self.index == 0 or bool(_SENTENCE_END.search(self.before.trail))

    @property
    def ends(self) -> bool:
        """Its full stop ends a sentence: nothing follows, or a word that begins one."""
        return self.last or (self.after.capital and not self.after.name)

    def say(self, words: str, *, count: float | None = None) -> bool:
        """Sets what is said, without the full stop of an abbreviation unless it ends the sentence too."""
        token = self.token
        token.said, token.count = words, count
        return True

    def expand(self, words: str) -> bool:
        """`words` for an abbreviation; its full stop goes unless it ends the sentence as well."""
        token = self.token
        if token.dotted and not self.ends:
            token.trail = token.trail[1:]
        token.said = words
        return True

    def spell(self, letters: str) -> bool:
        """Letters with full stops between them; the last one is a mark of its own when it ends the sentence too."""
        token = self.token
        stop = " ." if token.dotted and self.ends else ""
        token.said = f"{letters}."
        token.trail = stop + (token.trail[1:] if token.dotted else f" {token.trail}" if token.trail else "")
        return True


def is_word(token: Token) -> bool:
    """It has letters and begins in lower case: a common word."""
    return bool(_WORD.match(token.core)) and not token.capital
