"""Cuts a growing text into the pieces that are spoken one after another.

A piece is one or more whole clauses of one sentence: the first clause of a reply alone, so that it sounds at once, and later as
much of the sentence as is there, because longer pieces have the better melody. Words are never cut, except noise without any
white space that is longer than `MAX_WORD_CHARS`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import Final

from services.common.boundaries import Boundary, boundaries
from services.tts.engine import Flush, Text

#: A piece without a clause end is cut at a word before it grows longer than this.
MAX_PIECE_CHARS: Final = 240
MAX_WORD_CHARS: Final = 1_000
#: A clause shorter than this is spoken together with the next one; the first of a reply may be as short as "Yes,".
MIN_CLAUSE_CHARS: Final = 12
MIN_FIRST_CHARS: Final = 4

_WORD_BREAK: Final = re.compile(r"(?<!\s)\s++(?=\S)")
#: A speaker without any mark to go by breathes before one of these.
_CONJUNCTION: Final = re.compile(
    r"(?<!\s)\s++(?=(?:and|but|or|because|which|who|when|while|where|so|then|that|if|although|though|until|after|before|since)\s)"
)
_SAID: Final = re.compile(r"[^\W_]")
#: Inside a word that is too long: after a mark.
_MARK: Final = re.compile(r"[^\w\s](?=\w)")
#: "3." at the beginning numbers what follows.
_ITEM: Final = re.compile(r"\d+\.")


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
            if boundary.kind != "breath":
                return boundary.end
            if boundary.end >= least:
                best = boundary.end
                if self._first:
                    break
        if best is None and len(self._text) > MAX_PIECE_CHARS:
            return _word_cut(self._text)
        return best

    def _boundaries(self, *, whole_message: bool) -> Iterator[Boundary]:
        said = _SAID.search(self._text, 0, MAX_PIECE_CHARS)
        # A little more than a piece: what is further on decides nothing yet.
        for boundary in boundaries(self._text, whole=whole_message, limit=2 * MAX_PIECE_CHARS):
            if boundary.kind == "breath" and not (said and said.start() < boundary.end):
                continue
            if boundary.kind == "sentence" and self._goes_on(boundary.end):
                continue
            yield boundary

    def _goes_on(self, end: int) -> bool:
        """Whether a sentence is spoken on after its mark: "so... maybe", "3. item"."""
        after = self._text[end : end + MAX_PIECE_CHARS].lstrip()
        return after[:1].islower() or _ITEM.fullmatch(self._text, 0, end) is not None


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
