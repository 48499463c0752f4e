"""What stands in brackets: directions, links, notes, parts of the prompt, or words of the sentence."""

from __future__ import annotations

import re
from typing import Final

from services.llm.reply.reading import directions
from services.llm.reply.reading.directions import Place
from services.llm.reply.reading.scan import Scan, Step

#: So much is waited for, in characters.
_LONGEST: Final = 80
_LONGEST_ECHO: Final = 800
_LONGEST_TARGET: Final = 2000
_LABEL: Final = re.compile(r"\[\w{3,20}:")
_NOTE: Final = re.compile(r"\^?\d{1,3}(?:\s*,\s*\d{1,3})*|\^\w+|[xX ]?")
_TARGET: Final = re.compile(r"\((?:[^\s()]|\([^\s()]*\))*(?:\s+(?:\"[^\"\n]*\"|'[^'\n]*'))?\s*\)|\[[^\[\]\n]*\]")
_TARGET_BEGUN: Final = re.compile(
    r"\((?:[^\s()]|\([^\s()]*\)?)*(?:\s+(?:\"[^\"\n]*\"?|'[^'\n]*'?)?)?\s*|\[[^\[\]\n]*",
)


def parenthesis(scan: Scan) -> Step:
    """Words that stay, unless they are a direction, or say who speaks as the prompt does: "(Ann to Bob:)"."""
    before, _ = directions.standing(scan.seen)
    end = scan.text.find(")")
    inner = scan.text[1:] if end < 0 else scan.text[1:end]
    if before == "start" and re.fullmatch(r"[\w .'-]{1,60}:", inner):
        return scan.drop(end + 1) if end >= 0 else Step.WAIT if scan.waiting else scan.drop(1)
    if end < 0:
        named = before == "start" and re.fullmatch(r"[\w .'-]{1,20}", inner)
        return Step.WAIT if scan.waiting and (named or directions.possible(inner, "(", before)) else Step.PLAIN
    step = played(scan, inner, end, "(") if directions.possible(inner, "(", before) else None
    return step or Step.PLAIN


def square(scan: Scan) -> Step:
    """A direction, a link, a note, a part of the prompt ("[memories: none]"), or words, which are said without the brackets."""
    end = scan.text.find("]")
    label = _LABEL.match(scan.text)
    if end < 0:
        waits = len(scan.text) < _LONGEST_ECHO if label else "\n" not in scan.text and len(scan.text) < _LONGEST
        return Step.WAIT if waits and scan.waiting else scan.drop(label.end() if label else 1)
    if label:
        return scan.leave_out(end + 1)
    inner, rest = scan.text[1:end], scan.text[end + 1 :]
    if not rest and scan.waiting:
        return Step.WAIT
    if rest[:1] in ("(", "[") and (step := _link(scan, inner, rest)):
        return step
    if _NOTE.fullmatch(inner):
        return scan.leave_out(end + 1)
    return played(scan, inner, end, "[") or scan.replace(inner + rest)


def played(scan: Scan, inner: str, end: int, mark: str) -> Step | None:
    """A direction, which ends with the character at `end`, is done; None when it is none."""
    before, word = directions.standing(scan.seen)
    after = directions.follows(scan.text[end + 1 :], final=scan.final)
    if after is None:
        return Step.WAIT
    if directions.direction(inner, mark, Place(before, after, word)):
        return scan.act(directions.cue(inner), end + 1)
    return None


def _link(scan: Scan, inner: str, rest: str) -> Step | None:
    """The words of a link are said, and its target is not; None when it is no link."""
    if target := _TARGET.match(rest):
        return scan.replace(inner + rest[target.end() :])
    return Step.WAIT if scan.waiting and len(rest) < _LONGEST_TARGET and _TARGET_BEGUN.fullmatch(rest) else None
