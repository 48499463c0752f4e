"""Cuts a growing text into the pieces that are spoken one after another.

A piece is one or more whole clauses of one sentence: the first clause of a reply alone, so that it sounds at once, and later as
much of the sentence as is there, because longer pieces have the better melody. Words are never cut, except noise without any
white space that is longer than `MAX_WORD_CHARS`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import Final, NamedTuple

from services.tts.engine import Flush, Text
from services.tts.english.abbreviations import goes_on, starts_with_a_name

#: A piece without a clause end is cut at a word before it grows longer than this.
MAX_PIECE_CHARS: Final = 240
MAX_WORD_CHARS: Final = 1_000
#: A clause shorter than this is spoken together with the next one; the first of a reply may be as short as "Yes,".
MIN_CLAUSE_CHARS: Final = 12
MIN_FIRST_CHARS: Final = 4

_CLOSING = r"[\"'”’)\]*_]*+"
_END: Final = re.compile(
    rf"(?<![.!?…])(?P<sentence>[.!?…]++){_CLOSING}(?=\s|$)|(?P<clause>[,;:]|[—–]|(?<=\s)--?){_CLOSING}(?=\s|$)|\n"
)
_LAST_WORD: Final = re.compile(r"[^\s\"'“‘(\[*_]*$")
#: Longer words are no abbreviations: no more of what stands before a full stop is looked at.
_LONGEST_ABBREVIATION: Final = 24
_WORD_BREAK: Final = re.compile(r"(?<!\s)\s++(?=\S)")
#: A speaker without any mark to go by breathes before one of these.
_CONJUNCTION: Final = re.compile(
    r"(?<!\s)\s++(?=(?:and|but|or|because|which|who|when|while|where|so|then|that|if|although|though|until|after|before|since)\s)"
)
_SAID: Final = re.compile(r"[^\W_]")
#: Inside a word that is too long: after a mark.
_MARK: Final = re.compile(r"[^\w\s](?=\w)")
#: These can end a sentence, but only a capital letter after them shows it.
_ABBREVIATION: Final = re.compile(
    r"(?:etc|approx|dept|est|inc|ltd|co|corp|ft|ave|blvd|rd|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|[ap]\.m|u\.[sk])",
    re.IGNORECASE,
)

#: Days and measures: "Sat. 5 June", "8 lb. 4 oz.".
_BEFORE_DIGITS: Final = re.compile(r"(?:Mon|Tues?|Wed|Thu(?:rs)?|Fri|Sat|Sun|in|lbs?|oz|st|hrs?|min|yd|sq|cu|ca|[cbd])")
#: "U.S." and "J.R.R."; a time of day is none.
_INITIALS: Final = re.compile(r"(?![AaPp]\.[Mm]$)[A-Za-z](?:\.[A-Za-z])+")


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
        self._text = (self._text + text).lstrip()
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
        said = _SAID.search(self._text, 0, MAX_PIECE_CHARS)
        # A little more than a piece: what is further on decides nothing yet.
        for match in _END.finditer(self._text, 0, 2 * MAX_PIECE_CHARS):
            end = match.end()
            if end == len(self._text) and not whole_message and match.group() != "\n":
                return
            if match["sentence"] is None:
                if match.group() == "\n" or (said and said.start() < end):
                    yield _Boundary(end, sentence=match.group() == "\n")
                continue
            after = self._text[end : end + MAX_PIECE_CHARS].lstrip()
            if not _goes_on(self._text[: match.start()], match["sentence"], after, whole_message=whole_message):
                yield _Boundary(end, sentence=True)


def _goes_on(before: str, mark: str, after: str, *, whole_message: bool) -> bool:
    """True when a mark does not end a sentence: "Dr. Smith", "J. K. Rowling", "e.g. this", "3. item", "so... maybe"."""
    if mark != "." or after[:1].islower():
        return after[:1].islower()
    match = _LAST_WORD.search(before[-_LONGEST_ABBREVIATION:])
    word = match.group() if match else ""
    if (len(word) == 1 and word.isalpha() and word != "I") or (word.isdigit() and before.strip() == word):
        return True
    if _INITIALS.fullmatch(word):
        return not after or starts_with_a_name(after)
    if _ABBREVIATION.fullmatch(word):
        return not after or after[:1].isdecimal()
    if _BEFORE_DIGITS.fullmatch(word):
        return after[:1].isdecimal() or (not after and not whole_message)
    return goes_on(word, after, whole_message=whole_message)


def _word_cut(text: str) -> int | None:
    """Where a text without a clause end is cut: before a conjunction, else between words, within the limit if it can be.

    None while the end of a word longer than the limit has not come.
    """
    head = text[: MAX_PIECE_CHARS + 1]
    late = [match.start() for match in _CONJUNCTION.finditer(head, MAX_PIECE_CHARS // 2)]
    breaks = [match.start() for match in _WORD_BREAK.finditer(head, 1)]
    if late or breaks:
        return (late or breaks)[-1]
    following = _WORD_BREAK.search(text, MAX_PIECE_CHARS, MAX_WORD_CHARS + 1)
    if following:
        return following.start()
    if len(text) <= MAX_WORD_CHARS:
        return None
    marks = [match.end() for match in _MARK.finditer(text, MAX_PIECE_CHARS, MAX_WORD_CHARS)]
    return marks[-1] if marks else MAX_WORD_CHARS


def _split_at_words(text: str) -> Iterator[str]:
    while len(text) > MAX_PIECE_CHARS:
        cut = _word_cut(text)
        if cut is None:
            break
        yield text[:cut].strip()
        text = text[cut:].lstrip()
    if text:
        yield text


async def pieces(inputs: AsyncIterator[Text | Flush]) -> AsyncIterator[str]:
    """The pieces of one reply, each as soon as it can be spoken."""
    splitter = ClauseSplitter()
    async for item in inputs:
        for piece in splitter.feed(item.text) if isinstance(item, Text) else splitter.flush():
            yield piece
    for piece in splitter.flush():
        yield piece
