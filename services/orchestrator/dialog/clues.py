"""What speaks for the persona being meant where nobody is called, and the model that weighs it: logistic, with the weights of
`clues.json`.

    logit p = bias + sum of weight * number

The weights were fitted by `python -m bench.addressees fit`; `clues.json` says when, on what, and how well. A part of the
rows has no evidence, so that they hold without the llm as well.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from services.common.reading.lists import any_of, lists
from services.common.reading.readers import asks
from services.orchestrator.dialog.events import Contribution, Evidence
from services.orchestrator.dialog.participants import Exchange

WEIGHTS: Final = Path(__file__).with_name("clues.json")
#: The words ask for something; so they do where people have just spoken to each other; they tell the listener of themselves
#: ("you had one"), where people have not; they greet; they say what "we" might do; what somebody says ("she told us"); how
#: many they are, as a logarithm.
_WORDS: Final = ("asks", "asks_among_people", "tells_you", "greets", "plans", "reports", "length")
#: People have just spoken to each other; how long they have; one of them was called by name there; somebody else asked
#: something there.
_BEFORE: Final = ("among_people", "going_on", "called", "answers")
#: The llm has told of the words; how near its memory has something to them; how like they are to what somebody else has
#: just said.
EVIDENCE: Final = ("told", "nearest", "likeness")
NAMES: Final = (*_WORDS, *_BEFORE, *EVIDENCE)
#: So many exchanges after the first are a talk of its own; more make it no likelier that somebody turns to the persona again.
_TALK: Final = 2
#: A name that was called holds for so many exchanges.
_CALLED: Final = 3
_LISTS: Final = lists("en")
_YOU: Final = re.compile(rf"\b{any_of(_LISTS.you)}\b", re.IGNORECASE)
_GREETING: Final = re.compile(rf"\W*{any_of(_LISTS.greetings)}\b", re.IGNORECASE)
_PLANS: Final = re.compile(rf"\b{any_of(_LISTS.plans)}\b", re.IGNORECASE)
_SAYING: Final = any_of(_LISTS.saying)
_REPORTS: Final = re.compile(
    rf"\b(?:{any_of(_LISTS.third_persons)}\s(?:\w+\s)?{_SAYING}|{_SAYING}\s{any_of(_LISTS.third_objects)})\b", re.IGNORECASE
)

Clues = tuple[float, ...]


class Logistic:
    """`weights` by name, all of NAMES."""

    def __init__(self, bias: float, weights: Mapping[str, float]) -> None:
        self._bias = bias
        self._weights = [weights[name] for name in NAMES]

    def probability(self, clues: Sequence[float], evidence: Evidence | None) -> float:
        """That the persona is meant. A language model that was asked has read the words and all before them: it is believed."""
        if evidence is not None and evidence.model is not None:
            return evidence.model
        numbers = (*clues, *of_evidence(evidence))
        logit = self._bias + sum(weight * number for weight, number in zip(self._weights, numbers, strict=True))
        return 1 / (1 + math.exp(-logit))


@cache
def model() -> Logistic:
    """The fitted one."""
    fitted: dict[str, Any] = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return Logistic(fitted["bias"], fitted["weights"])


def clues_of(said: Contribution, before: Exchange | None) -> Clues:
    """What the words tell, and what was `before` them between people, if that is not over; in the order of NAMES."""
    asked, words = float(asks(said.text)), len(said.text.split())
    answers = before is not None and before.asked and before.speaker != said.speaker
    return (
        asked,
        asked if before else 0.0,
        float(not asked and not before and _YOU.search(said.text) is not None),
        float(_GREETING.match(said.text) is not None),
        float(_PLANS.search(said.text) is not None),
        float(_REPORTS.search(said.text) is not None),
        math.log(max(1, words)),
        float(before is not None),
        float(min(_TALK, before.among_people - 1) if before else 0),
        float(before is not None and before.since_name is not None and before.since_name <= _CALLED),
        float(answers),
    )


def of_evidence(evidence: Evidence | None) -> tuple[float, float, float]:
    """The numbers of EVIDENCE; zeros when the llm has not told."""
    return (0.0, 0.0, 0.0) if evidence is None else (1.0, evidence.nearest, evidence.likeness or 0.0)
