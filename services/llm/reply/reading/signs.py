"""Tags, addresses, entities, pictures and what else is written and not said."""

from __future__ import annotations

import html
import re
from typing import Final

from services.llm.reply.cues import written
from services.llm.reply.reading import directions
from services.llm.reply.reading.brackets import played
from services.llm.reply.reading.characters import printable
from services.llm.reply.reading.scan import Scan, Step

_LONGEST_ADDRESS: Final = 2000
_LONGEST_TAG: Final = 300

PICTURES: Final = "\u200d\u20e3\ufe0e\ufe0f\U0001f000-\U0001faff\U000e0020-\U000e007f☀-➿⌀-⏿⬀-⯿■-◿"
_ADDRESS: Final = re.compile(r"(?:https?://|www\.)([^\s<>\"]*)", re.IGNORECASE)
_ADDRESS_BEGUN: Final = re.compile(r"h(t(t(p(s?(:(//?)?)?)?)?)?)?|w(ww?\.?)?", re.IGNORECASE)
_EMOTICON: Final = re.compile(r"(?:[:;][-']?[()DPp|/\\]|=[()DP]|<3)+(?=[\s.,!?]|$)")
_EMOTICON_BEGUN: Final = re.compile(r"[:;=<][-']?[()DPp3|/\\]*")
_ENTITY: Final = re.compile(r"&(#\d{1,7}|#[xX][\da-fA-F]{1,6}|[A-Za-z][A-Za-z\d]{1,30});")
_ENTITY_BEGUN: Final = re.compile(r"&(#?|#\d{1,7}|#[xX][\da-fA-F]{0,6}|[A-Za-z][A-Za-z\d]{0,30})")
_ATTRIBUTES: Final = r"""(?:\s+[\w:.-]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>=]+))*"""
_TAG: Final = re.compile(rf"<(/?)([A-Za-z][\w:-]*){_ATTRIBUTES}\s*/?>")
_TAG_BEGUN: Final = re.compile(
    rf"""</?(?:[A-Za-z][\w:-]*(?:{_ATTRIBUTES}(?:\s*/?|\s+[\w:.-]+(?:\s*=\s*(?:"[^"]*|'[^']*|[^\s"'<>=]*))?))?)?|<!-?"""
)
#: Tags that end a line.
_LINES: Final = re.compile(r"p|s|li|ul|ol|d[dlt]|div|h[1-6]|tr|table|blockquote|hr|section|article|pre|paragraph")


def tag(scan: Scan) -> Step:
    """HTML and SSML; a direction may be one too (<laugh>)."""
    if scan.text.startswith("<3"):
        return emoticon(scan)
    if match := _TAG.match(scan.text):
        name, closing = match[2].lower(), bool(match[1])
        if name == "br":
            scan.prose.line_break(",")
        elif _LINES.fullmatch(name) and (name != "s" or scan.prose.stopped):
            scan.prose.line_break("," if name == "li" else ".")
        elif not closing and directions.acts(name):
            return scan.act(directions.cue(name), match.end())
        return scan.drop(match.end())
    if re.match(r"<(https?:|www\.)", scan.text):
        return scan.drop(1)
    waits = scan.waiting and len(scan.text) < _LONGEST_TAG and _TAG_BEGUN.fullmatch(scan.text)
    return Step.WAIT if waits else Step.PLAIN


def address(scan: Scan) -> Step:
    """An address is said as the name of its host."""
    if scan.before.isalnum():
        return Step.PLAIN
    match = _ADDRESS.match(scan.text)
    if match is None:
        return Step.WAIT if scan.waiting and _ADDRESS_BEGUN.fullmatch(scan.text) else Step.PLAIN
    if match.end() == len(scan.text) and scan.waiting and len(scan.text) < _LONGEST_ADDRESS:
        return Step.WAIT
    whole = match.group().rstrip(".,!?;:'*_")
    if whole.endswith(")") and "(" not in whole:
        whole = whole[:-1].rstrip(".,!?;:'*_")
    host = re.sub(r"^(https?://)?(www\.)?", "", whole, flags=re.IGNORECASE)
    scan.say(re.split(r"[/?#:]", host)[0] or " ")
    scan.drop(len(whole))
    return scan.drop(1) if scan.text.startswith(">") else Step.TAKEN


def entity(scan: Scan) -> Step:
    """A character by its name or number (&amp;)."""
    match = _ENTITY.match(scan.text)
    if match is None:
        return Step.WAIT if scan.waiting and _ENTITY_BEGUN.fullmatch(scan.text) else Step.PLAIN
    character = html.unescape(match.group())
    if character == match.group():
        return Step.PLAIN
    scan.say(printable(character) or " ")
    return scan.drop(match.end())


def emoticon(scan: Scan) -> Step:
    """A face made of signs, which stands by itself."""
    if scan.before and not scan.before.isspace():
        return Step.PLAIN
    if scan.waiting and _EMOTICON_BEGUN.fullmatch(scan.text):
        return Step.WAIT
    match = _EMOTICON.match(scan.text)
    if match is None:
        return Step.PLAIN
    return scan.act(written("smile" if re.search(r"[)DpP3]", match.group()) else "frown"), match.end())


def picture(scan: Scan) -> Step:
    """One of the characters of an emoji; the one that joins them joins letters in some scripts."""
    first = scan.text[0]
    return Step.PLAIN if first == "\u200d" and not scan.prose.gap else scan.act(written(first), 1)


def code(scan: Scan) -> Step:
    """A mark around words of code, or a bracket that nothing has opened."""
    return scan.drop(1)


def cell(scan: Scan) -> Step:
    """The end of a cell of a table."""
    if not scan.lines.table:
        return Step.PLAIN
    scan.prose.line_break(",")
    return scan.drop(1)


def struck(scan: Scan) -> Step:
    """~~Words struck out~~ are said; one such sign stays, but for a direction (~sighs~)."""
    if len(scan.text) == 1 and scan.waiting:
        return Step.WAIT
    if scan.text[1:2].isalpha():
        inner, closed, _ = scan.text[1:].partition("~")
        if not directions.possible(inner, "*", directions.standing(scan.seen)[0]):
            return Step.PLAIN
        if not closed:
            return Step.WAIT if scan.waiting else Step.PLAIN
        return played(scan, inner, len(inner) + 1, "*") or Step.PLAIN
    return scan.drop(len(scan.text) - len(scan.text.lstrip("~"))) if scan.text[1:2] == "~" else Step.PLAIN


def image(scan: Scan) -> Step:
    """An image is said as its description, like the words of a link."""
    if len(scan.text) == 1 and scan.waiting:
        return Step.WAIT
    return scan.drop(1) if scan.text[1:2] == "[" else Step.PLAIN


def escape(scan: Scan) -> Step:
    """A sign that shall not be read as a mark; one that would be heard is said."""
    after = scan.text[1:2]
    if not after and scan.waiting:
        return Step.WAIT
    if after == "n" and not (third := scan.text[2:3]).islower():
        # A new line that was written out, and no path like C:\new.
        return Step.WAIT if not third and scan.waiting else scan.replace("\n" + scan.text[2:])
    if not after or after.isalnum() or after.isspace():
        return Step.PLAIN
    if after not in "*_`~#<>[]|\\":
        scan.say(after)
    return scan.drop(2)
