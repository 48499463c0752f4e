"""What of a written word is spoken: emoji, markup and addresses are taken out or put into words a reader would say.

The written word stays as it was; it is what the word times are reported for.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from typing import Final

#: Longer "words" are codes, hashes or noise; nobody reads them aloud.
MAX_WORD_CHARS: Final = 60
#: Longer digit strings are read digit by digit.
MAX_NUMBER_DIGITS: Final = 12

_LINK = re.compile(r"\]\([^)\s]*\)?")
_TAG = re.compile(r"</?[a-zA-Z][^<>\s]*>|^<[a-zA-Z]+$|/?>$")
_URL = re.compile(r"^(?:(?:https?|ftp)://|www\.)+([^/\s?#:]+)\S*?([.,;:!?…]*)$", re.IGNORECASE)
_EMPHASIS = re.compile(r"\*+|__+|~~+|`+|^_+|_+(?=\W*$)")
_HASHTAG = re.compile(r"^#(?=[^\W\d])")
_LEFTOVERS = re.compile(r"[\[\]{}|\\<>^]+")
_LONG_NUMBER = re.compile(rf"\d[\d,]{{{MAX_NUMBER_DIGITS},}}")
_REPEATED_MARK = re.compile(r"([!?,;:—–-])\1+")
_MANY_MARKS = re.compile(r"(?<=[!?])[!?]+")
_DOTS = re.compile(r"\.{2,}|…+\.*")
_REPEATED_LETTER = re.compile(r"([^\W\d_])\1{3,}")
#: Symbols of the category "other symbol" that the pronunciation knows how to read.
_READ_SYMBOLS = frozenset("°§¶±×÷½¼¾©")


@dataclass(frozen=True)
class SpokenWord:
    """A written word and how it is to be said; `spoken` has no letter or digit when nothing is."""

    text: str
    spoken: str

    @property
    def audible(self) -> bool:
        return any(char.isalnum() or char in "&%@+=°½¼¾" for char in self.spoken)


def spoken_words(piece: str) -> list[SpokenWord]:
    """The words of a piece of text. Marks and symbols that stand alone belong to the word before them, or else to the next one.

    The texts joined with spaces are the piece with its white space evened out.
    """
    words: list[SpokenWord] = []
    waiting = ""
    for text in piece.split():
        word = SpokenWord(text, spoken_form(text))
        if not word.audible and words:
            before = words[-1]
            words[-1] = SpokenWord(f"{before.text} {text}", f"{before.spoken} {word.spoken}".strip())
        elif not word.audible:
            waiting = f"{waiting} {text}".strip()
        else:
            words.append(SpokenWord(f"{waiting} {text}".strip(), word.spoken))
            waiting = ""
    if waiting:
        words.append(SpokenWord(waiting, ""))
    return words


def spoken_form(word: str) -> str:
    """One written word (no white space) as it should be read; may be empty, or several words."""
    text = html.unescape(word) if "&" in word else word
    text = "".join(_character(char) for char in text)
    text = _LINK.sub("", _TAG.sub("", text))
    text = _EMPHASIS.sub("", text)
    url = _URL.match(text)
    if url:
        host = url.group(1).removeprefix("www.")
        text = host.replace("-", " ").replace(".", " dot ") + url.group(2)
    text = _LEFTOVERS.sub(" ", _HASHTAG.sub("", text)).replace("_", " ")
    text = _DOTS.sub("…", _MANY_MARKS.sub("", _REPEATED_MARK.sub(r"\1", text)))
    text = _REPEATED_LETTER.sub(r"\1\1\1", text)
    text = _LONG_NUMBER.sub(lambda match: " ".join(match.group().replace(",", "")), text)
    if len(word) > MAX_WORD_CHARS and not url:
        return ""
    if set(text) <= {"#", " ", "-", "*", "+", ">"}:
        return "—" if text in {"-", "--"} else ""
    return " ".join(text.split())


def _character(char: str) -> str:
    """Letters in fancy alphabets become plain ones; pictures, joiners and control characters become nothing."""
    category = unicodedata.category(char)
    if category[0] == "L" and ord(char) > 0x24F:
        plain = unicodedata.normalize("NFKC", char)
        return plain if plain.isascii() else char
    if char in _READ_SYMBOLS or char in "`^":
        return char
    if category in ("So", "Sk", "Cf", "Cc", "Co", "Cn", "Cs", "Me") or 0xFE00 <= ord(char) <= 0xFE0F or char in "•·‣◦":
        return ""
    return char
