"""What words say that their speaker is doing. Read from lists, in English."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from services.common.reading import lists as data
from services.common.reading.lists import Lists, any_of, drawn
from services.common.reading.readers import LANGUAGES, english, reader
from services.common.reading.reading import Reading


def read(text: str) -> Reading:
    return english().read(text)


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
    assert read(text).asks


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
    assert not read(text).asks


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
    assert read(text).looks_for_words


@pytest.mark.parametrize(
    "text", ["Do you know?", "I know what I mean to say.", "Let me see it.", "The drum", "That's the word.", "Yes.", ""]
)
def test_the_same_words_in_a_sentence_are_no_hesitation(text: str) -> None:
    assert not read(text).looks_for_words


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
    assert read(text).begins == begins


@pytest.mark.parametrize(
    ("text", "story"),
    [
        ("So let me tell you what happened to me last winter.", True),
        ("You won't believe what my brother did.", True),
        ("I have to tell you about the lake.", True),
        ("I was on my way home, " * 6 + "and it snowed.", True),
        ("Let me tell you about it. Do you have a minute?", False),
        ("Tell me a story.", False),
        ("What happened then?", False),
        ("I really like animals.", False),
        ("", False),
    ],
)
def test_a_story_is_known_by_its_words(text: str, story: bool) -> None:
    assert read(text).tells_a_story == story


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("mm-hm", "acknowledges"),
        ("Yeah.", "acknowledges"),
        ("oh really", "acknowledges"),
        ("right, uh-huh", "acknowledges"),
        ("oh, okay", "acknowledges"),
        ("stop", "wants_floor"),
        ("yeah but wait a minute", "wants_floor"),
        ("What?", "wants_floor"),
        ("Did you say ice", "wants_floor"),
        ("Is that?", ""),
        ("I don't know.", ""),
        ("Mama.", ""),
        ("", "says_nothing"),
        ("Thank you.", "says_nothing"),
    ],
)
def test_words_over_the_persona(text: str, kind: str) -> None:
    """One kind, or none: the rest is unsure."""
    kinds = ("says_nothing", "acknowledges", "wants_floor")
    assert [each for each in kinds if getattr(read(text), each)] == ([kind] if kind else [])


@pytest.mark.parametrize(
    ("text", "demands"),
    [
        ("Where are you from?", True),
        ("What you like to eat", True),
        ("What do you", True),
        ("Go forward ten meters.", False),
        ("Spin me a yarn.", True),
        ("I like dogs. Tell me about yours.", True),
        ("I was wondering what it costs.", True),
        ("Is Sam coming", True),
        ("What a day.", False),
        ("Call me Ana.", False),
        ("Excuse me.", False),
        ("Okay, talk soon.", False),
        ("It surprised me.", False),
        ("Don't know really.", False),
        ("I like dogs.", False),
        ("", False),
    ],
)
def test_what_is_demanded_may_be_half_said(text: str, demands: bool) -> None:
    assert read(text).demands == demands


@pytest.mark.parametrize("text", ["I saw, ummm", "I saw a, what would they call them", "So it, uhm…", "What is the word"])
def test_the_next_word_is_looked_for(text: str) -> None:
    assert read(text).looks_for_words


def test_an_apostrophe_may_be_curly() -> None:
    for plain in ("What's new?", "I'll tell you about it", "I don't", "It was, what's the word"):
        assert read(plain.replace("'", "’")) == read(plain)


def test_a_language_is_known_with_and_without_its_region() -> None:
    assert reader("en-GB") is reader("EN") is not None
    assert reader("de") is None
    assert reader("") is None
    for language in LANGUAGES:
        assert reader(language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_has_all_lists_and_each_entry_once(language: str) -> None:
    stored = json.loads(Path(data.__file__).with_name(f"{language}.json").read_text(encoding="utf-8"))
    assert list(stored) == [field.name for field in fields(Lists)]
    for entries in stored.values():
        assert len(entries) == len(set(entries)) > 0
        assert entries == [entry.lower().replace("’", "'") for entry in entries]


def test_the_files_are_those_of_the_languages() -> None:
    assert {path.stem for path in Path(data.__file__).parent.glob("*.json")} == set(LANGUAGES)


def test_a_phrase_may_have_alternatives_and_words_that_are_missing() -> None:
    found = re.compile(any_of(["i|we just|also? wonder", "let's see"]), re.IGNORECASE)
    assert all(map(found.fullmatch, ("I wonder", "we just wonder", "i also wonder", "Let’s see")))
    assert not any(map(found.fullmatch, ("just wonder", "i just also wonder", "i we wonder", "lets see")))
    assert re.fullmatch(drawn(["um", "er"]), "ummmm")
    assert not re.fullmatch(drawn(["um", "er"]), "em")
