"""Cutting text into sentences, and a stream of tokens into clauses that can be spoken one by one."""

from __future__ import annotations

import re
from typing import Final

_ABBREVIATIONS: Final = frozenset(
    [
        "mr",
        "mrs",
        "ms",
        "dr",
        "st",
        "prof",
        "jr",
        "sr",
        "vs",
        "etc",
        "no",
        "mt",
        "capt",
        "sgt",
        "lt",
        "rev",
        "e.g",
        "i.e",
        "a.m",
        "p.m",
    ]
)
#: Longer words are no abbreviations: no more of what stands before a point is looked at.
_LONGEST: Final = 24
#: The end of a sentence: its mark, closing quotes, white space; some scripts have no white space.
_END: Final = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s)|[。！？؟।]+[”’」』）\"')]*(?=[^。！？؟।”’」』）\"')])")
#: A place to breathe inside a sentence.
_BREATH: Final = re.compile(r"(?:[,;:]|\s[–—-]|—)(?=\s)")


def sentences(text: str) -> list[str]:
    """The sentences of `text`, without the white space around them."""
    found, start = [], 0
    for match in _END.finditer(text):
        if _ends_sentence(text, match):
            found.append(text[start : match.end()].strip())
            start = match.end()
    found.append(text[start:].strip())
    return [sentence for sentence in found if sentence]


def _ends_sentence(text: str, match: re.Match[str]) -> bool:
    if match.group().rstrip("\"'”’)]") != ".":
        return True
    before = re.search(r"([\w.'’]+)$", text[max(0, match.start() - _LONGEST) : match.start()])
    if before is None:
        return True
    word = before.group(1).lower()
    # "No." is an abbreviation only before a number, and a single letter is an initial, save for "I".
    if word == "no":
        return re.match(r"\s*\d", text[match.end() :]) is None
    return word not in _ABBREVIATIONS and not (len(word) == 1 and word.isalpha() and word != "i")


class ClauseSplitter:
    """Takes tokens, gives clauses: the first piece as small as can be spoken well, later pieces whole sentences.

    A piece keeps the white space at its end, so the pieces joined are the text.
    """

    def __init__(self, first_chars: int = 12, long_chars: int = 90) -> None:
        self._first_chars = first_chars
        self._long_chars = long_chars
        self._text = ""
        self._first = True

    def push(self, token: str) -> list[str]:
        """The clauses that `token` completes."""
        self._text += token
        found = []
        while cut := self._cut():
            found.append(self._text[:cut])
            self._text = self._text[cut:]
            self._first = False
        return found

    def rest(self) -> str:
        """What is left at the end of the text; begins anew."""
        text, self._text, self._first = self._text, "", True
        return text

    def _cut(self) -> int:
        """Where the next piece ends; 0 when it is not there yet. What follows it must have begun, or it may go on."""
        newline = re.match(r"\s*\S[^\n]*\n\s*", self._text)
        ends = [match.end() for match in _END.finditer(self._text) if _ends_sentence(self._text, match)]
        breaths = [match.end() for match in _BREATH.finditer(self._text)]
        if newline:
            ends.append(len(newline.group().rstrip()))
        if self._first:
            breaths = [end for end in breaths if end >= self._first_chars]
        else:
            breaths = [end for end in breaths if end >= self._long_chars]
        places = ends[:1] + breaths[:1]
        if not places:
            return 0
        cut = min(places)
        space = re.match(r"\s+", self._text[cut:])
        return cut + (len(space.group()) if space else 0)
