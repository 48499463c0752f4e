"""The life story: an interview in Markdown, cut into passages that can be recalled.

    # Anything                      (a title and a preface, not remembered)
    ## Topic
    **Q:** A question?
    **Also:** The same asked otherwise? Something else that it answers?       (further lines, as long as they ask)

    The answer, in the first person, in one or more paragraphs.

A passage is a question with its answer. Each sentence of a question, and of the line `**Also:**` that may follow it, is a way
to ask for the passage, or to say what it replies to ("I had a bad day."). A long answer becomes several passages of a few
sentences, each with the same questions. A story that is told without questions works too; it is just recalled less well.

Labels may be written as one likes (`labels.py`), empty lines may be missing, and markup is taken off (`markup.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from services.llm.persona.labels import Kind, Labels, apart
from services.llm.persona.markup import is_ruler, opened, plain
from services.llm.reply.clauses import sentences
from vivant.errors import Unusable

_MAX_SENTENCES: Final = 7
_MAX_WORDS: Final = 110
#: No sentence is longer, in characters: more cannot be said in one breath, nor be embedded.
_MAX_SENTENCE: Final = 400
_HEADING: Final = re.compile(r"[ ]{0,3}(?:(?P<level>#{1,6})(?:[ \t]+|$)|(?P<tight>#{2,6})(?=[^\W_]))(?P<title>.*?)[ \t#]*")
#: Where a sentence without an end is cut rather than elsewhere: at a pause, else before a word that joins.
_PAUSES: Final = tuple(map(re.compile, (r"[,;:，、；：。！？–—]\s*", r"\s(?=(?:and|but|so|or|because|when|then)\s)", r"\s")))


@dataclass(frozen=True)
class Passage:
    """Something the person can remember."""

    id: str
    """story#1 for the first."""
    topic: str
    question: str
    text: str
    sentences: tuple[str, ...]
    also: tuple[str, ...] = ()
    """Other ways to ask for it, sentence by sentence."""


def parse_story(markdown: str) -> tuple[Passage, ...]:
    """The passages of a story. Raises Unusable when there are none or a question has no answer."""
    lines = opened(markdown).split("\n")
    reading = _Reading(lines)
    for line in lines:
        reading.take(line)
    reading.finish()
    if not reading.passages:
        raise Unusable(
            "story.md: there is nothing to remember; it needs '## Topic' sections with text", reason="persona_broken"
        )
    return tuple(reading.passages)


@dataclass
class _Asked:
    """What has been read of one question."""

    question: list[str] = field(default_factory=list)
    also: list[list[str]] = field(default_factory=list)
    answer: list[list[str]] = field(default_factory=list)
    titled: bool = False
    """The question is a heading, which needs no answer of its own."""


