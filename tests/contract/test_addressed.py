"""Who is meant, by the dialog manager with what the llm service's real memory tells, on conversations that nothing was
fitted on."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from bench.addressees.baseline import Rules
from bench.addressees.material import Personas, talks
from bench.addressees.playing import Begin, Scorer, play
from services.orchestrator.dialog.clues import model
from tests.harness.addressees import shares

SCORER = partial(Scorer, model=model(), llm=True)


@pytest.fixture(scope="module")
def personas() -> Personas:
    """June and Pip with their stories, speaking from them alone."""
    return Personas()


def judged_in(part: str, personas: Personas, begin: Begin) -> tuple[float, float, list[str]]:
    """See `shares`."""
    played = [line for talk in talks(part) for line in asyncio.run(play(talk, begin, personas))]
    return shares([(each.line.text, not each.line.to, not each.verdict.to) for each in played])


def test_without_names_the_persona_keeps_out_of_what_is_said_to_others(personas: Personas) -> None:
    _, ruled, _ = judged_in("held_out_3", personas, partial(Rules, llm=False))
    to_june, to_others, wrong = judged_in("held_out_3", personas, SCORER)
    assert to_june >= 0.85 and to_others >= ruled + 0.4, wrong


def test_with_few_names_more_is_answered_than_before_and_about_as_much_left_alone(personas: Personas) -> None:
    before, to_others_before, _ = judged_in("held_out_4", personas, partial(Rules, llm=True))
    to_persona, to_others, wrong = judged_in("held_out_4", personas, SCORER)
    assert to_persona >= 0.9 and to_persona >= before and to_others >= to_others_before - 0.15, wrong


def test_the_baseline_is_the_policy_that_was_in_use(personas: Personas) -> None:
    assert judged_in("held_out", personas, partial(Rules, llm=False))[:2] == (1.0, 1.0)
    to_june, to_others, _ = judged_in("held_out_3", personas, partial(Rules, llm=True))
    assert (round(59 * to_june), round(45 * to_others)) == (53, 22)


@pytest.mark.parametrize("part", ["held_out", "held_out_2"])
def test_where_names_are_called_nothing_is_lost(part: str, personas: Personas) -> None:
    to_june, to_others, wrong = judged_in(part, personas, SCORER)
    assert to_june >= 0.9 and to_others >= 0.75, wrong
