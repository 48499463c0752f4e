"""Text is cut where a speaker would breathe, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tts.clauses import MAX_PIECE_CHARS, ClauseSplitter


def pieces(*texts: str) -> list[str]:
    splitter = ClauseSplitter()
    return [piece for text in texts for piece in splitter.feed(text)] + splitter.flush()


def test_the_first_clause_is_ready_before_the_sentence_is() -> None:
    splitter = ClauseSplitter()
    assert splitter.feed("In a white house by the harbour, ") == ["In a white house by the harbour,"]
    assert splitter.feed("with my brother") == []
    assert splitter.flush() == ["with my brother"]


def test_tokens_and_whole_texts_end_in_the_same_first_clause() -> None:
    splitter = ClauseSplitter()
    ready = [piece for token in ("In", " a", " house", ",", " with", " Tom", ".", " Yes") for piece in splitter.feed(token)]
    assert ready == ["In a house,", "with Tom."]


def test_later_clauses_of_a_sentence_that_is_there_stay_together() -> None:
    assert pieces("Well, we had two cats, a dog, and a boat. It leaked.") == [
        "Well,",
        "we had two cats, a dog, and a boat.",
        "It leaked.",
    ]


def test_clauses_sent_without_their_spaces_are_not_glued_together() -> None:
    assert pieces("In a white house by the harbour,", "with my brother Tom.", "He sailed.") == [
        "In a white house by the harbour,",
        "with my brother Tom.",
        "He sailed.",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "I met Dr. Smith in town.",
        "That was J. K. Rowling, no less.".replace(",", ""),
        "We paid 3.50 for the 1,000 nails.",
        "See e.g. the harbour wall.",
        "It was U.S. property then.",
        "Wait... maybe not.",
        'He said "stop." and he meant it.',
        "I saw him at 10 a.m. by the pier.",
        "Look at example.com for that.",
    ],
)
def test_this_is_one_piece(text: str) -> None:
    assert pieces(text) == [text]


def test_a_quote_stays_with_its_sentence() -> None:
    assert pieces('She said, "Come in." Then she laughed.') == ["She said,", '"Come in."', "Then she laughed."]


def test_a_sentence_too_long_is_cut_between_words() -> None:
    text = " ".join(["harbour"] * 100)
    cut = pieces(text)
    assert len(cut) > 2
    assert all(len(piece) <= MAX_PIECE_CHARS for piece in cut)
    assert " ".join(cut) == text


def test_flush_speaks_what_is_there() -> None:
    splitter = ClauseSplitter()
    assert splitter.feed("Hm") == []
    assert splitter.flush() == ["Hm"]
    assert splitter.flush() == []


@given(st.lists(st.text(alphabet="ab 1.,;:!?…—\"')\n", max_size=40), max_size=8))
def test_nothing_is_lost_or_repeated_however_the_text_is_cut(texts: list[str]) -> None:
    whole = "".join(texts)
    assert "".join("".join(pieces(*texts)).split()) == "".join(whole.split())
