"""What a line of Markdown begins with: headings, lists, quotes, tables, rules, fences of code, and the name of who speaks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

#: A heading of so many words without a stop is a title: written over a text, not said.
_TITLE_WORDS: Final = 6
_LONGEST_TITLE: Final = 80
#: Fences with these names hold words, and not code.
_PROSE_FENCES: Final = frozenset(("", "text", "txt", "plaintext", "plain", "markdown", "md"))

_FENCE: Final = re.compile(r"(?:`{3,}|~{3,})([^\n`]*)(?:\n|$)")
_FENCE_BEGUN: Final = re.compile(r"`{1,2}|~{1,2}|(?:`{3,}|~{3,})[^\n`]{0,40}")
_RULE: Final = re.compile(r"([-*_=])[ \t]*(?:\1[ \t]*){2,}(?:\n|$)")
_RULE_BEGUN: Final = re.compile(r"([-*_=])[ \t]*(?:\1[ \t]*)*")
_HEADING: Final = re.compile(r"#{1,6}[ \t]+(?=\S)")
_HEADING_BEGUN: Final = re.compile(r"#{1,6}[ \t]*")
_ITEM: Final = re.compile(r"(?:[-*+–][ \t]+|[•‣◦▪●·][ \t]*)(?=\S)")
_ITEM_BEGUN: Final = re.compile(r"[-*+–•‣◦▪●·][ \t]*")
_NUMBERED: Final = re.compile(r"(\d{1,3})[.)][ \t]+(?=\S)")
_NUMBERED_BEGUN: Final = re.compile(r"\d{1,3}(?:[.)][ \t]*)?")
_REFERENCE: Final = re.compile(r"\[[^\]\n]{1,40}\]:[ \t]+[^\n]{1,300}(?:\n|$)")
_REFERENCE_BEGUN: Final = re.compile(r"\[[^\]\n]{0,40}(?:\](?::(?:[ \t][^\n]{0,300})?)?)?")
_TABLE_RULE: Final = re.compile(r"\|?[ \t]*:?-{2,}:?[ \t]*(?:\|[ \t:-]*)+(?:\n|$)")
_TABLE_BEGUN: Final = re.compile(r"\|[|:\- \t]*")


@dataclass(frozen=True)
class Line:
    """What a line begins with, and how many characters of it are no words."""

    kind: Literal["words", "item", "title", "quote", "table", "code", "gone", "own", "stranger"]
    length: int = 0


class Lines:
    """Where in a text of lines we are."""

    def __init__(self) -> None:
        self.beginning = True
        """At the beginning of a line."""
        self.table = False
        self.title = ""
        """A heading that nothing has followed yet."""
        self.number = 0
        """The number of the last item of a list."""
        self.stop = ""
        """What goes between this line and the next where it has no stop of its own; a new line: only before a capital."""

    def ended(self) -> str:
        """The line is over; gives what goes between it and the next."""
        stop, self.stop = self.stop, "\n"
        self.beginning, self.table = True, False
        return stop


def line_begins(text: str, lines: Lines, *, final: bool) -> Line | None:
    """What the line begins with; None when more must come before that can be told."""
    body = text.lstrip(" \t")
    indent = len(text) - len(body)
    if not body:
        return Line("words", indent) if final else None
    if body[0] == "\n":
        lines.stop = "."
        return Line("words", indent)
    if body[0] == ">":
        return Line("quote", indent + 1)
    for read in (_fence, _ruled, _heading, _item, _table, _reference):
        line = read(body, lines, final=final)
        if line is None:
            return None
        if line.kind != "words" or line.length:
            return Line(line.kind, indent + line.length)
    lines.stop = "\n"
    return Line("words", indent)


def _fence(body: str, lines: Lines, *, final: bool) -> Line | None:
    if body[0] not in "`~":
        return Line("words")
    match = _FENCE.match(body)
    if match and (final or match.group().endswith("\n")):
        prose = match[1].strip().lower() in _PROSE_FENCES
        return Line("gone" if prose else "code", match.end())
    return None if not final and _FENCE_BEGUN.fullmatch(body) else Line("words")


def _ruled(body: str, lines: Lines, *, final: bool) -> Line | None:
    if body[0] not in "-*_=":
        return Line("words")
    match = _RULE.match(body)
    if match and (final or match.group().endswith("\n")):
        return Line("gone", match.end())
    return None if not final and _RULE_BEGUN.fullmatch(body) else Line("words")


def _heading(body: str, lines: Lines, *, final: bool) -> Line | None:
    if body[0] != "#":
        return Line("words")
    match = _HEADING.match(body)
    if match is None:
        return None if not final and _HEADING_BEGUN.fullmatch(body) else Line("words")
    words, newline, _ = body[match.end() :].partition("\n")
    title = words.strip(" \t#")
    if not newline and not final and len(words) <= _LONGEST_TITLE:
        return None
    lines.stop = "."
    if (newline or final) and len(title.split()) <= _TITLE_WORDS and not re.search(r"[.!?,;…][\"'”’)*_]*$", title):
        lines.title = lines.title or title
        return Line("title", match.end() + len(words) + len(newline))
    return Line("words", match.end())


def _item(body: str, lines: Lines, *, final: bool) -> Line | None:
    numbered = _NUMBERED.match(body)
    if numbered and int(numbered[1]) == lines.number + 1:
        lines.number += 1
        lines.stop = ","
        return Line("item", numbered.end())
    if match := _ITEM.match(body):
        lines.stop = ","
        return Line("item", match.end())
    begun = _ITEM_BEGUN.fullmatch(body) or _NUMBERED_BEGUN.fullmatch(body)
    return None if begun and not final else Line("words")


def _table(body: str, lines: Lines, *, final: bool) -> Line | None:
    if body[0] != "|":
        return Line("words")
    match = _TABLE_RULE.match(body)
    if match and (final or match.group().endswith("\n")):
        return Line("gone", match.end())
    if not final and _TABLE_BEGUN.fullmatch(body):
        return None
    lines.table, lines.stop = True, ","
    return Line("table", len(body) - len(body.lstrip("| \t")))


def _reference(body: str, lines: Lines, *, final: bool) -> Line | None:
    """Where a link leads, as it may stand under a text: "[1]: https://..."."""
    if body[0] != "[":
        return Line("words")
    match = _REFERENCE.match(body)
    if match and (final or match.group().endswith("\n")):
        return Line("gone", match.end())
    return None if not final and _REFERENCE_BEGUN.fullmatch(body) else Line("words")


class Speakers:
    """The names that may stand before what is said, as in a play: the persona's own, and those of others."""

    def __init__(self, own: Iterable[str] = (), others: Iterable[str] = ()) -> None:
        self._own = frozenset(name.lower() for name in own)
        self._others = frozenset(name.lower() for name in others) - self._own

    def line_begins(self, text: str, *, final: bool) -> Line | None:
        """Whether a name and a colon stand at the beginning; None when more must come before that can be told."""
        name, colon, rest = text.partition(":")
        name = name.rstrip(" \t*_").lower()
        if not colon:
            waits = any(each.startswith(name) for each in (*self._own, *self._others)) and "\n" not in text
            return None if waits and not final else Line("words")
        if name not in self._own and name not in self._others:
            return Line("words")
        rest = rest.lstrip("*_")
        if not rest and not final:
            return None
        if rest and rest[0] not in ' \t\n"“':
            return Line("words")
        return Line("own" if name in self._own else "stranger", len(text) - len(text.partition(":")[2]))
