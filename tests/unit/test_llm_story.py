"""Stories as people write them: any label, any editor, any markup; and nothing of them is lost."""

from __future__ import annotations

from contextlib import suppress

import pytest

from services.llm.persona.story import parse_story
from vivant.errors import Unusable


def read(story: str) -> list[tuple[str, str]]:
    return [(passage.question, passage.text) for passage in parse_story(story)]


@pytest.mark.parametrize(
    "story",
    [
        "## Home\n\n**q:** Where?\n\nIn Hull.\n\n**Q**: Why?\n\nWell.",
        "## Home\n\n**Q** Where?\n\nIn Hull.\n\n**q** Why?\n**A** Well.",
        "## Home\nQ: Where?\nA: In Hull.\nQ: Why?\nA: Well.",
        "q: Where?\na: In Hull.\n\nq: Why?\na: Well.",
        "Q1: Where?\n\nA1: In Hull.\n\nQ2. Why?\n\nA2. Well.",
        "Q. Where?\nA. In Hull.\nQ. Why?\nA. Well.",
        "Question: Where?\nAnswer: In Hull.\nQuestion 2: Why?\nAnswer 2: Well.",
        "INTERVIEWER: Where?\nANNA: In Hull.\n\nINTERVIEWER: Why?\n\nANNA: Well.",
        "**Tom:** Where?\n\n**Anna:** In Hull.\n\n**Tom:** Why?\n\n**Anna:** Well.",
        "## Home\n\n**Q: Where?**\n\nIn Hull.\n\n**Q: Why?**\nWell.",
        "__Q:__ Where?\n\nIn Hull.\n\n*Q:* Why?\n\nWell.",
        "**Q:** Where? **A:** In Hull.\nQ: Why? A: Well.",
        "- **Q:** Where?\n  - **A:** In Hull.\n- **Q:** Why?\n  - **A:** Well.",
        "> **Q:** Where?\n> In Hull.\n\n> **Q:** Why?\n> Well.",
        "# Anna\n\n## Where?\n\nIn Hull.\n\n## Why?\n\nWell.",
        "**Q:**\nWhere?\n\n**A:**\n\nIn Hull.\n\n**Q:**\nWhy?\nWell.",
        "<h2>Home</h2><p><b>Q:</b> Where?</p><p>In Hull.</p><p><strong>Q:</strong> Why?</p><p>Well.</p>",
        "Q： Where?\nA： In Hull.\nQ： Why?\nA： Well.",
    ],
)
def test_every_way_to_write_an_interview(story: str) -> None:
    assert read(story) == [("Where?", "In Hull."), ("Why?", "Well.")]


def test_empty_lines_may_be_missing() -> None:
    also = "**Also:** What do you do? What's your\ntrade?"
    story = f"# Bob\n## Work\n**Q:** What's your job?\n{also}\nI build boats.\nMany.\n## Home\nQ: Where?\nHull."
    first, second = parse_story(story)
    assert (first.question, first.also) == ("What's your job?", ("What do you do?", "What's your trade?"))
    assert (first.text, second.text) == ("I build boats. Many.", "Hull.")


def test_other_ways_that_tell_go_on_to_the_end_of_their_paragraph() -> None:
    (passage,) = parse_story("## Sad\n**Q:** I'm sad.\n**Also:** I'm tired.\nI had a bad day.\n\nOh dear.")
    assert (passage.also, passage.text) == (("I'm tired.", "I had a bad day."), "Oh dear.")


