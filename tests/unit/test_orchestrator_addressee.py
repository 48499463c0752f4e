"""Who is meant: what is sure, and what is concluded without the llm on made conversations, half of which were not fitted on."""

from __future__ import annotations

import pytest

from bench.addressees.material import Talk, talks
from services.common.labels import Labels
from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.addressee import judged
from services.orchestrator.dialog.events import Contribution, ms
from services.orchestrator.dialog.participants import Participants, notice, relabelled, speaker_of, voiced
from services.orchestrator.dialog.vocatives import called
from tests.harness.addressees import PERSONA, named_people, shares


def play(talk: Talk) -> list[tuple[str, bool, bool]]:
    """Each line of a conversation, whether it is meant for June, and whether it is taken to be."""
    participants, at, found = talk.present(), 0, []
    for line in talk.lines:
        at += ms(4000)
        participants, said = judged(participants, Contribution(line.speaker, line.text, ended_at=at), PERSONA)
        found.append((f"{line.speaker}: {line.text}", not line.to, not said.addressee))
    return found


def judged_in(part: str) -> tuple[float, float, list[str]]:
    """See `shares`."""
    return shares([line for talk in talks(part) for line in play(talk)])


@pytest.mark.parametrize("part", ["dev", "held_out"])
def test_the_persona_answers_what_it_is_asked_and_nothing_else(part: str) -> None:
    to_persona, to_others, wrong = judged_in(part)
    assert to_persona >= 0.9 and to_others >= 0.9, wrong


def test_what_the_words_leave_open_is_answered_rather_than_not() -> None:
    """ "You would hate it" may be said to the persona; then what follows is taken to be too."""
    to_persona, to_others, wrong = judged_in("held_out_2")
    assert to_persona == 1.0 and to_others >= 0.75, wrong


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("June, do you have any pets?", "june merrow"),
        ("Hello June, how are you?", "june merrow"),
        ("What do you think, June, is a dog a lot of work?", "june merrow"),
        ("What do you think June?", "june merrow"),
        ("What do you think? June is a dog a lot of work.", "june merrow"),
        ("Basically, I have an idea what's involved.", None),
        ("Basically, have an idea what's involved.", None),
        ("Frankly, do you mind?", None),
        ("Emily, do you mind?", "Emily"),
        ("Peace, that is all.", None),
        ("Hello World", None),
        ("Jun, are you there?", "june merrow"),
        ("Bob, did you lock the door?", "Bob"),
        ("Bob did you lock the door?", "Bob"),
        ("Yes Ann, I locked it.", "Ann"),
        ("Thanks, Ann.", "Ann"),
        ("June is a piano tuner.", None),
        ("I told June about it.", None),
        ("Have you met June?", None),
        ("I like Ann, Bob, and June.", None),
        ("Yes, I locked it.", None),
        ("Honestly, who knows?", None),
        ("", None),
    ],
)
def test_who_is_called(text: str, who: str | None) -> None:
    assert called(text, {"ann": "Ann"}, PERSONA, strangers=True) == who


def test_who_is_alone_always_means_the_persona() -> None:
    participants, said = judged(Participants(), Contribution("Spk1", "Bob, did you lock the door?"), PERSONA)
    assert said.addressee == ""
    assert judged(participants, Contribution("Spk1", "We should go."), PERSONA)[1].addressee == ""


def test_a_client_that_says_who_is_meant_is_believed_also_where_it_leaves_it_open() -> None:
    participants = named_people("Ann", "Bob")
    participants, said = judged(participants, Contribution("Ann", "Did you lock the door?", "Bob"), PERSONA)
    assert said.addressee == "Bob"
    assert judged(participants, Contribution("Bob", "Do you have any pets?"), PERSONA)[1].addressee == ""
    assert judged(participants, Contribution("Bob", "And you?", "june"), PERSONA)[1].addressee == ""


def test_what_two_people_said_long_ago_does_not_count() -> None:
    participants = named_people("Ann", "Bob")
    participants, _ = judged(participants, Contribution("Ann", "Bob, is it late?", ended_at=ms(1000)), PERSONA)
    assert judged(participants, Contribution("Bob", "Where did you grow up?", ended_at=ms(4000)), PERSONA)[1].addressee == "Ann"
    assert judged(participants, Contribution("Bob", "Where did you grow up?", ended_at=ms(40_000)), PERSONA)[1].addressee == ""


def test_a_microphone_that_is_shared_has_the_voice_of_most_words() -> None:
    participants = Participants()
    for text, voice in (("Well", "Spk1"), ("did you hear what she said about the geese", "Spk2")):
        participants = notice(participants, ev.WordsFinal(0, "Spk1", 1, text, voice=voice))
    assert speaker_of(participants, "Spk1") == "Spk2"
    participants, said = voiced(participants, Contribution("Spk1", "Well did you hear"))
    assert (said.speaker, said.came_from) == ("Spk2", "Spk1")
    assert speaker_of(participants, "Spk1") == "Spk1", "the next words may be anybody's"


def test_what_was_told_with_the_speech_counts_and_not_what_is_told_now() -> None:
    told = Labels[str]()
    told.heard("Bob", 0, 8000)
    told.heard("Bob", 8000, 16_000)
    told.heard("", 16_000, 40_000)
    assert told.during(4000, 16_500) == "Bob"
    assert told.during(17_000, 40_000) is None


def test_who_types_means_the_persona_unless_somebody_is_called() -> None:
    participants = named_people("Ann", "Bob")
    participants, _ = judged(participants, Contribution("Ann", "Bob, is it late?"), PERSONA)
    assert judged(participants, Contribution("Bob", "No, it is not."), PERSONA)[1].addressee == "Ann"
    assert judged(participants, Contribution("Bob", "No, it is not.", typed=True), PERSONA)[1].addressee == ""
    assert judged(participants, Contribution("Bob", "Ann, is it?", typed=True), PERSONA)[1].addressee == "Ann"


def test_two_that_turn_out_to_be_one_are_one_in_all_that_was_said() -> None:
    participants = named_people("Ann", "Bob")
    participants, _ = judged(participants, Contribution("Ann", "Carl, did you lock the door?"), PERSONA)
    participants, _ = judged(participants, Contribution("stranger", "I did, yes.", ended_at=ms(3000)), PERSONA)
    merged = relabelled(participants, "stranger", "Bob")
    assert merged.people == ("Ann", "Bob")
    assert "stranger" not in {*merged.names.values(), *merged.heard}
    assert merged.last is not None and merged.last.speaker == "Bob"


def test_a_wrong_guess_does_not_silence_the_persona_for_good() -> None:
    lines = ["What's the weather like?", "Let's talk about working dogs.", "I like them.", "What do they eat?", "And the cold?"]
    participants, meant = Participants(), []
    for at, text in enumerate(lines):
        participants, said = judged(participants, Contribution(f"Spk{1 + at % 2}", text, ended_at=ms(3000 * at)), PERSONA)
        meant.append(bool(said.addressee))
    assert meant == [False, True, True, False, False]
