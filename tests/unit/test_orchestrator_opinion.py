"""Who is meant where the rules can only guess: the llm's opinion, when it comes in time and is about these very words."""

from __future__ import annotations

import pytest

from services.orchestrator.dialog import effects as fx
from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.addressee import in_doubt, judged
from services.orchestrator.dialog.events import Contribution, Phase, PlaybackState, ms
from services.orchestrator.dialog.state import Style
from tests.harness.addressees import PERSONA, named_people
from tests.harness.virtual_talk import Talk

REMARK = "You would hate it after a week."


def two_people() -> Talk:
    """Ann and Bob have each asked something, and June has answered."""
    talk = Talk(Style(names=PERSONA))
    for speaker in ("Ann", "Bob"):
        talk(ev.Named, 0, speaker, speaker)
        talk(ev.Joined, 0, speaker)
    for start, speaker in ((0, "Bob"), (4000, "Ann")):
        talk.say("is it cold up there", start, start + 1500, speaker)
        turn_id = talk.answered(start + 1950)
        talk(ev.PlaybackChanged, start + 3000, turn_id, PlaybackState.FINISHED)
    talk.effects.clear()
    return talk


def drafted(talk: Talk, text: str, speaker: str = "Bob") -> fx.Prefill:
    """What is asked of the llm at the first silence after these words, which end at 9.5 s; the turn is not over yet."""
    talk(ev.SpeechStarted, 8000, speaker)
    talk(ev.SpeechStopped, 9700, speaker, last_speech_at=ms(9500))
    talk(ev.WordsFinal, 9730, speaker, talk.state.flushes, text)
    (prefill,) = talk.of(fx.Prefill)
    assert prefill.draft
    return prefill


@pytest.mark.parametrize(("probability", "noted"), [(0.1, True), (0.4, False), (0.9, False)])
def test_a_clear_opinion_overrules_the_guess(probability: float, noted: bool) -> None:
    talk = two_people()
    asked = drafted(talk, REMARK)
    assert asked.other == "Ann"
    talk(ev.Addressed, 9800, asked.turn_id, REMARK, probability)
    talk.told(9810, "Bob", 0.9)
    talk.until(9901)
    assert [note.contribution.addressee for note in talk.of(fx.Note)] == (["Ann"] if noted else [])
    assert len(talk.of(fx.Commit)) == (not noted)


def test_nothing_waits_for_an_opinion() -> None:
    talk = two_people()
    asked = drafted(talk, REMARK)
    talk.told(9810, "Bob", 0.9)
    talk.until(9901)
    assert len(talk.of(fx.Commit)) == 1 and talk.state.phase is Phase.THINKING
    talk(ev.Addressed, 9950, asked.turn_id, REMARK, 0.4)
    assert talk.state.phase is Phase.THINKING and not talk.of(fx.Note)


def test_a_late_opinion_drops_a_reply_of_which_nothing_was_heard() -> None:
    talk = two_people()
    asked = drafted(talk, REMARK)
    talk.told(9810, "Bob", 0.9)
    talk(ev.ReplyText, 9920, asked.turn_id, "I love it here. ")
    talk(ev.Addressed, 9950, asked.turn_id, REMARK, 0.1)
    assert talk.state.phase is Phase.LISTENING
    (note,) = talk.of(fx.Note)
    assert (note.contribution.speaker, note.contribution.addressee) == ("Bob", "Ann")
    assert [effect.turn_id for effect in talk.of(fx.Cancel)] == [asked.turn_id]
    assert talk.state.participants.last and talk.state.participants.last.to == "Ann"
    talk(ev.PlaybackChanged, 9990, asked.turn_id, PlaybackState.STARTED)
    assert talk.state.phase is Phase.LISTENING


def test_a_reply_that_is_heard_is_not_dropped_for_an_opinion() -> None:
    talk = two_people()
    asked = drafted(talk, REMARK)
    talk.told(9810, "Bob", 0.9)
    talk.answered(9950)
    talk(ev.Addressed, 10_000, asked.turn_id, REMARK, 0.0)
    assert talk.state.phase is Phase.SPEAKING and not talk.of(fx.Note)


def test_an_opinion_is_about_the_words_it_was_asked_for_and_no_others() -> None:
    talk = two_people()
    asked = drafted(talk, REMARK)
    talk(ev.Addressed, 9800, asked.turn_id, "You would hate it", 0.0)
    talk(ev.Addressed, 9805, asked.turn_id - 1, REMARK, 0.0)
    talk.told(9810, "Bob", 0.9)
    talk.until(9901)
    assert len(talk.of(fx.Commit)) == 1 and not talk.of(fx.Note)


