"""How long a silence has to be before a turn is over: a question is answered soon, a statement later."""

from __future__ import annotations

import pytest

from services.common.reading.readers import english
from services.common.reading.reading import Reading
from services.orchestrator.dialog.endpointing import silence_needed
from services.orchestrator.dialog.events import ms
from services.orchestrator.dialog.state import Style

STYLE = Style(
    question_rules=((ms(400), 0.5), (ms(2000), 0.0)),
    beginning_rules=((ms(500), 0.9), (ms(900), 0.7), (ms(2500), 0.0)),
    endpoint_rules=((ms(450), 0.9), (ms(700), 0.7), (ms(2200), 0.0)),
    story_silence=ms(1800),
)


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
    assert silence_needed(english().read(text), probability, STYLE) == ms(needed_ms)


def test_the_last_rule_ends_any_turn() -> None:
    never_sure = Style(beginning_rules=((ms(500), 0.9), (ms(2500), 0.5)))
    assert silence_needed(Reading(begins=1.0), 0.1, never_sure) == ms(2500)


@pytest.mark.parametrize(("probability", "needed_ms"), [(0.95, 450), (0.8, 700), (0.5, 2200)])
def test_words_that_nobody_reads_are_waited_for_as_statements_are(probability: float, needed_ms: int) -> None:
    assert silence_needed(None, probability, STYLE) == ms(needed_ms)


@pytest.mark.parametrize(("read", "needed_ms"), [(0.4, 700), (0.6, 2000)])
def test_what_is_read_counts_from_where_it_is_likely(read: float, needed_ms: int) -> None:
    """A reader that knows degrees is asked in the same way."""
    assert silence_needed(Reading(asks=read), 0.7, STYLE) == ms(400 if read >= 0.5 else needed_ms)
    assert silence_needed(Reading(tells_a_story=read), 0.7, STYLE) == ms(1800 if read >= 0.5 else needed_ms)
