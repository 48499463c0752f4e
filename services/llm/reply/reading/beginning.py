"""The beginning of a reply, where a model may do what is not said: put the whole in quotation marks, and begin again with words
that were said in its place."""

from __future__ import annotations

import re
from typing import Final

from services.llm.reply.clauses import sentences

#: What closes a quotation that one of these opens.
_QUOTES: Final = {'"': '"', "“": "”", "„": "“”", "«": "»", "‘": "’", "'": "'"}
#: Words that begin with an apostrophe.
_CLIPPED: Final = re.compile(r"'(?:tis|twas|twere|til|cause|em|round|bout|n|cuz|\d)", re.IGNORECASE)
#: A quotation that goes on past a breath, or past so many characters, is no title of something.
_BREATH: Final = re.compile(r"[.,;:!?…—](?=\s)|[。！？]")
_LONGEST_TITLE: Final = 60
#: What is cut off of words that are said again and break off, in characters.
_LEAST_AGAIN: Final = 8


class Beginning:
    """Takes pieces of a reply, gives it without quotation marks around the whole and without the words of `opening`."""

    def __init__(self, opening: str = "") -> None:
        again = {_letters(opening), _letters((sentences(opening) or [""])[-1])}
        self._again = {words for words in again if len(words) > 1}
        self._text = ""
        self._quoting = True
        self._close = ""
        self._last = ""

    @property
    def settled(self) -> bool:
        """Nothing is looked out for any more."""
        return not (self._quoting or self._again or self._close or self._text)

    def push(self, text: str) -> str:
        if self.settled:
            return text
        return "".join(self._feed(character) for character in text)

    def finish(self) -> str:
        text, self._text = self._text, ""
        if self._quoting and len(text) > 1 and text[0] in _QUOTES and not _CLIPPED.match(text):
            closed = text.rstrip()
            text = closed[1:-1] if closed[-1] in _QUOTES[text[0]] else closed[1:]
        elif self._close and text in self._close:
            text = ""
        if self._again and len(_letters(text)) >= _LEAST_AGAIN and any(each.startswith(_letters(text)) for each in self._again):
            text = ""
        self._quoting = False
        return text

    def _feed(self, character: str) -> str:
        self._text += character
        if self._quoting and not self._unquoted():
            return ""
        if self._again and not self._told_apart():
            return ""
        if self._close:
            return self._closing()
        text, self._text = self._text, ""
        return text

    def _unquoted(self) -> bool:
        """Whether it is known if the whole is a quotation."""
        self._text = self._text.lstrip()
        if not self._text:
            return False
        closes = _QUOTES.get(self._text[0], "")
        if not closes or _CLIPPED.match(self._text):
            self._quoting = False
            return True
        if self._text[0] == "'" and "'til".startswith(self._text.lower()[:4]) and len(self._text) < 6:
            return False
        inner = re.match(rf".[^{closes}]*[{closes}](?=\W)\s*\S", self._text, re.DOTALL)
        if inner:
            # A part of what is said, as a title, is in quotation marks.
            self._quoting = False
            return True
        closed = re.fullmatch(rf".[^{closes}]*[{closes}]\s*", self._text, re.DOTALL)
        if closed or not (_BREATH.search(self._text) or len(self._text) > _LONGEST_TITLE):
            return False
        self._text, self._close, self._quoting = self._text[1:], closes, False
        return True

    def _told_apart(self) -> bool:
        """Whether it is known if the opening is said again; what is said again is cut off."""
        said = _letters(self._text)
        if not said:
            return False
        if len(self._text.rstrip()) == len(self._text) and self._text[-1].isalnum():
            whole = [again for again in self._again if len(again) < len(said) and said.startswith(again)]
            ended = [again for again in whole if self._apart(len(again))]
            self._again = {again for again in self._again if again.startswith(said) or again in ended}
            if not self._again:
                return True
            if ended and not any(again.startswith(said) for again in self._again):
                self._text = self._text[self._place(len(max(ended, key=len))) :]
                self._again = set()
                return True
        return False

    def _apart(self, length: int) -> bool:
        """Whether a word ends after so many letters."""
        place = self._place(length)
        return not self._text[place - 1].isalnum()

    def _place(self, length: int) -> int:
        """Where the letter after so many of them stands."""
        places = [index for index, character in enumerate(self._text) if character.isalnum()]
        return places[length]

    def _closing(self) -> str:
        """The mark that closes the quotation of the whole is taken out with it."""
        first = self._text[0]
        if first in self._close and self._last in ".!?…,。！？" and len(self._text) == 1 and first not in "’'":
            self._text, self._close = "", ""
            return ""
        if first in self._close and len(self._text) == 1:
            return ""
        text, self._text = self._text, ""
        self._last = text[-1]
        return text


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())
