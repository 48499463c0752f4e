"""Who speaks in an interview: the labels that its lines begin with, however they are written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

Kind = Literal["question", "also", "answer"]

_KNOWN: Final[dict[str, Kind]] = {
    "q": "question",
    "question": "question",
    "interviewer": "question",
    "also": "also",
    "a": "answer",
    "answer": "answer",
}
_LEAD: Final = r"[ \t]*(?:>[ \t]*)*(?:[-+*][ \t]+|\d{1,2}[.)][ \t]+)?"
_NAME: Final = r"(?P<name>[^\W\d_](?:[\w'’. -]{0,30}[^\W\d_])??)[ ]?(?P<number>\d{0,3})"
#: **Q:** **q**: __Q1.__ **Q: the whole question** ...
_STRONG: Final = re.compile(
    rf"{_LEAD}(?P<open>[*_]{{1,3}}){_NAME}[ ]?(?=[:：.)]|(?P=open))(?P<mark>[:：.)]?)[ ]*(?P<close>(?P=open))?(?P<gap>[ ]*)"
    r"(?P<late>[:：]?)(?P<rest>.*)"
)
#: Q: q: Q1: Q. INTERVIEWER: ...
_PLAIN: Final = re.compile(rf"{_LEAD}{_NAME}[ ]?(?P<mark>[:：.)])(?:[ \t]+(?P<rest>.*))?")
#: Labels that stand within a line: "**Q:** Where? **A:** In Hull."
_WITHIN: Final = re.compile(
    r"[ \t]+(?=[*_]{2}(?:A|Answer|Also)[:.]?[*_]{2})|(?<=[?.!])[ \t]+(?=(?:A|Answer|Also):[ \t])", re.IGNORECASE
)


@dataclass(frozen=True)
class _Label:
    name: str
    numbered: bool
    colon: bool
    strong: bool
    rest: str


class Labels:
    """The labels of one story. Those that everybody knows, and names that it uses in the same way."""

    def __init__(self, lines: Sequence[str]) -> None:
        found = [(_label(line), index) for index, line in enumerate(lines)]
        self._dots = sum(label is not None and label.name == "q" and not label.colon for label, _ in found) > 1
        self._kinds: dict[str, Kind] = dict(_KNOWN)
        labels = [(label, index) for label, index in found if label and self._could_be(label)]
        counts = Counter(label.name for label, _ in labels)
        asks = Counter(label.name for label, index in labels if _asks(label, lines[index + 1 : index + 3]))
        for name, count in counts.items():
            if name not in _KNOWN and count > 1 and 2 * asks[name] > count:
                self._kinds[name] = "question"
        turns = [label.name for label, _ in labels if self._kinds.get(label.name) != "also"]
        replies = Counter(name for before, name in pairwise(turns) if self._kinds.get(before) == "question")
        for name, count in counts.items():
            if name not in self._kinds and count > 1 and 2 * replies[name] >= count:
                self._kinds[name] = "answer"

    def read(self, line: str) -> tuple[Kind, str] | None:
        """What a line is by its label, and what stands behind that; None when it has none."""
        label = _label(line)
        if label is None or label.name not in self._kinds or not self._could_be(label):
            return None
        return self._kinds[label.name], label.rest

    def _could_be(self, label: _Label) -> bool:
        """Whether it is written as a label: "A. J. Ray" is none, save where questions begin with "Q."."""
        if label.colon:
            return True
        if label.name not in _KNOWN:
            return False
        brief = label.name in ("q", "a", "also")
        return label.numbered or (brief and (label.strong or self._dots))


def apart(asked: str) -> list[str]:
    """The parts of a question's line that begin with a label: the question, and what is already said to it."""
    return _WITHIN.split(asked)


def _label(line: str) -> _Label | None:
    if found := _STRONG.match(line):
        colon = found["mark"] in (":", "：") or bool(found["late"])
        rest = found["rest"]
        if found["close"] or (colon and not found["late"]):
            if rest and not found["gap"] and not found["mark"] and not found["late"]:
                # "**Q**ueen"
                return None
            return _Label(found["name"].lower(), bool(found["number"]), colon, True, rest.strip())
    if found := _PLAIN.fullmatch(line):
        name, colon = found["name"], found["mark"] in (":", "：")
        if name.lower() in _KNOWN or (name.isupper() and colon):
            return _Label(name.lower(), bool(found["number"]), colon, False, (found["rest"] or "").strip())
    return None


def _asks(label: _Label, below: Sequence[str]) -> bool:
    text = label.rest or next((line for line in below if line.strip()), "")
    return "?" in text
