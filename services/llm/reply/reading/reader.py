"""Reads what a model puts out, for all engines: plain text for captions, memory and voice, and cues for the face.

    characters -> reasoning, tokens, tools -> markup and directions -> the beginning of the reply

Each step takes pieces that were cut anywhere and gives on what is certain; the words of an ordinary reply pass at once.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.llm.engine import Called, Thought
from services.llm.reply.cues import FaceCue
from services.llm.reply.reading.beginning import Beginning
from services.llm.reply.reading.characters import Characters
from services.llm.reply.reading.lines import Speakers
from services.llm.reply.reading.markup import Markup
from services.llm.reply.reading.reasoning import Reasoning, Retract
from services.llm.understanding.words import wordless

Read = str | FaceCue | Retract
"""Words, a cue for those that follow, or that all before was reasoning."""


class Reader:
    """Reads one reply.

    `own` and `others` are the names of who speaks, as in a play; `opening` was said before it, and a model may begin with that
    again; `thinking`: the prompt has begun the reasoning.
    """

    def __init__(
        self, own: Iterable[str] = (), others: Iterable[str] = (), opening: str = "", *, thinking: bool = False
    ) -> None:
        self._speakers = Speakers(own, others)
        self._opening = opening
        self._characters = Characters()
        self._reasoning = Reasoning(thinking=thinking)
        self._told = False
        """Reasoning came beside the text."""
        self._begin()

    def _begin(self) -> None:
        self._markup = Markup(self._speakers)
        self._beginning = Beginning(self._opening)
        self.words = False
        """Something that can be said has come."""
        self.signs = False
        """There were characters that are no words."""

    def push(self, item: str | Thought | Called) -> list[Read]:
        """What the next piece of the reply brings."""
        if isinstance(item, Thought):
            self._told = self._told or bool(item.text.strip())
            return []
        if isinstance(item, Called):
            self._reasoning.tool = True
            return []
        return self._said(self._reasoning.push(self._characters.push(item)))

    def finish(self, *, complete: bool = True) -> list[Read]:
        """What is left at the end of the reply; `complete`: the model has come to its end by itself."""
        read = self._said(self._reasoning.finish(complete=complete))
        read += self._marked(self._markup.finish())
        return read + self._noted([self._beginning.finish()])

    @property
    def ended(self) -> bool:
        """What the model still adds is not for it to say."""
        return self._reasoning.ended or self._markup.ended

    @property
    def thinks_first(self) -> bool:
        """The prompt had begun the reasoning."""
        return self._reasoning.orphan

    @property
    def thought(self) -> bool:
        return self._told or self._reasoning.thought

    @property
    def tool(self) -> bool:
        return self._reasoning.tool

    @property
    def code(self) -> bool:
        return self._markup.code

    @property
    def pictures(self) -> bool:
        return self._markup.pictures

    def _said(self, items: list[str | Retract]) -> list[Read]:
        read: list[Read] = []
        for item in items:
            if isinstance(item, Retract):
                self._begin()
                read = [item]
            else:
                read += self._marked(self._markup.push(item))
        return read

    def _marked(self, items: list[str | FaceCue]) -> list[Read]:
        return self._noted([item if isinstance(item, FaceCue) else self._beginning.push(item) for item in items])

    def _noted(self, items: list[str | FaceCue]) -> list[Read]:
        read: list[Read] = []
        for item in items:
            if item:
                if isinstance(item, str):
                    self.words = self.words or not wordless(item)
                    self.signs = self.signs or bool(item.strip())
                read.append(item)
        return read
