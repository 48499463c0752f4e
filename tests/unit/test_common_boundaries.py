"""Where a sentence ends, and where its last full stop is only that of a word."""

from __future__ import annotations

import pytest

from services.common.boundaries import boundaries


def sentences(text: str, *, whole: bool = True) -> list[str]:
    ends = [boundary.end for boundary in boundaries(text, whole=whole) if boundary.kind == "sentence"]
    return [text[start:end].strip() for start, end in zip([0, *ends], ends, strict=False)]


@pytest.mark.parametrize(
    "text",
    [
        "It was on Jan. 5 that he joined the U.S. Navy.",
        "J. K. Rowling asked Dr. Anna Smith.",
        "See fig. 3, Vol. II and no. 5 of it.",
        "We saw Kramer vs. Kramer on Sat. 5 June.",
        "He is 5 ft. 10 and weighs 8 lb. 4 now.",
        "Cats, dogs, etc. and so on.",
        "I saw him at 10 a.m. by the pier.",
        "Is dr. brown in?",
        "They call me Dr. Who.",
    ],
)
def test_an_abbreviation_ends_nothing(text: str) -> None:
    assert sentences(text) == [text]


@pytest.mark.parametrize(
    "text",
    [
        "You shouldn't.|She did.",
        "It was Tom's.|Then we went.",
        "He said 'stop.'|Then he left.",
        "We live on Main St.|The house is blue.",
        "We live on Elm Dr.|The house is blue.",
        "I saw the Dr.|He smiled.",
        "We left at 5 p.m.|She stayed.",
        "He lived in the U.S.|We did too.",
        "I said no.|I meant it.",
        "So am I.|Come in.",
        "hi.|my name is ana.",
        "Wait...|what?",
    ],
)
def test_a_sentence_ends_where_the_next_one_shows_it(text: str) -> None:
    assert sentences(text.replace("|", " ")) == text.split("|")


@pytest.mark.parametrize(
    "text", ["Ask Dr. ", "Ask Dr. An", "It was Jan. ", "See Vol. ", "See Vol. I", "In the U.S. The", "He left."]
)
def test_what_the_next_word_decides_waits_for_it(text: str) -> None:
    assert sentences(text, whole=False) == []


@pytest.mark.parametrize("text", ["He left. ", "In the U.S. The ", "It was Jan. W", "I said no. I"])
def test_what_is_decided_does_not_wait(text: str) -> None:
    assert len(sentences(text, whole=False)) == 1


def test_each_kind_of_place_has_its_name() -> None:
    found = boundaries("“Come in,” she said — and\nleft. 我是。你", whole=True)
    assert [kind for _, kind in found] == ["breath", "breath", "line", "sentence", "sentence"]
