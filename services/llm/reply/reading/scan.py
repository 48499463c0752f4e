"""Where the reading of a marked text is: what is left of it, what stood before, and what has been given."""

from __future__ import annotations

from enum import Enum, auto

from services.llm.reply.cues import FaceCue
from services.llm.reply.reading.lines import Lines
from services.llm.reply.reading.prose import Prose


class Step(Enum):
    """What came of a look at the beginning of the text that is left."""

    TAKEN = auto()
    PLAIN = auto()
    """The first character is one like any other."""
    WAIT = auto()
    """More must come before that can be told."""


class Scan:
    """The state that the readers of all kinds of marks share."""

    def __init__(self) -> None:
        self.text = ""
        """What is left; it grows while a mark may be open."""
        self.before = ""
        """The character before it, as it was written; empty at the beginning of a line."""
        self.final = False
        """Nothing more will come."""
        self.prose = Prose()
        self.lines = Lines()
        self.open: list[str] = []
        """Marks of emphasis that are open."""
        self.code = False
        """There was code."""
        self.pictures = False
        """There were pictures or directions."""

    def say(self, text: str) -> None:
        self.prose.say(text)
        self.before = text[-1]

    def drop(self, length: int) -> Step:
        """Takes away so much of the beginning of the text."""
        self.text = self.text[length:]
        return Step.TAKEN

    def literal(self, length: int) -> Step:
        """Says so much of the beginning of the text as it stands."""
        self.say(self.text[:length])
        return self.drop(length)

    def replace(self, text: str) -> Step:
        """Puts what is in a mark in the place of it: it is read like all else."""
        self.text = text
        return Step.TAKEN

    def act(self, cue: FaceCue | None, length: int) -> Step:
        """So much of the text is done, not said."""
        self.pictures = True
        self.prose.cue(cue)
        return self.drop(length)

    def leave_out(self, length: int) -> Step:
        """So much of the text is for nobody, and leaves no gap."""
        self.prose.cue(None)
        return self.drop(length)

    @property
    def waiting(self) -> bool:
        """Whether it is worth waiting for more."""
        return not self.final

    @property
    def seen(self) -> str:
        """The end of what was said, with the end of a line that no word has followed yet."""
        return self.prose.tail + ("\n" if self.before in ("\n", "") else "")
