"""Markdown, HTML, SSML and stage directions, read as they come: words go on at once, marks are taken out.

The rest of the text is looked at one character more at a time, and a character waits only while a mark may be open: so how a text
was cut into pieces makes no difference, and no mark that is never closed holds up or swallows what follows.
"""

from __future__ import annotations

import html
import re
from typing import Final

from services.llm.cues import FaceCue, written
from services.llm.reading import directions
from services.llm.reading.characters import printable
from services.llm.reading.lines import Lines, Speakers, line_begins
from services.llm.reading.prose import Prose

#: So much of a text in brackets is waited for, and of an address, in characters.
_LONGEST_BRACKET: Final = 80
_LONGEST_ECHO: Final = 800
_LONGEST_ADDRESS: Final = 2000
_LONGEST_TAG: Final = 300
_LONGEST_COMMENT: Final = 1000

_PLAIN: Final = re.compile(r"[^*_~`<&\[\](!|\\\n:;=hHwW\u200d\u20e3\ufe0e\ufe0f\U0001f000-\U000e007f☀-➿⌀-⏿⬀-⯿■-◿]+")
_PICTURE: Final = re.compile("[\u200d\u20e3\ufe0e\ufe0f\U0001f000-\U0001faff\U000e0020-\U000e007f☀-➿⌀-⏿⬀-⯿■-◿]")
_ADDRESS: Final = re.compile(r"(?:https?://|www\.)([^\s<>\"]*)", re.IGNORECASE)
_ADDRESS_BEGUN: Final = re.compile(r"h(t(t(p(s?(:(//?)?)?)?)?)?)?|w(ww?\.?)?", re.IGNORECASE)
_TARGET: Final = re.compile(r"\((?:[^\s()]|\([^\s()]*\))*(?:\s+(?:\"[^\"\n]*\"|'[^'\n]*'))?\s*\)|\[[^\[\]\n]*\]")
_TARGET_BEGUN: Final = re.compile(r"\((?:[^\s()]|\([^\s()]*\)?)*(?:\s+(?:\"[^\"\n]*\"?|'[^'\n]*'?)?)?\s*|\[[^\[\]\n]*")
_EMOTICON: Final = re.compile(r"(?:[:;][-']?[()DPp|/\\]|=[()DP]|<3)+(?=[\s.,!?]|$)")
_EMOTICON_BEGUN: Final = re.compile(r"[:;=<][-']?[()DPp3|/\\]*")
_ENTITY: Final = re.compile(r"&(#\d{1,7}|#[xX][\da-fA-F]{1,6}|[A-Za-z][A-Za-z\d]{1,30});")
_ENTITY_BEGUN: Final = re.compile(r"&(#?|#\d{1,7}|#[xX][\da-fA-F]{0,6}|[A-Za-z][A-Za-z\d]{0,30})")
_ATTRIBUTES: Final = r"""(?:\s+[\w:.-]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>=]+))*"""
_TAG: Final = re.compile(rf"<(/?)([A-Za-z][\w:-]*){_ATTRIBUTES}\s*/?>")
_TAG_BEGUN: Final = re.compile(
    rf"""</?(?:[A-Za-z][\w:-]*(?:{_ATTRIBUTES}(?:\s*/?|\s+[\w:.-]+(?:\s*=\s*(?:"[^"]*|'[^']*|[^\s"'<>=]*))?))?)?"""
)
_BLOCKS: Final = frozenset(
    "p br li ul ol div h1 h2 h3 h4 h5 h6 tr table blockquote hr section article pre dd dt dl s paragraph".split()
)
_UNSAID: Final = frozenset("script style head title svg template".split())