def test_a_question_goes_on_in_its_next_line() -> None:
    assert read("## W\n**Q:** Where were you\nborn?\nIn Hull.") == [("Where were you born?", "In Hull.")]


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("**Wooden** boats at [the shed](https://x.org/a_(b)?x=1) &amp; *some*.", "Wooden boats at the shed & some."),
        ("<p>I live in <b>Ashford</b>.</p> It has <a href='x'>one</a>.<br>Green.", "I live in Ashford. It has one. Green."),
        ("* bread\n* butter\n1. And a goat.", "bread. butter. And a goat."),
        ("See ![a cat](cat.png)her[^1] `code` ~~old~~ __new__ ***all***.\n\n[ref]: http://x.org", "See her code old new all."),
        ("I <3 it, 5 * 3, snake_case, \\*stars\\*.", "I <3 it, 5 * 3, snake_case, *stars*."),
        ("| town | year |\n|---|---|\n| Hull | 1988 |", "town, year Hull, 1988"),
        ("```\nA poem\n```", "A poem"),
        ("Yes<!-- not that -->.\n\n* * *\n\n<script>x()</script>No.", "Yes. No."),
        ("- [x] done\n- [ ] open", "done. open"),
        ("Harold: he was a goose. A: grade. A. J. Ray knew.", "Harold: he was a goose. A: grade. A. J. Ray knew."),
        ("**Q**ueen of hearts. **Question** all, *a* fig.", "Queen of hearts. Question all, a fig."),
        ("**Question** everything.", "Question everything."),
        ("one\u200btwo\u00adthree", "onetwothree"),
    ],
)  # fmt: skip
def test_marks_are_never_spoken_and_words_are_never_lost(text: str, spoken: str) -> None:
    assert " ".join(said for _, said in read(f"## Topic\n\n{text}\n")) == spoken


@pytest.mark.parametrize(
    ("story", "passages"),
    [
        ("# My life\n\nA preface.\n\n## Birth\n\nI was born.", ["I was born."]),
        ("# My life\n\nI was born.", ["I was born."]),
        ("# Birth\n\nI was born.\n\n# Work\n\nI work.", ["I was born.", "I work."]),
        ("I was born.\n\nI work.", ["I was born. I work."]),
        ("**Q:** Born?\n\nYes.\n", ["Yes."]),
        (
            "My life\n=======\n\nBirth\n-----\nI was born.\n\nIt rained.\n---\nIt stopped.",
            ["I was born. It rained. It stopped."],
        ),
        ("---\ntitle: x\ntags:\n  - a\n---\n\nI was born.", ["I was born."]),
        ("##Birth\nI was born in\n#1 position.", ["I was born in #1 position."]),
    ],
)
def test_all_that_is_told_is_remembered_but_for_a_title_and_its_preface(story: str, passages: list[str]) -> None:
    assert [text for _, text in read(story)] == passages


@pytest.mark.parametrize("word", ["boat ", "boat, ", "船", "and so we went on down "])
def test_a_text_without_an_end_is_cut_into_pieces_that_can_be_said(word: str) -> None:
    text = (word * (3000 // len(word))).strip()
    passages = parse_story(f"## Life\n\n**Q:** Where?\n\n{text}\n")
    said = [sentence for passage in passages for sentence in passage.sentences]
    assert max(map(len, said)) <= 400
    assert "".join(said).replace(" ", "") == text.replace(" ", "")
    assert max(len(passage.text.split()) for passage in passages) <= 110
    assert {passage.question for passage in passages} == {"Where?"}


@pytest.mark.parametrize(
    ("story", "says"),
    [
        ("", "nothing to remember"),
        (" \n\n#\n", "nothing to remember"),
        ("**Q:** Where?", "'Where.' under '' has no answer"),
        ("## A\nB.\n\n<!-- open\n\nmore", "line 4 .* never ends"),
    ],
)
def test_a_story_that_cannot_be_told_says_why(story: str, says: str) -> None:
    with pytest.raises(Unusable, match=says):
        parse_story(story)


@pytest.mark.parametrize(
    "start", ["**Q:** ", "*" * 5000, "[" * 5000, "<" * 5000, "<!--" * 500, "- " * 3000, "a " * 9000 + ":", "---\n" * 2000]
)
def test_no_story_takes_long_to_read(start: str) -> None:
    """The timeout of the tests is the bound: whatever is tried over and over would not end."""
    with suppress(Unusable):
        parse_story(f"{start}\n\n## A\n\nYes.\n" * 3)
