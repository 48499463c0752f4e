"""Asterisks and underscores: emphasis, whose words are said, directions, which are done, and signs, which stay."""

from __future__ import annotations

import re

from services.llm.reply.reading import directions
from services.llm.reply.reading.directions import Place
from services.llm.reply.reading.scan import Scan, Step


def emphasis(scan: Scan) -> Step:
    """A run of asterisks or underscores at the beginning of the text."""
    mark = scan.text[0]
    run = len(scan.text) - len(scan.text.lstrip(mark))
    after = scan.text[run : run + 1]
    if not after and scan.waiting:
        return Step.WAIT
    before = scan.before
    closes = bool(before) and not before.isspace() and mark in scan.open
    opens = bool(after) and not after.isspace()
    within = before.isalnum() and after.isalnum()
    if mark == "_":
        closes, opens = closes and not after.isalnum(), opens and not before.isalnum()
    elif within:
        # 2*3*4, a*b; but un*frigging*believable.
        opens = not (before.isdigit() or after.isdigit()) and len(re.findall(r"\w*$", scan.prose.tail)[0]) > 1
    if closes:
        scan.open.remove(mark)
        return scan.drop(run)
    if opens:
        return _opening(scan, mark, run)
    product = not after.strip() and run == 1 and re.search(r"(\d|\)|\b[a-zA-Z])\s*$", scan.prose.tail)
    return scan.literal(run) if within or product or (mark == "_" and before.isalnum()) else scan.drop(run)


def _opening(scan: Scan, mark: str, run: int) -> Step:
    inner = scan.text[run:]
    end = inner.find(mark)
    before, word = directions.standing(scan.seen)
    if directions.possible(inner if end < 0 else inner[:end], mark, before):
        if end < 0 and scan.waiting:
            return Step.WAIT
        if end >= 0:
            rest = inner[end:].lstrip(mark)
            after = directions.follows(rest, final=scan.final)
            if after is None:
                return Step.WAIT
            if directions.direction(inner[:end], mark, Place(before, after, word)):
                return scan.act(directions.cue(inner[:end]), len(scan.text) - len(rest))
    scan.open.append(mark)
    return scan.drop(run)
