"""What may be claimed, and what may not."""

import pytest

from services.llm.reply.grounding import Evidence, names, unknown_terms

KNOWN = Evidence(
    (
        "I was born on Gull Rock in nineteen forty-one, in a storm. My sister Wren is two years older than me. "
        "She keeps bees in Cornwall. I don't have children. I was raised Lutheran.",
    ),
    ("Pip Marlow", "Ana"),
)


@pytest.mark.parametrize(
    "clause",
    [
        "I was born on Gull Rock,",
        "in 1941, in a storm.",
        "My sister Wren keeps bees in Cornwall.",
        "I don't have any children.",
        "Well, Ana, come in and sit down.",
        "Isn't it a fine day?",
    ],
)
def test_what_is_known_may_be_said(clause: str) -> None:
    assert KNOWN.problem(clause) is None


@pytest.mark.parametrize(
    ("clause", "problem"),
    [
        ("I was born in Boston.", "name"),
        ("I was born in nineteen fifty.", "number"),
        ("My brother keeps bees.", "relation"),
        ("I have children.", "negation"),
        ("My sister was never older than me.", "negation"),
        ("I studied medicine and law abroad.", "unsupported"),
        ("I raised you Lutheran.", "listener"),
        ("You were born in a storm.", "listener"),
        ("Wren's eyes are blue and large.", "unsupported"),
    ],
)
def test_what_is_not_known_may_not(clause: str, problem: str) -> None:
    assert KNOWN.problem(clause) == problem


def test_nothing_known_leaves_only_talk() -> None:
    nothing = Evidence(())
    assert nothing.problem("That's a fine thing to hear!") is None
    assert nothing.problem("I grew up in a small house by the river.") == "unsupported"


def test_names_are_capitals_inside_a_sentence() -> None:
    assert names("Well, my sister Wren lives in Cornwall. She likes it. I know.") == ["Wren", "Cornwall"]


def test_terms_that_nobody_knows() -> None:
    assert unknown_terms("She hummed You Are My Sunshine.", ["You Are My Sunshine"]) == []
    assert unknown_terms("I met Zelda in 1999 on Gull Rock.", ["Gull Rock"]) == ["Zelda", "1999"]
