"""Where English text can be cut: where its sentences and lines end, and where a speaker breathes inside a sentence.

A full stop may belong to the word before it: "Dr. Smith", "J. K. Rowling", "Jan. 5", "the U.S. Navy". Whether it ends a
sentence all the same is told by what follows; as long as that has not come, there is no end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from services.common.abbreviations import (
    ARTICLES,
    BEFORE_DIGITS,
    BEFORE_NAMES_ONLY,
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
#: Longer words are no abbreviations: no more characters of what stands before a full stop are looked at.
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
        elif match["mark"] != "." or not _belongs(text, match.start(), text[end:], whole=whole):
            yield Boundary(end, "sentence")


def _belongs(text: str, stop: int, after: str, *, whole: bool) -> bool:
    """Whether the full stop at `stop` is only that of the word before it, or may be when what follows is there.

    "no." is nearly always the word: whole text that ends with it ends there.
    """
    match = _LAST_WORD.search(text, max(0, stop - _LONGEST), stop)
    written = match.group() if match else ""
    word = written.strip("'‘’")
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
        named = _is_name(following, begun=begun)
        if low in BEFORE_NAMES_ONLY and not _stands_alone(text[: stop - len(written)]):
            named = following[:1].isupper()
        return not following or small or named
    return small and low in TITLES


def _is_name(following: str, *, begun: bool) -> bool:
    """Whether a text starts with a capital word that is none of those that begin sentences, or may become one."""
    first = _CAPITAL_WORD.match(following)
    return first is not None and (begun or first.group().lower() not in FUNCTION_WORDS)


def _stands_alone(before: str) -> bool:
    """Whether a title after this text has no name behind it: "the Dr.", or is the street of one before it: "on Elm Dr."."""
    words = before[-2 * _LONGEST :].split()
    last = words[-1] if words else ""
    opens = len(words) < 2 or words[-2][-1] in ".!?…"
    street = last[:1].isupper() and not opens and last.lower() not in FUNCTION_WORDS
    return last.lower() in ARTICLES or street
