"""The life story: an interview in Markdown, cut into passages that can be recalled.

    # Anything                      (a title and a preface, not remembered)
    ## Topic
    **Q:** A question?
    **Also:** The same asked otherwise? Something else that it answers?       (up to the end of the paragraph)

    The answer, in the first person, in one or more paragraphs.

A passage is a question with its answer. Each sentence of a question, and of the line `**Also:**` that may follow it, is a way
to ask for the passage, or to say what it replies to ("I had a bad day."). A long answer becomes several passages of a few
sentences, cut between paragraphs, each with the same questions. A story that is told without questions works too; it is just
recalled less well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from services.llm.clauses import sentences
from vivant.errors import Unusable

_MAX_SENTENCES: Final = 7
_MAX_WORDS: Final = 110
_QUESTION: Final = re.compile(r"\*\*Q:?\*\*:?\s*")
_ALSO: Final = re.compile(r"\*\*Also:?\*\*:?\s*")
_ANSWER: Final = re.compile(r"\*\*A:?\*\*:?\s*")
_MARKUP: Final = re.compile(r"[*_`]+")


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
    passages: list[Passage] = []
    topic, question, also, answer = "", "", tuple[str, ...](), list[str]()
    preface = True

    def finish() -> None:
        if question and not answer:
            raise Unusable(f"story.md: the question {question!r} under {topic!r} has no answer", reason="persona_broken")
        for text in _split(answer):
            passages.append(Passage(f"story#{len(passages) + 1}", topic, question, text, tuple(sentences(text)), also))
        answer.clear()

    for block in re.split(r"\n\s*\n", re.sub(r"<!--.*?-->", "", markdown, flags=re.DOTALL)):
        for paragraph in _headings_apart(block):
            if paragraph.startswith("#"):
                finish()
                level, _, title = paragraph.partition(" ")
                topic, question, also, preface = title.strip(), "", (), len(level) == 1
            elif _QUESTION.match(paragraph):
                finish()
                (question, also, said), preface = _asked(_QUESTION.sub("", paragraph, count=1)), False
                if said:
                    answer.append(said)
            elif question and not answer and _ALSO.match(paragraph):
                also += _ways(paragraph)
            elif not preface and set(paragraph) - set("-*_ "):
                answer.append(_plain(_ANSWER.sub("", paragraph)))
    finish()
    if not passages:
        raise Unusable(
            "story.md: there is nothing to remember; it needs '## Topic' sections with text", reason="persona_broken"
        )
    return tuple(passages)


def _asked(paragraph: str) -> tuple[str, tuple[str, ...], str]:
    """The question of a paragraph that begins with one, the other ways to ask, and the answer that may stand below them."""
    asked, *answered = _ANSWER.split(paragraph, maxsplit=1)
    asked, *also = _ALSO.split(asked, maxsplit=1)
    question, _, said = asked.partition("\n")
    return _plain(question), _ways(" ".join(also)), _plain(" ".join((said, *answered)))


def _ways(also: str) -> tuple[str, ...]:
    """Other ways to ask: the sentences of a paragraph, which may repeat the mark on each line."""
    return tuple(sentences(_plain(_ALSO.sub(" ", also))))


def _headings_apart(block: str) -> list[str]:
    """A block's paragraphs; headings need no empty line around them."""
    parts = re.split(r"(?m)^(#{1,6} .*)$", block)
    return [part.strip() for part in parts if part.strip()]


def _plain(paragraph: str) -> str:
    return " ".join(_MARKUP.sub("", paragraph).replace("\n> ", " ").removeprefix("> ").split())


def _split(paragraphs: list[str]) -> list[str]:
    """Joins paragraphs as long as a passage stays short."""
    texts: list[str] = []
    for paragraph in paragraphs:
        joined = f"{texts[-1]} {paragraph}" if texts else ""
        if joined and len(sentences(joined)) <= _MAX_SENTENCES and len(joined.split()) <= _MAX_WORDS:
            texts[-1] = joined
        else:
            texts.append(paragraph)
    return texts
