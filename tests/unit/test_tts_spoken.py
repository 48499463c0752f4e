"""Emoji, markup and addresses are never read out as they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tts.spoken import ReplyText, spoken_form, spoken_words


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("harbour,", "harbour,"),
        ("**bold**", "bold"),
        ("_so_", "so"),
        ("`code`", "code"),
        ("😀", ""),
        ("👍🏽!", "!"),
        ("1️⃣", "1"),
        ("#", ""),
        ("##", ""),
        ("-", "—"),
        ("•", ""),
        ("#sunset", "sunset"),
        ("#1", "#1"),
        ("[here](https://example.com/a_b)", "here"),
        ("https://www.example.com/path?q=1.", "example dot com."),
        ("<b>word</b>", "word"),
        ("rock&amp;roll", "rock&roll"),
        ("good!!!!", "good!"),
        ("what?!", "what?"),
        ("sooooooo", "sooo"),
        ("well....", "well…"),
        ("snake_case", "snake case"),
        ("𝐡𝐞𝐥𝐥𝐨", "hello"),
        ("12345678901234567", "1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7"),
        ("xq" * 100, ""),
        ("don’t", "don’t"),
        ("½", "½"),
    ],
)
def test_a_word_is_read_like_this(written: str, spoken: str) -> None:
    assert spoken_form(written) == spoken


def test_marks_and_emoji_belong_to_the_word_before_them() -> None:
    words = spoken_words("- Tom 😀 — my brother 👍")
    assert [word.text for word in words] == ["- Tom 😀 —", "my", "brother 👍"]
    assert [word.spoken for word in words] == ["Tom —", "my", "brother"]


def test_a_piece_without_anything_to_say_is_one_silent_word() -> None:
    words = spoken_words("😀 👍")
    assert [(word.text, word.audible) for word in words] == [("😀 👍", False)]


@given(st.text(max_size=60))
def test_the_written_words_are_all_there_in_order(text: str) -> None:
    assert " ".join(word.text for word in spoken_words(text)).split() == text.split()


def test_symbols_wait_for_words_and_are_carried_at_the_end() -> None:
    text = ReplyText()
    assert text.words("😀") == []
    assert text.rest == ""
    assert [word.text for word in text.words("Hello.")] == ["😀 Hello."]
    assert text.words("👍") == []
    assert text.rest == "👍"
