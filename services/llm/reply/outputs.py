"""What a conversation gives: the events of a reply, and what else there is to tell of a turn."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from services.llm.engine import Usage
from services.llm.persona.story import Passage
from services.llm.reply.cues import FaceCue
from vivant.errors import VivantError


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Cue:
    cue: FaceCue


@dataclass(frozen=True)
class Source:
    passage: Passage
    similarity: float
    """The cosine similarity of it and what was asked."""


@dataclass(frozen=True)
class Done:
    usage: Usage
    corrected: bool
    problem: VivantError | None = None
    """Why the model's own words could not be had, when they could not: the reply is what memory says instead. Or, of a reply
    that is as it should be, why what was said is not kept."""


Event = Text | Cue | Source | Done


@dataclass(frozen=True)
class Finished:
    """The reply is complete."""

    done: Done
    first_token_us: int
    answers: str = ""
    """The id of the utterance that it answers."""


@dataclass(frozen=True)
class Broken:
    """The turn ended without a (whole) reply."""

    error: VivantError


@dataclass(frozen=True)
class Drafted:
    """How the reply will begin if the words so far are committed."""

    text: str


@dataclass(frozen=True)
class Addressed:
    """What tells who is meant by these words."""

    text: str
    nearest: float
    """The cosine similarity of the words and the passage that answers them best."""
    likeness: float | None = None
    """That of the words and what somebody else has just said; None: the persona or the same one has spoken last."""
    shares: tuple[tuple[str, float], ...] = ()
    """What the model says: the persona and all others who may be meant, by their ids, the likeliest first, with
    probabilities that add up to 1; empty: it was not asked, or has not answered."""


@dataclass(frozen=True)
class Recalled:
    """What these words bring to mind, for somebody else who answers them."""

    words: str
    text: str
    """Empty: nothing is to be told."""


Output = Event | Finished | Broken | Drafted | Addressed | Recalled


class Outlet(Protocol):
    """The conversation's way out."""

    async def emit(self, turn_id: int, output: Output) -> None:
        """Sends something of the turn that is alive."""

    def stale(self) -> None:
        """Notes that something was made for a turn that is over, and dropped."""

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Starts a task; an error in it ends the stream."""
