"""What the reader of words is trained on: the labels of turns, from meetings and from chats."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import numpy as np
import pytest

from bench.turn.candidate.reader import FOLLOWING
from bench.turn.training.dialogues import END, INSIDE, SHORT_ANSWER, STOP, UNKNOWN, Turn, _of_message, cleaned, meetings
from bench.turn.training.texts import spoken


def of_meeting(folder: Path, *turns: tuple[str, str]) -> list[Turn]:
    file = folder / "spoken.jsonl.gz"
    with gzip.open(file, "wt", encoding="utf-8") as lines:
        lines.write(json.dumps({"meeting": "m", "turns": turns}) + "\n")
    (meeting,) = meetings(file)
    return meeting


def followed(turn: Turn) -> list[str]:
    return [FOLLOWING[place] for place in turn.following]


def test_a_turn_ends_where_another_goes_on_and_stops_at_marks_and_hesitations(tmp_path: Path) -> None:
    first, second = of_meeting(tmp_path, ("A", "So, I um went home."), ("B", "Where is that?"))
    assert first.words == ["so", "i", "um", "went", "home"]
    assert first.ends == [STOP, STOP, STOP, INSIDE, END]
    assert followed(first) == ["comma", "hesitation", "hesitation", "nothing", "full_stop"]
    assert second.before == first.words
    assert (first.asked, second.asked) == (False, False)
    assert second.asks == [-1, -1, 1]
    assert first.asks[-1] == 0


def test_what_is_broken_off_is_no_end_and_who_goes_on_has_no_label(tmp_path: Path) -> None:
    broken, _, going_on, *_ = of_meeting(
        tmp_path,
        ("A", "I thought that <disfmarker>"),
        ("B", "No, wait."),
        ("A", "It was cold."),
        ("A", "And dark."),
        ("B", "I see."),
    )
    assert broken.ends[-1] == STOP
    assert followed(broken)[-1] == "break"
    assert going_on.ends[-1] == UNKNOWN


def test_a_turn_goes_on_over_little_words_of_others(tmp_path: Path) -> None:
    joined, *_ = of_meeting(tmp_path, ("A", "We went up to"), ("B", "Mm-hmm."), ("A", "the lake."), ("B", "How was it?"))
    assert joined.words == ["we", "went", "up", "to", "the", "lake"]
    assert joined.ends == [INSIDE, INSIDE, INSIDE, STOP, INSIDE, END]
    assert followed(joined)[3] == "another_voice"


def test_a_little_word_is_an_answer_after_a_question_and_else_not_measured(tmp_path: Path) -> None:
    _, answer, _, nod, _ = of_meeting(
        tmp_path, ("A", "Do you like it?"), ("B", "Yeah."), ("C", "It is late."), ("B", "Okay."), ("A", "Let's go home.")
    )
    assert answer.acknowledges
    assert answer.ends == [SHORT_ANSWER]
    assert nod.ends == [UNKNOWN]


def test_a_recogniser_leaves_hesitations_out_and_what_they_meant_stays() -> None:
    turn = Turn([], asked=False)
    for word, end, hesitation in (("i", INSIDE, False), ("um", STOP, True), ("i", INSIDE, False), ("went", END, False)):
        turn.say(word, end, hesitation=hesitation)
    turn.asks = [-1, 0, -1, 0]
    random.seed(1)
    kept = cleaned(turn)
    assert kept.words == ["i", "i", "went"]
    assert kept.ends == [STOP, INSIDE, END]
    assert followed(kept)[0] == "hesitation"
    assert len(kept.asks) == 3


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    """Two hundred conversations of two messages each."""
    talks = {
        f"talk {number}": {
            "messages": [[{"text": f"What is your number {number}?"}], [{"text": f"It is {number}. I like it a lot."}]]
        }
        for number in range(200)
    }
    (tmp_path / "dataset.json").write_text(json.dumps(talks), encoding="utf-8")
    return tmp_path


def test_a_message_ends_its_inner_sentences_have_no_label_and_its_pauses_are_stops() -> None:
    text = "It is cold, you know. I like it a lot."
    said = [_of_message("Do you like it?", text, np.random.default_rng(seed)) for seed in range(40)]
    plain = next(turn for turn in said if turn.words == ["it", "is", "cold", "you", "know", "i", "like", "it", "a", "lot"])
    assert (plain.before, plain.asked) == (["do", "you", "like", "it"], True)
    assert plain.ends == [INSIDE, INSIDE, STOP, INSIDE, UNKNOWN, INSIDE, INSIDE, INSIDE, INSIDE, END]
    assert followed(plain)[2] == "comma"
    hesitating = [turn for turn in said if len(turn.words) > len(plain.words)]
    assert hesitating
    for turn in hesitating:
        assert turn.ends[-1] == END
        assert turn.ends.count(STOP) > 1


def test_texts_that_were_used_are_not_drawn_again(chats: Path) -> None:
    first = spoken(chats, "train", 20, 1)
    assert not set(first) & set(spoken(chats, "train", 20, 1, without=first))
