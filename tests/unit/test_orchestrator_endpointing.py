"""How long a silence has to be before a turn is over: a question is answered soon, a statement later."""

from __future__ import annotations

import pytest

from services.orchestrator.dialog.endpointing import silence_needed
from services.orchestrator.dialog.events import ms
from services.orchestrator.dialog.state import Style
from services.orchestrator.dialog.wording import asking, beginning, hesitating

STYLE = Style(
    question_rules=((ms(400), 0.5), (ms(2000), 0.0)),
    beginning_rules=((ms(500), 0.9), (ms(900), 0.7), (ms(2500), 0.0)),
    endpoint_rules=((ms(450), 0.9), (ms(700), 0.7), (ms(2200), 0.0)),
    story_silence=ms(1800),
)


@pytest.mark.parametrize(
    "text",
    [
        "What's the weather like?",
        "What do you do when a piano can't be saved",
        "computer, what's the weather like?",
        "I really like animals. Let's talk about working dogs.",
        "So is that too early?",
        "By the way, have you ever been to Boston",
        "How many keys are there?",
        "How old were you when you left home?",
        "You never married?",
        "It is cold up there, isn't it?",
        "Tell me about your grandmother.",
        "Please play something for me.",
        "I was wondering what it costs.",
        "I'd love to hear how you met.",
        "Let me know when you are ready.",
        "Who taught you?",
        "Why not?",
    ],
)
def test_a_question_or_a_request_is_known_by_its_words(text: str) -> None:
    assert asking(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I really like animals.",
        "What I like about it is the quiet.",
        "When the snow melts, we go to the lake.",
        "Where we live it never snows.",
        "What's the weather like? I love the snow.",
        "What other things",
        "Is this",
        "Do you know what",
        "So I was wondering.",
        "And what's?",
        "Can't wait to see it.",
        "Don't know really.",
        "I know what you mean.",
        "Let me see.",
        "What was the, what's the word?",
        "How do you, um",
        "Tell me the",
        "What did you like to?",
        "Does he even?",
        "Yes.",
    ],
)
def test_a_statement_a_clause_or_half_a_question_is_none(text: str) -> None:
    assert not asking(text)


@pytest.mark.parametrize(
    "text",
    [
        "They are short, I mean...",
        "And then, um",
        "It was, what's the word?",
        "Let me think.",
        "So, you know,",
        "Okay.",
        "Oh, right.",
        "She likes it. But.",
    ],
)
def test_who_looks_for_words_is_known_by_what_they_say_meanwhile(text: str) -> None:
    assert hesitating(text)


@pytest.mark.parametrize(
    "text", ["Do you know?", "I know what I mean to say.", "Let me see it.", "The drum", "That's the word.", "Yes.", ""]
)
def test_the_same_words_in_a_sentence_are_no_hesitation(text: str) -> None:
    assert not hesitating(text)


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ("Yes.", True),
        ("I really like animals.", True),
        ("I moved up here only last year.", True),
        ("I moved up here only last year, actually.", False),
        ("I'm Abigail. You can call me Abby.", False),
        ("", True),
    ],
)
def test_one_short_sentence_is_a_beginning(text: str, begins: bool) -> None:
    assert beginning(text) == begins


@pytest.mark.parametrize(
    ("text", "probability", "needed_ms"),
    [
        ("Where are you from?", 0.6, 400),
        ("Where are you from?", 0.3, 2000),
        ("I am from the lake.", 0.6, 2500),
        ("I am from the lake.", 0.8, 900),
        ("I am from the lake.", 0.95, 500),
        ("I am from the lake. It is cold there.", 0.8, 700),
        ("I am from, let me see.", 0.99, 2500),
        ("Let me tell you what happened.", 0.95, 1800),
        ("Let me tell you what happened. Do you have time?", 0.95, 400),
        ("You know that house on the hill.", 0.95, 1800),
        ("I think you know the answer to that already.", 0.95, 450),
    ],
)
def test_the_silence_that_ends_a_turn_depends_on_what_was_said(text: str, probability: float, needed_ms: int) -> None:
    assert silence_needed(text, probability, STYLE) == ms(needed_ms)


def test_the_last_rule_ends_any_turn() -> None:
    never_sure = Style(beginning_rules=((ms(500), 0.9), (ms(2500), 0.5)))
    assert silence_needed("I am from the lake.", 0.1, never_sure) == ms(2500)