def test_an_opinion_does_not_outlive_the_next_draft() -> None:
    talk = two_people()
    asked = drafted(talk, REMARK)
    talk(ev.Addressed, 9740, asked.turn_id, REMARK, 0.0)
    talk(ev.SpeechStarted, 9750, "Bob")
    assert talk.state.opinion
    talk(ev.WordsHeard, 9800, "Bob", "honestly")
    assert not talk.state.opinion


def test_what_the_rules_are_sure_of_is_not_asked_and_not_overruled() -> None:
    talk = two_people()
    asked = drafted(talk, "June, would you hate it?")
    assert asked.other == ""
    talk(ev.Addressed, 9800, asked.turn_id, "June, would you hate it?", 0.0)
    talk.told(9810, "Bob", 0.9)
    talk.until(9901)
    talk(ev.Addressed, 9950, asked.turn_id, "June, would you hate it?", 0.0)
    assert len(talk.of(fx.Commit)) == 1 and talk.state.phase is Phase.THINKING


def test_who_is_alone_is_never_asked_about() -> None:
    talk = Talk(Style(names=PERSONA))
    for start in (0, 4000):
        talk.say(REMARK, start, start + 1500)
        turn_id = talk.answered(start + 1950)
        talk(ev.PlaybackChanged, start + 3000, turn_id, PlaybackState.FINISHED)
    assert {prefill.other for prefill in talk.of(fx.Prefill)} == {""}


def test_where_the_client_says_who_is_meant_nothing_is_in_doubt() -> None:
    participants = named_people("Ann", "Bob")
    for speaker in ("Ann", "Bob"):
        participants, _ = judged(participants, Contribution(speaker, "Is it cold up there?"), PERSONA)
    assert in_doubt(participants, Contribution("Bob", REMARK), PERSONA) == "Ann"
    assert in_doubt(participants, Contribution("Bob", REMARK, "Ann"), PERSONA) == ""
    participants, _ = judged(participants, Contribution("Ann", "Pass me the salt.", "Bob"), PERSONA)
    assert in_doubt(participants, Contribution("Bob", REMARK), PERSONA) == ""


def test_an_opinion_brings_the_persona_back_into_what_people_say_to_each_other() -> None:
    participants = named_people("Ann", "Bob")
    for speaker, text in (("Ann", "Bob, did you feed the cat?"), ("Bob", "I thought you did.")):
        participants, said = judged(participants, Contribution(speaker, text), PERSONA)
        assert said.addressee
    asked = Contribution("Ann", "Have you ever had a cat?")
    assert in_doubt(participants, asked, PERSONA) == "Bob"
    assert judged(participants, asked, PERSONA)[1].addressee == "Bob"
    assert judged(participants, asked, PERSONA, 0.9)[1].addressee == ""


def seemingly_for_ann(talk: Talk) -> fx.Prefill:
    """Ann has said something to Bob, and Bob asks something that ends at 14.5 s: by the rules he asks Ann."""
    asked = drafted(talk, REMARK, "Ann")
    talk(ev.Addressed, 9800, asked.turn_id, REMARK, 0.0)
    talk.told(9810, "Ann", 0.9)
    talk.until(9901)
    assert [note.contribution.addressee for note in talk.of(fx.Note)] == ["Bob"]
    talk.effects.clear()
    talk(ev.SpeechStarted, 13_000, "Bob")
    talk(ev.SpeechStopped, 14_700, "Bob", last_speech_at=ms(14_500))
    talk.told(14_800, "Bob", 0.9)
    talk(ev.WordsFinal, 15_000, "Bob", talk.state.flushes, "what is it like up there")
    (prefill,) = talk.of(fx.Prefill)
    assert (prefill.draft, prefill.other) == (True, "Ann")
    return prefill


@pytest.mark.parametrize(("probability", "addressees"), [(0.9, []), (0.2, ["Ann"])])
def test_what_seems_to_be_for_somebody_else_is_noted_when_the_opinion_is_there(
    probability: float, addressees: list[str]
) -> None:
    talk = two_people()
    asked = seemingly_for_ann(talk)
    talk.until(15_200)
    assert not talk.of(fx.Note) and not talk.of(fx.Commit), "nobody waits for a note"
    talk(ev.Addressed, 15_210, asked.turn_id, "what is it like up there", probability)
    talk.until(15_250)
    assert [note.contribution.addressee for note in talk.of(fx.Note)] == addressees
    assert len(talk.of(fx.Commit)) == (not addressees)


def test_a_note_does_not_wait_for_ever_for_an_opinion() -> None:
    talk = two_people()
    seemingly_for_ann(talk)
    talk.until(16_100)
    assert [note.contribution.addressee for note in talk.of(fx.Note)] == ["Ann"]
    assert not talk.of(fx.Commit)
