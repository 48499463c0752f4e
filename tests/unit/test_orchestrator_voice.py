"""What goes to the voice in one message is never more than the voice takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.orchestrator.speaking.voice import MESSAGE_CHARS, messages
from services.tts.server import MAX_TEXT_CHARS


def test_the_limit_is_the_one_of_the_voice() -> None:
    assert MESSAGE_CHARS == MAX_TEXT_CHARS


@given(st.text(alphabet="ab .", max_size=9_000))
def test_the_messages_joined_are_the_text(text: str) -> None:
    parts = list(messages(text))
    assert "".join(parts) == text
    assert all(len(part) <= MESSAGE_CHARS for part in parts)


@pytest.mark.parametrize("text", ["Well, I never did. ", ""])
def test_a_clause_is_one_message(text: str) -> None:
    assert list(messages(text)) == [text]


def test_words_stay_whole_where_they_can() -> None:
    parts = list(messages("harbour " * 400))
    assert len(parts) == 2
    assert parts[0].endswith("harbour ")
    assert [len(part) for part in messages("x" * 4_500)] == [2_000, 2_000, 500]
