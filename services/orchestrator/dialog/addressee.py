"""Who is meant: the persona, or somebody else who is there.

Whoever is alone with the persona always means it, and so does whoever types; a name that is called decides; a client that
says itself who is meant is believed from then on, also where it leaves it open. All else is a guess: `clues.py` weighs what
speaks for the persona, and what the llm knows of the words besides, as soon as it has told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from services.common.reading.readers import asks
from services.orchestrator.dialog.clues import Clues, clues_of, model
from services.orchestrator.dialog.events import Contribution, Evidence, ms
from services.orchestrator.dialog.participants import Exchange, Participants, introductions, joined
from services.orchestrator.dialog.vocatives import called

#: After so long what two people said to each other is over.
_OVER: Final = ms(20_000)
#: To be silent when one is asked is so many times worse than to answer what was said to somebody else.
_SILENCE_COSTS: Final = 1.5
#: So the persona answers what is at least this likely meant for it.
ANSWERED: Final = 1 / (1 + _SILENCE_COSTS)
#: As strong as evidence can be: memory knows just these words, or nothing of them and somebody else has just said the same.
_FOR_PERSONA: Final = Evidence(1.0, 0.0)
_FOR_OTHERS: Final = Evidence(0.0, 1.0)


@dataclass(frozen=True)
class Guess:
    """Nobody is called: it may be meant for the persona, or for `other`."""

    other: str
    clues: Clues

    def to(self, evidence: Evidence | None) -> str:
        """Whom it is taken to be meant for, with what the llm has told of the words; empty for the persona."""
        return "" if model().probability(self.clues, evidence) >= ANSWERED else self.other


@dataclass(frozen=True)
class Ruling:
    """Whom a contribution is meant for."""

    to: str = ""
    """Empty for the persona, else a label, or a name that is not known."""
    called: bool = False
    """This one was called by name."""
    told: bool = False
    """The client says so."""
    guess: Guess | None = None
    """What there is to go by where it is not sure; `to` says nothing then."""


def judged(
    participants: Participants, said: Contribution, persona: tuple[str, ...], evidence: Evidence | None = None
) -> tuple[Participants, Contribution]:
    """The contribution with whom it is meant for, empty for the persona; and what that tells of the participants."""
    participants, ruling = ruled(participants, said, persona)
    return settled(participants, said, ruling, ruling.guess.to(evidence) if ruling.guess else ruling.to)


def in_doubt(participants: Participants, said: Contribution, persona: tuple[str, ...]) -> Guess | None:
    """What there is to go by where evidence may decide who is meant; None: it is sure, or as good as."""
    guess = ruled(participants, said, persona)[1].guess
    return guess if guess and guess.to(_FOR_PERSONA) != guess.to(_FOR_OTHERS) else None


def ruled(participants: Participants, said: Contribution, persona: tuple[str, ...]) -> tuple[Participants, Ruling]:
    """What is sure of whom a contribution is meant for, or what there is to go by; and the participants, by the names in it."""
    participants = introductions(joined(participants, said.speaker), said)
    if said.addressee:
        own = said.addressee.lower() in {name.lower() for name in persona}
        return participants, Ruling("" if own else said.addressee, told=True)
    if participants.told or all(label == said.speaker for label in participants.people):
        return participants, Ruling()
    who = called(said.text, participants.names, persona, strangers=True)
    if who is not None and persona and who == persona[0].lower():
        return participants, Ruling(called=True)
    if who is not None and who != said.speaker:
        return participants, Ruling(who, called=True)
    return participants, Ruling(guess=_guess(participants, said))


def settled(participants: Participants, said: Contribution, ruling: Ruling, to: str) -> tuple[Participants, Contribution]:
    """What follows from a contribution that is meant for `to`."""
    said = replace(said, addressee=to)
    exchange = Exchange(said.speaker, to, said.ended_at, asks(said.text))
    if to:
        before = _among_people(participants, said)
        since_name = before.since_name + 1 if before and before.since_name is not None else None
        among_people = 1 + (before.among_people if before else 0)
        exchange = replace(exchange, among_people=among_people, since_name=0 if ruling.called else since_name)
    heard = (*(label for label in participants.heard if label != said.speaker), said.speaker)
    return replace(participants, last=exchange, heard=heard, told=participants.told or ruling.told), said


def redirected(participants: Participants, said: Contribution, other: str) -> tuple[Participants, Contribution]:
    """What was taken to be for the persona was for somebody else."""
    exchange = Exchange(said.speaker, other, said.ended_at, asks(said.text), among_people=1)
    return replace(participants, last=exchange), replace(said, addressee=other)


def _guess(participants: Participants, said: Contribution) -> Guess | None:
    """None: it is for the persona, to whom whoever types writes, and whoever speaks while nobody else has said anything."""
    if said.typed:
        return None
    before = _among_people(participants, said)
    if before:
        other = before.to if said.speaker == before.speaker else before.speaker
    else:
        other = next((label for label in reversed(participants.heard) if label != said.speaker), "")
    return Guess(other, clues_of(said, before)) if other else None


def _among_people(participants: Participants, said: Contribution) -> Exchange | None:
    """What was said before by one of the people to another, if that is not over."""
    last = participants.last
    return last if last and last.to and said.ended_at - last.at <= _OVER else None
