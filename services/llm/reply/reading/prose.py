"""Plain text as it grows: spaces and line ends put right, so that what was taken out leaves no gap."""

from __future__ import annotations

import re
from typing import Final

from services.llm.reply.cues import FaceCue

#: What ends a thought, or joins it to the next: nothing need be put between it and a new line.
_STOPS: Final = ".!?…,;:–—。！？،؟"
_CLOSERS: Final = "\"'”’)»]"
#: What a break may put there, the strongest last.
_RANK: Final = ("", "\n", ",", ".")
#: How much of the end of the text is remembered, in characters.
_TAIL: Final = 80
_SPACES: Final = re.compile(r"[ \t]{2,}|\t")


class Prose:
    """Collects words and cues. White space comes with the word behind it, but after a stop at once: there it is waited for."""

    def __init__(self) -> None:
        self._out: list[str | FaceCue] = []
        self.tail = ""
        """The last characters of the text."""
        self._space = False
        self.gap = False
        """Something was taken out since the last word."""
        self._stop = ""
        """What a break puts between the words before and after it, where they have no stop of their own."""

    def taken(self) -> list[str | FaceCue]:
        """What has come since the last call."""
        out, self._out = self._out, []
        return out

    def say(self, text: str) -> None:
        for index, line in enumerate(text.split("\n")):
            if index:
                self.space()
            self._words(line)

    def _words(self, text: str) -> None:
        if not text:
            return
        words = _SPACES.sub(" ", text.strip(" \t"))
        if not words:
            self.space()
            return
        if text[0] in " \t":
            self.space()
        if self.gap and words[0] in ",;:–—" and self.tail.rstrip()[-1:] in (*",;:–—", ""):
            # What stood between the two is gone: one is enough.
            words = words[1:].lstrip(" ")
            if not words:
                return
        self._between(words[0])
        self._put(words)
        if text[-1] in " \t":
            self.space()

    def space(self) -> None:
        if not self.tail or self.tail[-1] == " ":
            return
        if self.tail[-1] in _STOPS:
            self._put(" ")
        else:
            self._space = True

    def line_break(self, stop: str = "") -> None:
        """The line is over; `stop` goes between it and the next one where it has none: a new line is one before a capital."""
        self._stop = max(self._stop, stop, key=_RANK.index)
        self.space()

    def cue(self, cue: FaceCue | None) -> None:
        """In the place of something that was taken out."""
        self.gap = True
        if cue:
            self._out.append(cue)

    @property
    def stopped(self) -> bool:
        """Whether the words so far end in a stop."""
        end = self.tail.rstrip().rstrip(_CLOSERS)
        return not end or end[-1] in _STOPS

    def _between(self, first: str) -> None:
        stop = "," if self._stop == "\n" and first.isupper() else self._stop.strip()
        if stop and not self.stopped and first not in _STOPS:
            self._put(stop)
            self._space = True
        if self._space and not (self.gap and first in ",.!?;:…"):
            self._put(" ")
        self._space, self.gap, self._stop = False, False, ""

    def _put(self, text: str) -> None:
        self.tail = (self.tail + text)[-_TAIL:]
        if self._out and isinstance(self._out[-1], str):
            self._out[-1] += text
        else:
            self._out.append(text)
