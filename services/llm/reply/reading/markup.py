"""Markdown, HTML, SSML and stage directions, read as they come: words go on at once, marks are taken out.

Where a mark may be open, the text is looked at again with each character more, and waits only until that is decided: so how it
was cut into pieces makes no difference, and no mark that is never closed holds up or swallows what follows. The story, a whole
file in which nothing is a direction, has a reader of its own (`persona/markup.py`), which also says why.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from services.llm.reply.cues import FaceCue
from services.llm.reply.reading import signs
from services.llm.reply.reading.brackets import parenthesis, square
from services.llm.reply.reading.emphasis import emphasis
from services.llm.reply.reading.lines import Speakers, line_begins
from services.llm.reply.reading.scan import Scan, Step

#: What looks at a text that begins with one of these characters.
_READERS: Final[dict[str, Callable[[Scan], Step]]] = {
    "*": emphasis,
    "_": emphasis,
    "(": parenthesis,
    "[": square,
    "<": signs.tag,
    "&": signs.entity,
    "`": signs.code,
    "]": signs.code,
    "|": signs.cell,
    "~": signs.struck,
    "!": signs.image,
    "\\": signs.escape,
    **dict.fromkeys(":;=", signs.emoticon),
    **dict.fromkeys("hHwW", signs.address),
}
_SPECIAL: Final = "".join(map(re.escape, _READERS)) + "\n" + signs.PICTURES
_PLAIN: Final = re.compile(f"[^{_SPECIAL}]+")
#: What may stand before the name of who speaks.
_BEFORE_NAME: Final = '*_ \t`"“'
#: Tags whose content is nothing to be said.
_UNSAID: Final = re.compile(r"<(script|style|head|title|svg|template)\b[^<>]*>", re.IGNORECASE)
_COMMENT: Final = "<!--"
_LONGEST_COMMENT: Final = 1000
_FENCE: Final = re.compile(r"\n[ \t]*(```|~~~)[`~]*")
_LINE_END: Final = re.compile(r"(?=\n)")
#: So much of what is not said is kept, to see its end.
_KEPT: Final = 16


class Markup:
    """Takes pieces of a text that was cut anywhere, gives plain text and the cues that stood in it."""

    def __init__(self, speakers: Speakers | None = None) -> None:
        self._speakers = speakers or Speakers()
        self._scan = Scan()
        self._name_due = True
        self._until: list[re.Pattern[str]] = []
        """What ends a part that is not said, one after the other."""
        self._left = 0
        """So many characters of it may still come; below 0: no matter how many."""
        self.ended = False
        """Somebody else's words have begun, which are not for the model to say."""

    @property
    def code(self) -> bool:
        return self._scan.code

    @property
    def pictures(self) -> bool:
        return self._scan.pictures

    def push(self, text: str) -> list[str | FaceCue]:
        scan = self._scan
        while text and not self.ended:
            if not scan.text and self._flowing and (plain := _PLAIN.match(text)):
                scan.say(plain.group())
                text = text[plain.end() :]
            else:
                scan.text, text = scan.text + text[0], text[1:]
                self._run()
        return scan.prose.taken()

    def finish(self) -> list[str | FaceCue]:
        self._scan.final = True
        self._run()
        if (title := self._scan.lines.title) and not self._scan.prose.tail:
            self._scan.prose.say(re.sub(r"[*_`~#]", "", title))
        return self._scan.prose.taken()

    @property
    def _flowing(self) -> bool:
        """In the middle of a line, with nothing to look out for."""
        return not (self._scan.lines.beginning or self._name_due or self._until)

    def _run(self) -> None:
        while self._scan.text and not self.ended:
            if self._step() is Step.WAIT:
                return

    def _step(self) -> Step:
        """Reads what stands at the beginning of the text that is left."""
        scan = self._scan
        if self._until:
            return self._skip()
        if scan.lines.beginning:
            return self._begin_line()
        if self._name_due and (step := self._begin_words()) is not Step.PLAIN:
            return step
        first = scan.text[0]
        if first == "\n":
            scan.prose.line_break(scan.lines.ended())
            scan.before = "\n"
            return scan.drop(1)
        if first == "<" and (step := self._unsaid()) is not Step.PLAIN:
            return step
        read = _READERS.get(first) or (signs.picture if not _PLAIN.match(first) else None)
        step = read(scan) if read else Step.PLAIN
        return scan.literal(1) if step is Step.PLAIN else step

    def _begin_line(self) -> Step:
        scan = self._scan
        line = line_begins(scan.text, scan.lines, final=scan.final)
        if line is None:
            return Step.WAIT
        scan.drop(line.length)
        if line.kind == "code":
            scan.code = True
            # The line's end belongs to the fence that may follow at once.
            scan.text = "\n" + scan.text
            self._leave_out(_FENCE, _LINE_END)
        scan.lines.beginning = line.kind in ("title", "quote", "gone")
        scan.before, self._name_due = "", True
        return Step.TAKEN

    def _begin_words(self) -> Step:
        """At the first word of a line: whoever is named there speaks."""
        scan = self._scan
        if not scan.text[0].isalnum():
            # Marks and quotes may stand before a name.
            self._name_due = scan.text[0] in _BEFORE_NAME
            return Step.PLAIN
        line = self._speakers.line_begins(scan.text, final=scan.final)
        if line is None:
            return Step.WAIT
        self._name_due = False
        if line.length:
            # Marks around the name are gone with it.
            scan.open.clear()
        if line.kind == "stranger" and scan.prose.tail:
            self.ended = True
        elif line.kind == "stranger":
            self._leave_out(re.compile(r"\n"))
            scan.lines.beginning = True
        return scan.drop(line.length) if line.length else Step.PLAIN

    def _unsaid(self) -> Step:
        """A comment, or a tag whose content is nothing to be said."""
        scan = self._scan
        if scan.text.startswith(_COMMENT):
            self._leave_out(re.compile("-->"), at_most=_LONGEST_COMMENT)
            return scan.drop(len(_COMMENT))
        if match := _UNSAID.match(scan.text):
            scan.code = True
            self._leave_out(re.compile(f"</{match[1]}>", re.IGNORECASE))
            return scan.drop(match.end())
        return Step.PLAIN

    def _leave_out(self, *until: re.Pattern[str], at_most: int = -1) -> None:
        self._until, self._left = list(until), at_most

    def _skip(self) -> Step:
        """What is not said, up to its end; at most as much as was allowed for it."""
        scan = self._scan
        if match := self._until[0].search(scan.text):
            del self._until[0]
            return scan.drop(match.end())
        if scan.final or self._left == 0:
            self._until.clear()
            return scan.drop(len(scan.text) if scan.final else 0)
        if len(scan.text) > _KEPT:
            self._left -= self._left > 0
            scan.drop(len(scan.text) - _KEPT)
        return Step.WAIT
