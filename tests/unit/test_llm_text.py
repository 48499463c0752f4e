"""Clauses, words, numbers, cues and manners: what is done to text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.reply.clauses import ClauseSplitter, sentences
from services.llm.reply.cues import FaceCue, felt
from services.llm.reply.manners import assistant_phrase, speakable
from services.llm.understanding.questions import asks_about_ai, asks_about_listener, is_question, mirrored, wants_more
from services.llm.understanding.words import content, numbers, same_words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He left. I stayed.", ["He left.", "I stayed."]),
        ("Mr. Salo taught us. Really?", ["Mr. Salo taught us.", "Really?"]),
        ("You shouldn't. She did.", ["You shouldn't.", "She did."]),
        ("It cost 3.50 then. “No.” Ha!", ["It cost 3.50 then.", "“No.”", "Ha!"]),
        ("J. S. Bach wrote it. So did I.", ["J. S. Bach wrote it.", "So did I."]),
        ("Wait... what?", ["Wait...", "what?"]),
        ("", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_the_first_clause_is_small_and_later_ones_are_sentences() -> None:
    splitter = ClauseSplitter()
    clauses = []
    for token in re.findall(r"\S+ ", "In a white house, by the harbour, with my brother. We had a dog, and a boat. Yes "):
        clauses += splitter.push(token)
    assert clauses == ["In a white house, ", "by the harbour, with my brother. ", "We had a dog, and a boat. "]
    assert splitter.rest() == "Yes "


def test_a_clause_is_given_as_soon_as_its_end_is_certain() -> None:
    splitter = ClauseSplitter()
    assert splitter.push("I was born in 1941.") == []
    assert splitter.push(" ") == ["I was born in 1941. "]


def test_an_abbreviation_does_not_end_a_clause() -> None:
    splitter = ClauseSplitter()
    tokens = re.findall(r"\S+ ", "He came on Jan. 5 with Dr. Brown. Then he left. ")
    assert [clause for token in tokens for clause in splitter.push(token)] == [
        "He came on Jan. 5 with Dr. Brown. ",
        "Then he left. ",
    ]


@given(st.lists(st.text(alphabet="ab .,!?\n1'", max_size=8)))
def test_the_clauses_joined_are_the_text(tokens: list[str]) -> None:
    splitter = ClauseSplitter()
    clauses = [clause for token in tokens for clause in splitter.push(token)]
    assert "".join(clauses) + splitter.rest() == "".join(tokens)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nineteen eighty-eight", {1988}),
        ("in two thousand nineteen, at sixty-three", {2019, 63}),
        ("a hundred and forty dollars", {140}),
        ("one hundred and twelve steps", {112}),
        ("two hundred and fourteen thousand miles", {214_000}),
        ("eleven hundred people", {1100}),
        ("the nineteenth of November", {19}),
        ("1,100 or 42", {1100, 42}),
        ("someone often attended", set()),
    ],
)
def test_numbers_in_words_and_digits(text: str, expected: set[int]) -> None:
    assert numbers(text) >= expected


def test_words_are_compared_without_case_punctuation_and_space() -> None:
    assert same_words("Where did you  grow up?", "where did you grow up")
    assert not same_words("Where did you grow up?", "Where did he grow up?")
    assert same_words("你好吗？", "你好吗")
    assert not same_words("你好吗？", "再见")


def test_a_script_without_spaces_is_cut_at_its_stops() -> None:
    splitter = ClauseSplitter()
    assert splitter.push("我是面包师。我") == ["我是面包师。"]
    assert sentences("我是面包师。我起得很早！") == ["我是面包师。", "我起得很早！"]


def test_content_joins_what_means_the_same() -> None:
    assert content("What was your mom's job?") == content("My mother, her work")


def test_cues_are_felt_from_the_words() -> None:
    assert felt("My mother died in March.") == FaceCue("concern", 0.6)
    assert felt("The chair is green.") is None


@pytest.mark.parametrize(
    "text",
    [
        "As an AI language model, I",
        "How can I assist you today?",
        "I don't have personal opinions.",
        "Sure, here's a Python function:",
        "Feel free to ask.",
        "I'm sorry, but I can't provide that.",
        "I was made by OpenAI.",
    ],
)
def test_phrases_of_assistants_are_known(text: str) -> None:
    assert assistant_phrase(text)
    assert not speakable(text)


@pytest.mark.parametrize("text", ["```\ncode", "- one\n- two", "1. First", "# Title", "def f(x):", "see https://a.b"])
def test_what_cannot_be_spoken(text: str) -> None:
    assert not speakable(text)


@pytest.mark.parametrize("text", ["Yes, I'm an AI, and I don't mind saying so.", "I can help you carry it.", "Sure, come in."])
def test_what_people_say_may_be_said(text: str) -> None:
    assert speakable(text)


def test_what_kind_of_thing_was_said() -> None:
    assert asks_about_ai("Are you a real person?")
    assert asks_about_ai("am I talking to a machine")
    assert not asks_about_ai("Do you have a real piano?") or asks_about_ai("Are you real?")
    assert is_question("and who is Sam")
    assert is_question("Tell me a joke.")
    assert not is_question("I work in a bakery.")
    assert is_question("Spin me a yarn.")
    assert is_question("Please, surprise us")
    assert not is_question("Excuse me.")
    assert not is_question("What a lousy day I've had.")
    assert not is_question("Call me Ana.")
    assert asks_about_listener("What's my name?")
    assert asks_about_listener("Do you remember where I work?")
    assert not asks_about_listener("How do I get over a broken heart?")
    assert not asks_about_listener("What do you think of my hat?")
    assert wants_more("Tell me a long story about the sea")


def test_what_the_listener_said_is_said_back() -> None:
    assert mirrored("My name is Ana and I'm tired") == "your name is Ana and you're tired"
    assert mirrored("I was in my garden, I am sure") == "you were in your garden, you are sure"
