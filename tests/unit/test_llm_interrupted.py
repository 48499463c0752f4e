"""The persona knows that it was interrupted: it listens, answers, and goes on where it was cut when it is asked to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from services.llm.cut_short import cut_short, interrupted
from services.llm.history import Said, as_messages
from services.llm.interrupting import asks_to_go_on, without_preface
from services.llm.reply import Done, Replier, Text
from tests.llm_parts import fake_engine, pip

QUESTION = Said("Spk1", "What do you do for a living?", turn_id=1)
STEPS = "There are one hundred and twelve steps, and I climb them twice a day."
KNEES = "My knees complain about it."


def cut(heard: str) -> list[Said]:
    """A conversation in which the persona was interrupted after these words."""
    return [QUESTION, Said("pip", heard, interrupted=True, turn_id=1)]


async def replied(replier: Replier, text: str, history: Sequence[Said]) -> str:
    said = ""
    async for event in replier.reply(Said("Spk1", text, turn_id=2), history, 0):
        if isinstance(event, Text):
            said += event.text
        assert not isinstance(event, Done) or said
    return said.strip()


@pytest.fixture
def replier(tmp_path: Path) -> Replier:
    return pip(tmp_path, fake_engine("I keep the lighthouse on Gull Rock."), opening="passage")


# --- what was being told ------------------------------------------------------------------------------------------------


def test_it_is_known_where_a_passage_was_cut(replier: Replier) -> None:
    passages = replier.mind.persona.passages
    found = cut_short(passages, cut("I keep the lighthouse on Gull Rock. There are one hundred and"), "pip")
    assert found is not None
    assert (found.passage.sentences[0], found.rest) == ("I keep the lighthouse on Gull Rock.", 1)
    found = cut_short(passages, cut("Let me see. I keep the lighthouse on Gull Rock."), "pip")
    assert found is not None and found.rest == 1, (
        "a little word before it does not matter, and it goes on with the next sentence"
    )


def test_what_was_told_to_its_end_is_not_gone_on_with(replier: Replier) -> None:
    passages = replier.mind.persona.passages
    whole = next(passage for passage in passages if STEPS in passage.sentences)
    assert cut_short(passages, [QUESTION, Said("pip", whole.text)], "pip") is None
    assert cut_short(passages, cut(whole.text), "pip") is None
    since = [*cut("I keep the lighthouse on"), Said("Spk1", "Go on."), Said("pip", whole.text)]
    assert cut_short(passages, since, "pip") is None
    assert cut_short(passages, cut("I keep"), "pip") is None, "that may begin anything"
    assert cut_short(passages, [], "pip") is None


def test_only_the_last_words_count_as_interrupted() -> None:
    assert interrupted(cut("I keep the"), "pip")
    assert not interrupted([*cut("I keep the"), Said("pip", "Go ahead.")], "pip")
    assert not interrupted([QUESTION], "pip")


# --- what is said to take the floor, and to give it back ----------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["No, wait.", "Stop.", "Hold on a second!", "Wait, wait, wait.", "Excuse me", "Oh, sorry, but wait"]
)
def test_what_only_asks_for_the_floor_says_nothing(text: str) -> None:
    assert without_preface(text) == ""


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("Hold on, where is that?", "where is that?"),
        ("No, wait, I meant your sister.", "I meant your sister."),
        ("Stopping is hard.", "Stopping is hard."),
        ("Wait until tomorrow.", "until tomorrow."),
        ("Nothing.", "Nothing."),
    ],
)
def test_what_is_said_besides_is_kept(text: str, rest: str) -> None:
    assert without_preface(text) == rest


@pytest.mark.parametrize(
    "text", ["Go on.", "Sorry, you were saying?", "Where were we?", "And then what?", "Please continue", "I'm listening."]
)
def test_asking_for_the_rest(text: str) -> None:
    assert asks_to_go_on(text)


def test_asking_for_something_else_is_not_asking_for_the_rest() -> None:
    assert not asks_to_go_on("Where did you go on your holidays when you were as young as I am now?")
    assert not asks_to_go_on("Where were you born?")


# --- what the persona says then -----------------------------------------------------------------------------------------


async def test_no_wait_is_listened_to(replier: Replier) -> None:
    heard = cut("I keep the lighthouse on Gull Rock. There are")
    assert await replied(replier, "No, wait.", heard) in replier.mind.persona.profile.fallbacks.yielding
    assert not replier.engine.generated  # type: ignore[attr-defined]


async def test_no_is_an_answer_when_nothing_was_interrupted(replier: Replier) -> None:
    told = [QUESTION, Said("pip", "I keep the lighthouse on Gull Rock.", turn_id=1)]
    assert await replied(replier, "No, wait.", told) not in replier.mind.persona.profile.fallbacks.yielding


async def test_it_goes_on_where_it_was_cut(replier: Replier) -> None:
    said = await replied(replier, "Sorry, go on.", cut("I keep the lighthouse on Gull Rock. There are one hundred"))
    assert said.startswith(STEPS)
    assert KNEES in said
    assert "I keep the lighthouse" not in said


async def test_it_goes_on_after_it_has_listened(replier: Replier) -> None:
    history = [
        *cut("I keep the lighthouse on Gull Rock."),
        Said("Spk1", "No, wait.", turn_id=2),
        Said("pip", "Go ahead.", turn_id=2),
    ]
    assert (await replied(replier, "No, go on.", history)).startswith(STEPS)


async def test_a_question_about_what_was_told_does_not_begin_it_again(replier: Replier) -> None:
    heard = cut("I keep the lighthouse on Gull Rock. There are one")
    said = await replied(replier, "Hold on, do you climb one hundred and twelve steps for a living?", heard)
    assert said == STEPS


async def test_something_else_is_answered_as_ever(replier: Replier) -> None:
    said = await replied(replier, "Wait, where were you born?", cut("I keep the lighthouse on Gull Rock. There are"))
    assert said.startswith("I was born on Gull Rock")


async def test_without_anything_to_go_on_with_the_question_is_answered(replier: Replier) -> None:
    assert "one hundred" not in await replied(replier, "Go on.", [])


def test_the_model_reads_who_cut_in_when_there_are_several() -> None:
    history = [QUESTION, Said("pip", "I keep the", interrupted=True, interrupted_by="Bob"), Said("Bob", "Wait!")]
    assert as_messages(history, "pip")[1].content == "I keep the ... (Bob cut in)"
    alone = [QUESTION, Said("pip", "I keep the", interrupted=True, interrupted_by="Spk1"), Said("Spk1", "Wait!")]
    assert as_messages(alone, "pip")[1].content == "I keep the ..."
