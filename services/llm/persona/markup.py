"""Markdown and HTML, as people and editors write them, down to the words that can be spoken.

There is another reader of Markdown, for what a model writes (`reply/reading/markup.py`). A life story is there as a whole, its
headings and paragraphs say what belongs together, and all words in it are meant to be said. A reply comes in pieces that must
be spoken before the next one is there, its headings have no meaning, and what stands in brackets or between stars in it may be
a stage direction, which becomes a cue.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Final

from vivant.errors import Unusable

_COMMENT: Final = re.compile(r"<!--.*?-->", re.DOTALL)
_UNSEEN: Final = re.compile(r"<(script|style|head|title)\b[^>]*>.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
#: `---`, lines of "key: value" or their lists, `---` at the very start: what an editor notes about the file.
_FRONT_MATTER: Final = re.compile(r"\s*---[ \t]*\n(?:(?:[\w-]+:.*|[ \t]+\S.*|-[ \t].*|#.*)?\n)*?---[ \t]*(?:\n|$)")
_STRONG: Final = re.compile(r"</?(?:b|strong)>", re.IGNORECASE)
_HEADING: Final = re.compile(r"<h([1-6])\b[^>]*>(.*?)</h\1\s*>", re.DOTALL | re.IGNORECASE)
_PARAGRAPH: Final = re.compile(r"</?(?:p|div|section|article|blockquote|ul|ol|table|hr)\b[^<>]*>", re.IGNORECASE)
_LINE: Final = re.compile(r"<(?:br|/li|/tr)\b[^<>]*>", re.IGNORECASE)
_INVISIBLE: Final = re.compile("[\u200b\u200e\u200f\u2060\ufeff\u00ad]")
_BREAKS: Final = re.compile("[\u0085\u2028\u2029\x0b\x0c]")
_UNDERLINED: Final = re.compile(r"(?m)^(?![ \t]*(?:[#>*+-]|\d{1,2}[.)])[ \t]?)(\S.{0,60}?)[ \t]*\n(=|-)\2+[ \t]*$")

#: What stands before the words of a line: a quote, a list.
_LEAD: Final = re.compile(r"\s*(?:>\s*)*(?P<item>(?:[-+*•]|\d{1,2}[.)])\s+(?:\[[ xX]\]\s+)?)?")
_RULER: Final = re.compile(r"\s*(?:\|?[\s:|-]*-{2,}[\s:|-]*|([-*_])(?:\s*\1){2,})\s*")
_FENCE: Final = re.compile(r"\s*(?:```|~~~)[\w-]*\s*")
_DEFINITION: Final = re.compile(r"\s*\[(?!\^)[^\]]+\]:\s*\S+(?:\s+[\"'(].*)?")
_FOOTNOTE: Final = re.compile(r"\[\^[^\]\s]+\](?::\s?)?")
_IMAGE: Final = re.compile(r"!\[[^\]]*\](?:\([^()]*(?:\([^()]*\)[^()]*)*\)|\[[^\]]*\])")
_LINK: Final = re.compile(r"\[([^\[\]]+)\](?:\([^()]*(?:\([^()]*\)[^()]*)*\)|\[[^\]]*\])")
_ADDRESS: Final = re.compile(r"<((?:https?://|mailto:)[^<>\s]+)>")
_TAG: Final = re.compile(r"</?[a-zA-Z][^<>]*>")
_ESCAPED: Final = re.compile(r"\\([!-/:-@\[-`{-~])")
_STARS: Final = re.compile(r"\*+(?=\S)|(?<=\S)\*+|`+|~~")
_UNDERSCORES: Final = re.compile(r"(?<!\w)_+|_+(?!\w)")
#: Letters that nobody writes, in whose place an escaped mark waits until the others are gone.
_HIDDEN: Final = 0xE000
_ENDS: Final = (".", "!", "?", "…", ":", ";", ",", '"', "”", "’", ")")


def opened(text: str) -> str:
    """A file's text as lines of Markdown: without what is not to be read, with HTML's headings and paragraphs as Markdown's."""
    text = _BREAKS.sub("\n", _INVISIBLE.sub("", text))
    text = _UNSEEN.sub("", _COMMENT.sub("", text))
    if "<!--" in text:
        line = text[: text.index("<!--")].count("\n") + 1
        raise Unusable(f"story.md: a comment begins near line {line} ('<!--') and never ends ('-->')", reason="persona_broken")
    text = _FRONT_MATTER.sub("", text, count=1) if _FRONT_MATTER.match(text) else text
    text = _HEADING.sub(lambda found: f"\n\n{'#' * int(found[1])} {found[2]}\n\n", text)
    text = _LINE.sub("\n", _PARAGRAPH.sub("\n\n", _STRONG.sub("**", text)))
    return _UNDERLINED.sub(_raised, text)


def is_ruler(line: str) -> bool:
    """A line across the page, or below the head of a table."""
    return _RULER.fullmatch(line) is not None


def plain(lines: Sequence[str]) -> str:
    """The words of a paragraph in one line. What stands in a list becomes a sentence of its own."""
    said = list[str]()
    for line in lines:
        if _FENCE.fullmatch(line) or _DEFINITION.fullmatch(line) or is_ruler(line):
            continue
        lead = _LEAD.match(line)
        assert lead is not None
        if lead["item"] and said and not said[-1].endswith(_ENDS):
            said[-1] += "."
        words = _inline(_cells(line[lead.end() :]))
        if words:
            said.append(words)
    return " ".join(said)


def _raised(found: re.Match[str]) -> str:
    """A line with another line of = or - below it is a heading; below a sentence, that is a line across the page."""
    if found[1].rstrip("*_ ").endswith((".", "!", "…", '"', "”", ",")):
        return f"{found[1]}\n\n"
    return f"{'#' if found[2] == '=' else '##'} {found[1]}"


def _cells(line: str) -> str:
    if line.startswith("|") and line.rstrip().endswith("|") and len(line.strip()) > 1:
        return ", ".join(cell.strip() for cell in line.strip().strip("|").split("|") if cell.strip())
    return line


def _inline(text: str) -> str:
    text = _ESCAPED.sub(lambda found: chr(_HIDDEN + ord(found[1])), text)
    text = _LINK.sub(r"\1", _IMAGE.sub("", _FOOTNOTE.sub("", text)))
    text = _TAG.sub("", _ADDRESS.sub(r"\1", text))
    text = html.unescape(_UNDERSCORES.sub("", _STARS.sub("", text)))
    text = "".join(chr(ord(c) - _HIDDEN) if _HIDDEN < ord(c) < _HIDDEN + 0x80 else c for c in text)
    return re.sub(r"\s+([.,;:!?])(?=\s|$)", r"\1", " ".join(text.split()))