class _Reading:
    """The state of reading line by line."""

    def __init__(self, lines: list[str]) -> None:
        self.passages: list[Passage] = []
        self._labels = Labels(lines)
        self._topic = ""
        self._asked = _Asked()
        self._open: list[str] | None = None
        """The paragraph that the next line belongs to."""
        levels = [len(found["level"] or found["tight"]) for line in lines if (found := _HEADING.fullmatch(line))]
        divided = levels.count(1) == 1 and (len(levels) > 1 or any(map(self._labels.read, lines)))
        first = next((line for line in lines if line.strip()), "")
        self._title = divided and levels[0] == 1 and _HEADING.fullmatch(first) is not None
        """The first heading is that of the whole, and what stands below it a preface."""
        self._preface = False

    def take(self, line: str) -> None:
        labelled = self._labels.read(line)
        if not line.strip() or is_ruler(line):
            # A label that stands alone waits for its words.
            self._open = self._open if self._open == [] else None
        elif heading := _HEADING.fullmatch(line):
            self._head(plain([heading["title"]]))
        elif labelled and self._fits(labelled[0]):
            first, *others = apart(labelled[1]) if labelled[0] != "answer" else [labelled[1]]
            self._begin(labelled[0], first)
            for other in others:
                self.take(other)
        elif not self._preface:
            if self._open is None:
                self._asked.answer.append([])
                self._open = self._asked.answer[-1]
            self._open.append(line)

    def finish(self) -> None:
        """Makes passages of what has been asked and answered."""
        asked, self._asked, self._open = self._asked, _Asked(), None
        question, below = _question(asked.question)
        also, told = _ways(asked.also, answered=bool(asked.answer))
        paragraphs = [text for text in map(plain, [below, told, *asked.answer]) if text]
        if question and not paragraphs and not asked.titled:
            raise Unusable(f"story.md: the question {question!r} under {self._topic!r} has no answer", reason="persona_broken")
        for found in _split(paragraphs):
            passage_id = f"story#{len(self.passages) + 1}"
            self.passages.append(Passage(passage_id, self._topic, question, " ".join(found), tuple(found), also))

    def _head(self, title: str) -> None:
        self.finish()
        self._preface, self._title, self._topic = self._title, False, title
        if title.endswith("?"):
            self._asked = _Asked([title], titled=True)

    def _fits(self, kind: Kind) -> bool:
        """Whether a label can stand here: other ways to ask stand between a question and its answer."""
        return kind == "question" or bool(self._asked.question and not (kind == "also" and self._asked.answer))

    def _begin(self, kind: Kind, rest: str) -> None:
        if kind == "question":
            self.finish()
            self._preface = False
            self._open = self._asked.question
        else:
            part = self._asked.also if kind == "also" else self._asked.answer
            part.append([])
            self._open = part[-1]
        if rest:
            self._open.append(rest)


def _question(lines: list[str]) -> tuple[str, list[str]]:
    """A question, and the lines right below it, with which its answer begins. It goes on where it does not end in its line."""
    used = min(len(lines), 1)
    if any(line.rstrip("*_ ").endswith("?") for line in lines):
        while not lines[used - 1].rstrip("*_ ").endswith(("?", ".", "!", "…", ":")):
            used += 1
    return plain(lines[:used]), lines[used:]


def _ways(paragraphs: Iterable[list[str]], *, answered: bool) -> tuple[tuple[str, ...], list[str]]:
    """Other ways to ask, and the lines right below them, with which the answer begins.

    They go on from line to line while a sentence does or while they ask; where none of them asks, to the end of the paragraph.
    """
    ways, told = list[str](), list[str]()
    for lines in paragraphs:
        used = min(len(lines), 1)
        asking = "?" in "".join(lines[:1]) or not answered
        while used < len(lines) and (
            not asking
            or not lines[used - 1].rstrip("*_ ").endswith((".", "?", "!", "…"))
            or any("?" in line for line in lines[used:])
        ):
            used += 1
        ways += sentences(plain(lines[:used]))
        told += lines[used:]
    return tuple(ways), told


def _split(paragraphs: Iterable[str]) -> list[list[str]]:
    """The sentences of each passage: paragraphs are joined, and cut, so that it has a few."""
    found = list[list[str]]()
    for paragraph in paragraphs:
        said = [piece for sentence in sentences(paragraph) for piece in _cut(sentence)]
        if found and _short(found[-1] + said):
            found[-1] += said
            continue
        found.append([])
        for sentence in said:
            if found[-1] and not _short(said) and not _short([*found[-1], sentence]):
                found.append([])
            found[-1].append(sentence)
    return found


def _short(said: list[str]) -> bool:
    return len(said) <= _MAX_SENTENCES and len(" ".join(said).split()) <= _MAX_WORDS


def _cut(sentence: str) -> list[str]:
    """A sentence in pieces that can be said, where its writer has made no end."""
    pieces = list[str]()
    while len(sentence) > _MAX_SENTENCE:
        room = sentence[: _MAX_SENTENCE * 3 // 4]
        places = ([found.end() for found in pause.finditer(room, len(room) // 4)] for pause in _PAUSES)
        place = next((ends[-1] for ends in places if ends), len(room))
        pieces.append(sentence[:place].strip())
        sentence = sentence[place:].strip()
    return [*pieces, sentence]
