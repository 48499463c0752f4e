"""The policy that was in use until 2026-11-30, as a baseline: rules, and where they only guess an opinion from memory.

The rules go by phrases and by who spoke to whom. The opinion is logistic, with five weights that were typed in: it
overrules a guess for somebody else from 0.5 on, and one for the persona below 0.25.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from bench.addressees.playing import Heard, Verdict
from services.llm.understanding.questions import is_question
from services.orchestrator.dialog.addressee import Ruling, ruled, settled
from services.orchestrator.dialog.events import Contribution, ms
from services.orchestrator.dialog.participants import Participants
from services.orchestrator.dialog.vocatives import called

_OVER: Final = ms(20_000)
_FOLLOWING: Final = 3
_AMONG_US: Final = re.compile(
    r"\b(let['’]s|shall we|(should|could|can|must|do) we|we (should|could|must|can|need to|have to|ought to|had better))\b",
    re.IGNORECASE,
)
_ABOUT_PERSONA: Final = re.compile(
    r"\b(she|he) (just )?(said|says|told|mentioned|explained)\b|\b(ask|asked|tell|told|show) (her|him)\b", re.IGNORECASE
)
_OUR_OWN: Final = re.compile(r"\b(our|ours)\b", re.IGNORECASE)
_TO_US: Final = re.compile(r"\b(tell|show|give|teach|sing|play|read) us\b|\bgo on\b|\byou were saying\b", re.IGNORECASE)
_FOR_PERSONA: Final = 0.5
_FOR_OTHERS: Final = 0.25
_BIAS: Final = -2.14
_ASKED: Final = 2.53
_KNOWN: Final = 2.18
_ANSWERS: Final = 0.83
_LIKE: Final = -2.8


@dataclass(frozen=True)
class _Guess:
    """Whom the rules take it to be meant for; who it is if it is not the persona, empty where that is sure."""

    to: str
    other: str = ""


class Rules:
    """See bench.addressees.playing.Policy; without the llm service the rules decide alone."""

    def __init__(self, participants: Participants, persona: tuple[str, ...], *, llm: bool) -> None:
        self._participants = participants
        self._persona = persona
        self._llm = llm
        self._since_name = 0
        """Between people: so many exchanges ago a known name was called; a guess counts as the last of them."""

    def verdict(self, said: Contribution, heard: Heard) -> Verdict:
        """Whom it is meant for."""
        participants, ruling = ruled(self._participants, said, self._persona)
        if ruling.guess is None:
            return Verdict(ruling.to)
        guess = self._guess(participants, said)
        if not guess.other:
            return Verdict(guess.to, float(not guess.to))
        if not self._llm:
            return Verdict(guess.to)
        likely = _opinion(said, heard)
        if guess.to:
            return Verdict("" if likely >= _FOR_PERSONA else guess.to, likely)
        return Verdict(guess.other if likely <= _FOR_OTHERS else "", likely)

    def settle(self, said: Contribution, to: str) -> None:
        """It was meant for `to`."""
        participants, ruling = ruled(self._participants, said, self._persona)
        last = participants.last
        if not to or called(said.text, participants.names, self._persona, strangers=False):
            self._since_name = 0
        elif last and last.to and self._since_name <= _FOLLOWING:
            self._since_name += 1
        else:
            self._since_name = _FOLLOWING
        self._participants, _ = settled(participants, said, Ruling(to, called=ruling.called), to)

    def _guess(self, participants: Participants, said: Contribution) -> _Guess:
        last = participants.last
        if last is None:
            return _Guess("")
        if last.to and said.ended_at - last.at <= _OVER and self._since_name <= _FOLLOWING:
            if _TO_US.search(said.text):
                return _Guess("")
            to = last.to if said.speaker == last.speaker else last.speaker
            return _Guess(to, other=to if self._since_name else "")
        partner = next((label for label in reversed(participants.heard) if label != said.speaker), "")
        if _AMONG_US.search(said.text) or _ABOUT_PERSONA.search(said.text):
            return _Guess(partner)
        follows = last.speaker == said.speaker
        return _Guess(partner if not follows and _OUR_OWN.search(said.text) else "", other=partner)


def _opinion(said: Contribution, heard: Heard) -> float:
    """That of the llm service: how likely the persona is meant."""
    persona, history, evidence = heard.recaller.persona.id, heard.history, heard.evidence
    odds = _BIAS + _ASKED * is_question(said.text) + _KNOWN * evidence.nearest + _LIKE * (evidence.likeness or 0.0)
    if history and history[-1].speaker == persona:
        before = next((item.speaker for item in reversed(history) if item.speaker != persona), "")
        odds += _ANSWERS * (before == said.speaker)
    return 1 / (1 + math.exp(-odds))
