"""Cuts a growing text into the pieces that are spoken one after another.

A piece is one or more whole clauses of one sentence: the first clause of a reply alone, so that it sounds at once, and later as
much of the sentence as is there, because longer pieces have the better melody. Words are never cut, except noise without any
white space that is longer than `MAX_WORD_CHARS`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

#: A piece without a clause end is cut at a word before it grows longer than this.
MAX_PIECE_CHARS: Final = 240
MAX_WORD_CHARS: Final = 1_000
#: A clause shorter than this is spoken together with the next one; the first of a reply may be as short as "Yes,".
MIN_CLAUSE_CHARS: Final = 12
MIN_FIRST_CHARS: Final = 4

_CLOSING = r"[\"'”’)\]*_]*"
_END: Final = re.compile(rf"(?P<sentence>[.!?…]+){_CLOSING}(?=\s|$)|(?P<clause>[,;:]|[—–]|(?<=\s)--?){_CLOSING}(?=\s|$)|\n")
_LAST_WORD: Final = re.compile(r"[^\s\"'“‘(\[*_]*$")
_WORD_BREAK: Final = re.compile(r"\s+(?=\S)")
#: A name or number follows these: their full stop ends no sentence, whatever comes.
_TITLE: Final = re.compile(
    r"(?:mr|mrs|ms|dr|prof|st|sr|jr|rev|hon|gen|col|capt|lt|sgt|vs|eg|ie|e\.g|i\.e|cf|nos?|vol|fig|mt)", re.IGNORECASE
)
#: These can end a sentence, but only a capital letter after them shows it.
_ABBREVIATION: Final = re.compile(
    r"(?:etc|approx|dept|est|inc|ltd|co|corp|ft|ave|blvd|rd|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|[ap]\.m|u\.[sk])",
    re.IGNORECASE,
)


class _Boundary(NamedTuple):
    end: int
    sentence: bool


class ClauseSplitter:
    """Feed it text as it comes; it returns the pieces that can be spoken now."""

    def __init__(self) -> None:
        self._text = ""
        self._first = True

    def feed(self, text: str) -> list[str]:
        """Takes the next text, cut anywhere; a text of several words that ends with a clause end is taken to end there."""
        if self._text and self._text[-1] in ",;:!?…" and text[:1].isalpha():
            # A sender that strips its clauses means a space here.
            text = " " + text
        self._text += text
        return list(self._take(whole_message=len(text.split()) >= 2))

    def flush(self) -> list[str]:
        """Everything that is left."""
        pieces = list(self._take(whole_message=True))
        if self._text.strip():
            pieces.extend(_split_at_words(self._text.strip()))
        self._text = ""
        return pieces

    def _take(self, *, whole_message: bool) -> Iterator[str]:
        while True:
            cut = self._cut(whole_message=whole_message)
            if cut is None:
                return
            piece, self._text = self._text[:cut].strip(), self._text[cut:].lstrip()
            if piece:
                self._first = False
                yield piece

    def _cut(self, *, whole_message: bool) -> int | None:
        """Where the next piece ends, or None when more text is needed."""
        least = MIN_FIRST_CHARS if self._first else MIN_CLAUSE_CHARS
        best: int | None = None
        for boundary in self._boundaries(whole_message=whole_message):
            if boundary.end > MAX_PIECE_CHARS:
                break
            if boundary.sentence:
                return boundary.end
            if boundary.end >= least:
                best = boundary.end
                if self._first:
                    break
        if best is None and len(self._text) > MAX_PIECE_CHARS:
            return _word_cut(self._text)
        return best

    def _boundaries(self, *, whole_message: bool) -> Iterator[_Boundary]:
        for match in _END.finditer(self._text):
            end = match.end()
            if end == len(self._text) and not whole_message and match.group() != "\n":
                return
            if match["sentence"] is None:
                if match.group() == "\n" or self._speaks(end):
                    yield _Boundary(end, sentence=match.group() == "\n")
            elif not _goes_on(self._text[: match.start()], match["sentence"], self._text[end:].lstrip()):
                yield _Boundary(end, sentence=True)

    def _speaks(self, end: int) -> bool:
        return any(char.isalnum() for char in self._text[:end])


def _goes_on(before: str, mark: str, after: str) -> bool:
    """True when a mark does not end a sentence: "Dr. Smith", "J. K. Rowling", "e.g. this", "3. item", "so... maybe"."""
    if after[:1].islower():
        return True
    if mark != ".":
        return False
    match = _LAST_WORD.search(before)
    word = match.group() if match else ""
    if len(word) == 1 and word.isalpha() and word != "I":
        return True
    if word.isdigit() and before.strip() == word:
        return True
    return bool(_TITLE.fullmatch(word) or (not after and _ABBREVIATION.fullmatch(word)))


def _word_cut(text: str) -> int | None:
    """The last word break within the limit, else the first one after it; None while that has not come."""
    breaks = [match.start() for match in _WORD_BREAK.finditer(text, 1)]
    inside = [at for at in breaks if at <= MAX_PIECE_CHARS]
    cut = inside[-1] if inside else next(iter(breaks), len(text))
    return cut if cut < len(text) else MAX_WORD_CHARS if cut > MAX_WORD_CHARS else None


def _split_at_words(text: str) -> Iterator[str]:
    while len(text) > MAX_PIECE_CHARS:
        cut = _word_cut(text)
        if cut is None:
            break
        yield text[:cut].strip()
        text = text[cut:].lstrip()
    if text:
        yield text
