"""Where English text can be cut: where its sentences and lines end, and where a speaker breathes inside a sentence.

A full stop may belong to the word before it: "Dr. Smith", "J. K. Rowling", "Jan. 5", "the U.S. Navy". Whether it ends a
sentence all the same is told by what follows; as long as that has not come, there is no end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from services.common.abbreviations import (
    BEFORE_DIGITS,
    DOTTED_TITLES,
    FUNCTION_WORDS,
    NEVER_LAST,
    NUMBERED,
    OFTEN_LAST,
    TITLES,
)

_CLOSING: Final = r"[\"'”’)\]*_]*+"
#: Some scripts have no white space after a sentence: there its end is certain when something else follows.
_BOUNDARY: Final = re.compile(
    rf"(?<![.!?…])(?P<mark>[.!?…]++){_CLOSING}(?=\s|$)"
    r"|[。！？؟।]+[”’」』）\"')]*(?=[^。！？؟।”’」』）\"')])"
    rf"|(?P<breath>[,;:]|[—–]|(?<=\s)--?){_CLOSING}(?=\s|$)"
    r"|(?P<line>\n)"
)
#: Longer words are no abbreviations: no more of what stands before a full stop is looked at.
_LONGEST: Final = 24
_LAST_WORD: Final = re.compile(r"[^\s\"“(\[*_—–…]*$")
_INITIALS: Final = re.compile(r"[A-Za-z](?:\.[A-Za-z])+")
_NUMBER: Final = re.compile(r"#?\d|(?!I\b)[IVXLC]+\b")
_CAPITAL_WORD: Final = re.compile(r"[A-Z]\w*")
_BEGUN_WORD: Final = re.compile(r"\w*")


class Boundary(NamedTuple):
    """A place where text can be cut."""

    end: int
    """One past its mark and the quotation marks that close there."""
    kind: Literal["sentence", "line", "breath"]


def boundaries(text: str, *, whole: bool, limit: int | None = None) -> Iterator[Boundary]:
    """The places in `text`, or in its first `limit` characters.

    Text that is not `whole` may go on where it ends: a mark at its very end is none yet, and a word there is only begun.
    """
    for match in _BOUNDARY.finditer(text, 0, len(text) if limit is None else limit):
        end = match.end()
        if match["line"]:
            yield Boundary(end, "line")
        elif end == len(text) and not whole:
            return
        elif match["breath"]:
            yield Boundary(end, "breath")
        elif match["mark"] != "." or not _belongs(_word_before(text, match.start()), text[end:], whole=whole):
            yield Boundary(end, "sentence")


def _word_before(text: str, end: int) -> str:
    match = _LAST_WORD.search(text[max(0, end - _LONGEST) : end])
    return match.group().strip("'‘’") if match else ""


def _belongs(word: str, after: str, *, whole: bool) -> bool:
    """Whether a full stop is only that of the word before it, or may be when what follows is there.

    "no." is nearly always the word: whole text that ends with it ends there.
    """
    low, following = word.lower(), after.lstrip().lstrip("\"'“‘(")
    begun = not whole and _BEGUN_WORD.fullmatch(following) is not None
    small, digit = following[:1].islower(), following[:1].isdecimal()
    if low in NEVER_LAST or (len(low) == 1 and low.isalpha() and low != "i"):
        return True
    if low in OFTEN_LAST:
        return not following or small or digit
    if word in BEFORE_DIGITS:
        return digit or (begun and not following)
    awaited = begun or not following
    if low in NUMBERED and (_NUMBER.match(following) or (awaited if low != "no" else begun and not following)):
        return True
    if _INITIALS.fullmatch(word) or (word[:1].isupper() and (low in TITLES or low in DOTTED_TITLES)):
        return not following or small or _is_name(following, begun=begun)
    return small and low in TITLES


def _is_name(following: str, *, begun: bool) -> bool:
    """Whether a text starts with a capital word that is none of those that begin sentences, or may become one."""
    first = _CAPITAL_WORD.match(following)
    return first is not None and (begun or first.group().lower() not in FUNCTION_WORDS)
