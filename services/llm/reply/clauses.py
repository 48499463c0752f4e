"""Cutting text into sentences, and a stream of tokens into clauses that can be spoken one by one."""

from __future__ import annotations

from itertools import pairwise

from services.common.boundaries import boundaries


def sentences(text: str) -> list[str]:
    """The sentences of `text`, without the white space around them."""
    ends = [boundary.end for boundary in boundaries(text, whole=True) if boundary.kind == "sentence"]
    parts = [text[start:end].strip() for start, end in pairwise([0, *ends, len(text)])]
    return [part for part in parts if part]


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
        least = self._first_chars if self._first else self._long_chars
        for boundary in boundaries(self._text, whole=False):
            enough = boundary.end >= least if boundary.kind == "breath" else self._text[: boundary.end].strip()
            if enough:
                return len(self._text) - len(self._text[boundary.end :].lstrip())
        return 0