class Markup:
    """Takes pieces of a text that was cut anywhere, gives plain text and the cues that stood in it."""

    def __init__(self, speakers: Speakers = Speakers()) -> None:
        self._speakers = speakers
        self._prose = Prose()
        self._lines = Lines()
        self._text = ""
        self._open: list[str] = []
        self._label_due = True
        self._until: re.Pattern[str] | None = None
        """What ends a part that is not said."""
        self._unsaid = 0
        self._before = ""
        """The character before the text that is left, as it was written."""
        self.code = False
        """There was code."""
        self.pictures = False
        """There were pictures or directions."""
        self.ended = False
        """Somebody else's words have begun, which are not for the model to say."""

    def push(self, text: str) -> list[str | FaceCue]:
        while text and not self.ended:
            plain = _PLAIN.match(text) if not self._text and self._flowing else None
            if plain:
                self._pass(plain.group())
                text = text[plain.end() :]
            else:
                self._text, text = self._text + text[0], text[1:]
                while self._text and not self.ended and self._step(final=False):
                    pass
        return self._prose.taken()

    def finish(self) -> list[str | FaceCue]:
        while self._text and not self.ended:
            self._step(final=True)
        if (title := self._lines.title) and not self._prose.tail:
            self._prose.say(re.sub(r"[*_`~#]", "", title))
        return self._prose.taken()

    @property
    def _flowing(self) -> bool:
        """In the middle of a line, with nothing to look out for."""
        return not (self._lines.beginning or self._label_due or self._until)

    # --- one step -----------------------------------------------------------------------------------------------------

    def _step(self, *, final: bool) -> bool:
        """Reads what stands at the beginning of the text that is left; False when more must come before that can be told."""
        if self._until:
            return self._skip(final=final)
        if self._lines.beginning:
            return self._begin_line(final=final)
        if self._label_due and not self._begin_words(final=final):
            return False
        if not self._text or self.ended:
            return True
        first = self._text[0]
        if first == "\n":
            return self._end_line()
        taken = self._marked(first, final=final)
        if taken is None:
            return False
        if taken == 0:
            self._pass(first)
            self._text = self._text[1:]
        return True

    def _marked(self, first: str, *, final: bool) -> int | None:
        """Takes what begins with a special character: 1 when that was done, 0 for a character like any other, None to wait."""
        if first in "*_":
            return self._emphasis(first, final=final)
        if first == "<":
            return self._tag(final=final)
        if first in "([":
            return self._bracket(first, final=final)
        if first in "hHwW" and not self._before.isalnum():
            return self._address(final=final)
        if first == "&":
            return self._entity(final=final)
        if first in ":;=":
            return self._emoticon(final=final)
        if _PICTURE.match(first):
            return self._picture(first)
        if first in "`~!|\\]":
            return self._sign(first, final=final)
        return 0

    def _pass(self, text: str) -> None:
        self._prose.say(text)
        self._before = text[-1]

    def _drop(self, length: int) -> int:
        """Takes away so much of the beginning of the text."""
        self._text = self._text[length:]
        return 1

    # --- lines --------------------------------------------------------------------------------------------------------

    def _begin_line(self, *, final: bool) -> bool:
        line = line_begins(self._text, self._lines, final=final)
        if line is None:
            return False
        self._text = self._text[line.length :]
        if line.kind == "code":
            self.code, self._until, self._unsaid = True, re.compile(r"\n[ \t]*(```|~~~)[`~]*"), -1
            self._text = "\n" + self._text
        self._lines.beginning = line.kind in ("title", "quote", "gone")
        self._before, self._label_due = "", True
        return True

    def _begin_words(self, *, final: bool) -> bool:
        """At the first word of a line: whoever is named there speaks. False when that cannot be told yet."""
        if self._text[0] in '*_ \t`"“\n' or not self._text[0].isalnum():
            # Marks and quotes may stand before a name.
            self._label_due = self._text[0] in '*_ \t`"“'
            return True
        line = self._speakers.line_begins(self._text, final=final)
        if line is None:
            return False
        self._label_due = False
        self._text = self._text[line.length :]
        if line.kind == "stranger":
            if self._prose.tail:
                self.ended = True
            else:
                self._until, self._unsaid = re.compile(r"\n"), -1
        return True

    def _end_line(self) -> bool:
        self._text = self._text[1:]
        self._prose.line_break(self._lines.ended())
        self._before = "\n"
        return True

    def _skip(self, *, final: bool) -> bool:
        """What is not said, up to its end; at most as much as was allowed for it."""
        assert self._until
        if match := self._until.search(self._text):
            self._text = self._text[match.end() :]
            self._lines.beginning = match.group().startswith("\n")
            if match.group().strip() in ("", "-->") or match.group().startswith("<"):
                self._until = None
            else:
                # The rest of the line that closes a block of code.
                self._until = re.compile(r"(?=\n)")
            return bool(self._text)
        if final or self._unsaid == 0:
            self._until = None
            self._text = "" if final else self._text
            return True
        keep = 16
        if len(self._text) > keep:
            if self._unsaid > 0:
                self._unsaid = max(0, self._unsaid - 1)
            self._text = self._text[-keep:]
        return False

    # --- marks --------------------------------------------------------------------------------------------------------

    def _emphasis(self, mark: str, *, final: bool) -> int | None:
        """A run of asterisks or underscores: the beginning or the end of an emphasis, a direction, or a sign."""
        run = len(self._text) - len(self._text.lstrip(mark))
        after = self._text[run : run + 1]
        if not after and not final:
            return None
        before = self._before
        closes = bool(before) and not before.isspace() and mark in self._open
        opens = bool(after) and not after.isspace()
        if mark == "_":
            closes, opens = closes and not _word(after), opens and not _word(before)
        elif _word(before) and _word(after):
            # 2*3*4, a*b; but un*frigging*believable.
            opens = not (before.isdigit() or after.isdigit()) and len(re.findall(r"\w*$", self._prose.tail)[0]) > 1
            if not opens and not closes:
                return self._literal(run)
        if closes:
            self._open.remove(mark)
            return self._drop(run)
        if opens:
            return self._opening(mark, run, final=final)
        sign = _word(before) and mark == "_"
        if sign or (not after.strip() and run == 1 and _product(self._prose.tail)):
            return self._literal(run)
        return self._drop(run)

    def _literal(self, length: int) -> int:
        self._pass(self._text[:length])
        return self._drop(length)

    def _opening(self, mark: str, run: int, *, final: bool) -> int | None:
        inner = self._text[run:]
        end = inner.find(mark)
        before, word = directions.standing(self._seen())
        if end < 0:
            if not final and directions.possible(inner, mark, before):
                return None
        elif directions.possible(inner[:end], mark, before):
            rest = inner[end:].lstrip(mark)
            after = _what_follows(rest, final=final)
            if after is None:
                return None
            if directions.direction(inner[:end], mark, directions.Place(before, after, word)):
                return self._act(inner[:end], len(self._text) - len(rest))
        self._open.append(mark)
        return self._drop(run)

    def _act(self, said: str, length: int) -> int:
        """A direction is done, not said."""
        self.pictures = True
        self._prose.cue(directions.cue(said))
        return self._drop(length)

    def _bracket(self, mark: str, *, final: bool) -> int | None:
        close = ")" if mark == "(" else "]"
        end = self._text.find(close)
        before, word = directions.standing(self._seen())
        inner = self._text[1:] if end < 0 else self._text[1:end]
        if echo := re.match(r"\w{3,20}:", inner) if mark == "[" else None:
            return self._echo(end, echo.end(), final=final)
        if mark == "(" and before == "start" and re.fullmatch(r"[\w .'-]{1,60}:", inner):
            # Who speaks, as the prompt has it: "(Ann:)", "(Ann to Bob:)".
            return self._drop(end + 1) if end >= 0 else (1 if final else None)
        if end < 0:
            wait = (
                directions.possible(inner, mark, before) if mark == "(" else "\n" not in inner and len(inner) < _LONGEST_BRACKET
            )
            if not final and (wait or (mark == "(" and before == "start" and re.fullmatch(r"[\w .'-]{1,20}", inner))):
                return None
            return 0 if mark == "(" else self._drop(1)
        if mark == "[":
            return self._square(inner, end, final=final)
        if not directions.possible(inner, mark, before):
            return 0
        after = _what_follows(self._text[end + 1 :], final=final)
        if after is None:
            return None
        if directions.direction(inner, mark, directions.Place(before, after, word)):
            return self._act(inner, end + 1)
        return 0

    def _square(self, inner: str, end: int, *, final: bool) -> int | None:
        """Square brackets: a link, a note, a direction, or words."""
        rest = self._text[end + 1 :]
        if not rest and not final:
            return None
        if rest[:1] in ("(", "["):
            target = _TARGET.match(rest)
            if target is None and not final and len(rest) < _LONGEST_ADDRESS and _TARGET_BEGUN.fullmatch(rest):
                return None
            if target:
                self._text = inner + rest[target.end() :]
                return 1
        if re.fullmatch(r"\^?\d{1,3}(?:\s*,\s*\d{1,3})*|\^\w+|[xX ]?", inner):
            return self._drop(end + 1)
        if rest[:1] == ":" and self._before == "":
            self._until, self._unsaid = re.compile(r"(?=\n)"), _LONGEST_ADDRESS
            return self._drop(end + 1)
        before, word = directions.standing(self._seen())
        after = _what_follows(rest, final=final)
        if after is None:
            return None
        if directions.direction(inner, "[", directions.Place(before, after, word)):
            return self._act(inner, end + 1)
        self._text = inner + rest
        return 1

    def _echo(self, end: int, label: int, *, final: bool) -> int | None:
        """A part of the prompt, "[memories: ...]"."""
        if end >= 0:
            self._prose.cue(None)
            return self._drop(end + 1)
        if not final and len(self._text) < _LONGEST_ECHO:
            return None
        return self._drop(1 + label)

    def _tag(self, *, final: bool) -> int | None:
        if self._text.startswith("<3"):
            return self._emoticon(final=final)
        if match := _TAG.match(self._text):
            return self._tagged(match[2].lower(), match.end(), closing=bool(match[1]))
        if self._text.startswith("<!--"):
            self._until, self._unsaid = re.compile("-->"), _LONGEST_COMMENT
            return self._drop(4)
        if re.match(r"<(https?:|www\.)", self._text):
            return self._drop(1)
        waits = _TAG_BEGUN.fullmatch(self._text) or self._text in ("<!", "<!-")
        if not final and waits and len(self._text) < _LONGEST_TAG:
            return None
        return 0

    def _tagged(self, name: str, length: int, *, closing: bool) -> int:
        if name in _UNSAID and not closing:
            self.code, self._until, self._unsaid = True, re.compile(f"</{name}>", re.IGNORECASE), -1
        elif name in _BLOCKS and (name != "s" or self._prose.stopped):
            self._prose.line_break("," if name == "li" else "." if name != "br" else ",")
        elif not closing and directions.acts(name):
            return self._act(name, length)
        return self._drop(length)

    def _address(self, *, final: bool) -> int | None:
        """An address is said as the name of its host."""
        match = _ADDRESS.match(self._text)
        if match is None:
            return None if not final and _ADDRESS_BEGUN.fullmatch(self._text) else 0
        if match.end() == len(self._text) and not final and len(self._text) < _LONGEST_ADDRESS:
            return None
        whole = match.group().rstrip(".,!?;:'*_")
        if whole.endswith(")") and "(" not in whole:
            whole = whole[:-1].rstrip(".,!?;:'*_")
        host = re.sub(r"^(https?://)?(www\.)?", "", whole, flags=re.IGNORECASE)
        self._pass(re.split(r"[/?#:]", host)[0] or " ")
        self._drop(len(whole))
        if self._text.startswith(">"):
            self._drop(1)
        return 1

    def _entity(self, *, final: bool) -> int | None:
        if match := _ENTITY.match(self._text):
            character = html.unescape(match.group())
            if character != match.group():
                self._pass(printable(character) or " ")
                return self._drop(match.end())
            return 0
        return None if not final and _ENTITY_BEGUN.fullmatch(self._text) else 0

    def _emoticon(self, *, final: bool) -> int | None:
        """A face made of signs, which stands by itself."""
        if self._before and not self._before.isspace():
            return 0
        if not final and _EMOTICON_BEGUN.fullmatch(self._text):
            return None
        match = _EMOTICON.match(self._text)
        if match is None:
            return 0
        self.pictures = True
        self._prose.cue(written("smil" if re.search(r"[)DpP3]", match.group()) else "frown"))
        return self._drop(match.end())

    def _picture(self, first: str) -> int:
        if first == "\u200d" and not self._prose.gap:
            return 0
        self.pictures = True
        self._prose.cue(written(first))
        return self._drop(1)

    def _sign(self, first: str, *, final: bool) -> int | None:
        after = self._text[1:2]
        if first == "`" or first == "]":
            return self._drop(1)
        if first == "|":
            if self._lines.table:
                self._prose.line_break(",")
                return self._drop(1)
            return 0
        if not after and not final and first in "~!\\":
            return None
        if first == "~" and after == "~":
            return self._drop(len(self._text) - len(self._text.lstrip("~")))
        if first == "!" and after == "[":
            return self._drop(1)
        if first == "\\" and after and not after.isalnum() and not after.isspace():
            if after not in "*_`~#<>[]|\\":
                self._pass(after)
            return self._drop(2)
        return 0

    def _seen(self) -> str:
        """The text before, with the end of the line that no word has followed yet."""
        return self._prose.tail + ("\n" if self._before in ("\n", "") else "")


def _word(character: str) -> bool:
    return character.isalnum()


def _product(before: str) -> bool:
    """Whether an asterisk behind this text multiplies: after a number, or a letter by itself."""
    return re.search(r"(\d|\)|\b[a-zA-Z])\s*$", before) is not None


def _what_follows(rest: str, *, final: bool) -> directions.After | None:
    """What comes after a closing mark; None when more must come before that can be told."""
    stripped = rest.lstrip(" \t")
    if not stripped:
        return "end" if final else None
    first = stripped[0]
    if first == "\n":
        return "end"
    if first in ".,!?;:…":
        return "stop"
    return "lower" if first.islower() or first.isdigit() else "capital"
