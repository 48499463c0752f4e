"""Conversations played through: each line is meant for whom a policy takes it to be, the persona answers what it takes to
be for it, and all goes on from there. Or from the truth, to see each line by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

from bench.addressees.material import Line, Personas, Talk
from services.llm.memory.history import Utterance
from services.llm.reply.outputs import Text
from services.llm.reply.recalling import Recaller
from services.llm.understanding.addressed import evidence
from services.orchestrator.dialog.addressee import ANSWERED, ruled, settled
from services.orchestrator.dialog.clues import Clues, Logistic
from services.orchestrator.dialog.events import Contribution, Evidence, ms
from services.orchestrator.dialog.participants import Participants

#: From one line to the next.
_PACE: Final = ms(4000)


@dataclass(frozen=True)
class Heard:
    """What the llm service knows when a line is said."""

    recaller: Recaller
    history: Sequence[Utterance]
    line: Line

    @cached_property
    def evidence(self) -> Evidence:
        """What it tells of the line."""
        told = evidence(self.recaller, Utterance(self.line.speaker, self.line.text), self.history)
        return Evidence(told.nearest, told.likeness)


@dataclass(frozen=True)
class Verdict:
    """Whom a line is taken to be meant for."""

    to: str
    """Empty for the persona."""
    likely: float | None = None
    """How likely it is the persona; None: a finding of fact, or a rule that knows no probability."""
    clues: Clues | None = None
    """What it was guessed from."""


class Policy(Protocol):
    """Finds out who is meant, line by line."""

    def verdict(self, said: Contribution, heard: Heard) -> Verdict: ...

    def settle(self, said: Contribution, to: str) -> None: ...


#: A policy at the beginning of a conversation: who is there, and what the persona is called.
Begin = Callable[[Participants, tuple[str, ...]], Policy]


class Scorer:
    """The policy in use, with these weights; without the llm service it decides without evidence."""

    def __init__(self, participants: Participants, persona: tuple[str, ...], model: Logistic, *, llm: bool) -> None:
        self._participants = participants
        self._persona = persona
        self._model = model
        self._llm = llm

    def verdict(self, said: Contribution, heard: Heard) -> Verdict:
        """Whom it is meant for."""
        _, ruling = ruled(self._participants, said, self._persona)
        if ruling.guess is None:
            return Verdict(ruling.to)
        likely = self._model.probability(ruling.guess.clues, heard.evidence if self._llm else None)
        return Verdict("" if likely >= ANSWERED else ruling.guess.other, likely, ruling.guess.clues)

    def settle(self, said: Contribution, to: str) -> None:
        """It was meant for `to`."""
        participants, ruling = ruled(self._participants, said, self._persona)
        self._participants, _ = settled(participants, said, ruling, to)


@dataclass(frozen=True)
class Judged:
    """A line with what a policy made of it."""

    line: Line
    verdict: Verdict
    evidence: Evidence

    @property
    def right(self) -> bool:
        """Answered if it is for the persona, and left alone if it is not."""
        return (not self.verdict.to) == (not self.line.to)


async def play(talk: Talk, begin: Begin, personas: Personas, *, truth: bool = False) -> list[Judged]:
    """All lines. With `truth` each is settled as it was meant, whatever the policy says."""
    replier = personas.replier(talk.persona)
    policy = begin(talk.present(), personas.names(talk.persona))
    history, judged = list[Utterance](), list[Judged]()
    for at, line in enumerate(talk.lines):
        said, heard = Contribution(line.speaker, line.text, ended_at=_PACE * at), Heard(replier.recaller, tuple(history), line)
        verdict = policy.verdict(said, heard)
        to = line.to if truth else verdict.to
        policy.settle(said, to)
        judged.append(Judged(line, verdict, heard.evidence))
        utterance = Utterance(line.speaker, line.text, to)
        reply = (
            [event.text async for event in replier.reply(utterance, history, 0) if isinstance(event, Text)] if not to else []
        )
        history += [utterance, Utterance(talk.persona, "".join(reply).strip())] if not to else [utterance]
    return judged
