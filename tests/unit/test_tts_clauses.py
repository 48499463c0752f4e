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


@pytest.mark.parametrize("text", ["My mother said no.", "Would you? No.", "He told me no."])
def test_a_word_that_may_be_an_abbreviation_ends_its_sentence(text: str) -> None:
    splitter = ClauseSplitter()
    assert " ".join(splitter.feed(text)) == text
    assert splitter.feed(" Then she laughed.") == ["Then she laughed."]


@pytest.mark.parametrize(
    "text",
    [
        "It is no. 5 on the list.",
        "See fig. 3 of it.",
        "On Vol. II he sat.",
        "It was on Jan. 5 that he joined the U.S. Navy.",
        "He is 5 ft. 10 and weighs 8 lb. 4 now.",
        "Ask Dr. Smith about it.",
    ],
)
def test_an_abbreviation_stays_with_what_it_belongs_to(text: str) -> None:
    words = text.split()
    splitter = ClauseSplitter()
    assert [piece for word in words for piece in splitter.feed(f"{word} ")] + splitter.flush() == [text]
    assert pieces(text) == [text]


def test_a_short_form_with_an_apostrophe_ends_its_sentence() -> None:
    assert pieces("You shouldn't. It was Tom's. She did.") == ["You shouldn't.", "It was Tom's.", "She did."]


def test_a_street_ends_its_sentence() -> None:
    assert pieces("We live on Main St. The house is blue.") == ["We live on Main St.", "The house is blue."]


def test_a_sentence_without_marks_is_cut_before_a_conjunction() -> None:
    cut = pieces(
        "we went down to the harbour to look at the boats " * 4 + "and we came home again by the road over the hill " * 4
    )
    assert cut[1].startswith("and we came home")


def test_a_word_without_end_is_cut_behind_a_mark_or_anywhere() -> None:
    cut = pieces("harbour-" * 300)
    assert all(len(piece) <= 1_000 and piece.endswith("-") for piece in cut)
    assert [len(piece) for piece in pieces("x" * 2_000)] == [1_000, 1_000]


@pytest.mark.parametrize("unit", [".", "x", "(", "- ", " ", "\n", "a,", '"'])
def test_the_work_for_a_token_does_not_grow_with_the_text(unit: str) -> None:
    splitter = ClauseSplitter()
    for _ in range(3_000):
        splitter.feed(unit)
        assert len(splitter._text) <= 1_001
    splitter.flush()


def test_flush_speaks_what_is_there() -> None:
    splitter = ClauseSplitter()
    assert splitter.feed("Hm") == []
    assert splitter.flush() == ["Hm"]
    assert splitter.flush() == []


@given(st.lists(st.text(alphabet="ab 1.,;:!?…—\"')\n", max_size=40), max_size=8))
def test_nothing_is_lost_or_repeated_however_the_text_is_cut(texts: list[str]) -> None:
    whole = "".join(texts)
    assert "".join("".join(pieces(*texts)).split()) == "".join(whole.split())
