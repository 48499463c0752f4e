"""Who is meant where nobody is called: what the llm tells of the words, when it comes in time and is about these very words."""

from __future__ import annotations

import pytest

from services.orchestrator.dialog import addressee
from services.orchestrator.dialog import effects as fx
from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.addressee import in_doubt, judged
from services.orchestrator.dialog.clues import NAMES, Logistic
from services.orchestrator.dialog.events import Contribution, Evidence, Phase, PlaybackState, ms
from services.orchestrator.dialog.state import Style
from tests.harness.addressees import PERSONA, named_people
from tests.harness.virtual_talk import Talk

#: Without evidence this seems to be for somebody else,
REMARK = "You would hate it after a week."
#: and this for the persona.
SNOW = "that is a lot of snow for one winter"
AGAINST = Evidence(0.1, model=0.0)


@pytest.fixture(autouse=True)
def weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that stay as they are when the real ones are fitted anew."""
    some = {"tells_you": -2.0, "among_people": -2.0, "told": -4.0, "nearest": 8.0}
    monkeypatch.setattr(addressee, "model", lambda: Logistic(0.5, dict.fromkeys(NAMES, 0.0) | some))


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


def drafted(talk: Talk, text: str) -> fx.Prefill:
    """What is asked of the llm at the first silence after these words, which end at 9.5 s; the turn is not over yet."""
    talk(ev.SpeechStarted, 8000, "Bob")
    talk(ev.SpeechStopped, 9700, "Bob", last_speech_at=ms(9500))
    talk(ev.WordsFinal, 9730, "Bob", talk.state.flushes, text)
    (prefill,) = talk.of(fx.Prefill)
    assert prefill.draft
    return prefill


@pytest.mark.parametrize(
    ("text", "evidence", "noted"),
    [
        (REMARK, Evidence(0.1), True),
        (REMARK, Evidence(0.9), False),
        (REMARK, Evidence(0.1, model=0.9), False),
        (SNOW, Evidence(0.5), False),
        (SNOW, Evidence(-0.1), True),
        (SNOW, Evidence(0.5, model=0.1), True),
    ],
)
def test_evidence_decides_with_what_was_said_before(text: str, evidence: Evidence, *, noted: bool) -> None:
    talk = two_people()
    asked = drafted(talk, text)
    assert asked.other == "Ann"
    talk(ev.Addressed, 9800, asked.turn_id, text, evidence)
    talk.told(9810, "Bob", 0.9)
    talk.until(9901)
    assert [note.contribution.addressee for note in talk.of(fx.Note)] == (["Ann"] if noted else [])
    assert len(talk.of(fx.Commit)) == (not noted)


def test_no_reply_waits_for_evidence() -> None:
    talk = two_people()
    asked = drafted(talk, SNOW)
    talk.told(9810, "Bob", 0.9)
    talk.until(9901)
    assert len(talk.of(fx.Commit)) == 1 and talk.state.phase is Phase.THINKING
    talk(ev.Addressed, 9950, asked.turn_id, SNOW, Evidence(0.5))
    assert talk.state.phase is Phase.THINKING and not talk.of(fx.Note)


def test_late_evidence_drops_a_reply_of_which_nothing_was_heard() -> None:
    talk = two_people()
    asked = drafted(talk, SNOW)
    talk.told(9810, "Bob", 0.9)
    talk(ev.ReplyText, 9920, asked.turn_id, "I love it here. ")
    talk(ev.Addressed, 9950, asked.turn_id, SNOW, AGAINST)
    assert talk.state.phase is Phase.LISTENING
    (note,) = talk.of(fx.Note)
    assert (note.contribution.speaker, note.contribution.addressee) == ("Bob", "Ann")
    assert [effect.turn_id for effect in talk.of(fx.Cancel)] == [asked.turn_id]
    assert talk.state.participants.last and talk.state.participants.last.to == "Ann"
    talk(ev.PlaybackChanged, 9990, asked.turn_id, PlaybackState.STARTED)
    assert talk.state.phase is Phase.LISTENING


def test_a_reply_that_is_heard_is_not_dropped_for_evidence() -> None:
    talk = two_people()
    asked = drafted(talk, SNOW)
    talk.told(9810, "Bob", 0.9)
    talk.answered(9950)
    talk(ev.Addressed, 10_000, asked.turn_id, SNOW, AGAINST)
    assert talk.state.phase is Phase.SPEAKING and not talk.of(fx.Note)


def test_evidence_is_about_the_words_it_was_asked_for_and_no_others() -> None:
    talk = two_people()
    asked = drafted(talk, SNOW)
    talk(ev.Addressed, 9800, asked.turn_id, "that is a lot", AGAINST)
    talk(ev.Addressed, 9805, asked.turn_id - 1, SNOW, AGAINST)
    talk.told(9810, "Bob", 0.9)
    talk.until(9901)
    assert len(talk.of(fx.Commit)) == 1 and not talk.of(fx.Note)


def test_evidence_does_not_outlive_the_next_draft() -> None:
    talk = two_people()
    asked = drafted(talk, SNOW)
    talk(ev.Addressed, 9740, asked.turn_id, SNOW, AGAINST)
    talk(ev.SpeechStarted, 9750, "Bob")
    assert talk.state.testimony
    talk(ev.WordsHeard, 9800, "Bob", "honestly")
    assert not talk.state.testimony


def test_what_is_sure_is_not_asked_and_not_overruled() -> None:
    talk = two_people()
    asked = drafted(talk, "June, would you hate it?")
    assert asked.other == ""
    talk(ev.Addressed, 9800, asked.turn_id, "June, would you hate it?", AGAINST)
    talk.told(9810, "Bob", 0.9)
    talk.until(9901)
    talk(ev.Addressed, 9950, asked.turn_id, "June, would you hate it?", AGAINST)
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
    guess = in_doubt(participants, Contribution("Bob", REMARK), PERSONA)
    assert guess and guess.other == "Ann"
    assert in_doubt(participants, Contribution("Bob", REMARK, "Ann"), PERSONA) is None
    participants, _ = judged(participants, Contribution("Ann", "Pass me the salt.", "Bob"), PERSONA)
    assert in_doubt(participants, Contribution("Bob", REMARK), PERSONA) is None


def test_evidence_brings_the_persona_back_into_what_people_say_to_each_other() -> None:
    participants = named_people("Ann", "Bob")
    for speaker, text in (("Ann", "Bob, did you feed the cat?"), ("Bob", "I thought you did.")):
        participants, said = judged(participants, Contribution(speaker, text), PERSONA)
        assert said.addressee
    told = Contribution("Ann", SNOW)
    assert judged(participants, told, PERSONA)[1].addressee == "Bob"
    assert judged(participants, told, PERSONA, Evidence(0.2, 0.5))[1].addressee == "Bob"
    assert judged(participants, told, PERSONA, Evidence(0.9, 0.0))[1].addressee == ""


def seemingly_for_ann(talk: Talk) -> fx.Prefill:
    """Bob says what seems to be for Ann, and it ends at 9.5 s."""
    asked = drafted(talk, REMARK)
    talk.told(9810, "Bob", 0.9)
    return asked


@pytest.mark.parametrize(("evidence", "addressees"), [(Evidence(0.9), []), (Evidence(0.1), ["Ann"])])
def test_what_seems_to_be_for_somebody_else_is_noted_when_the_evidence_is_there(
    evidence: Evidence, addressees: list[str]
) -> None:
    talk = two_people()
    asked = seemingly_for_ann(talk)
    talk.until(10_400)
    assert not talk.of(fx.Note) and not talk.of(fx.Commit), "nobody waits for a note"
    talk(ev.Addressed, 10_410, asked.turn_id, REMARK, evidence)
    talk.until(10_450)
    assert [note.contribution.addressee for note in talk.of(fx.Note)] == addressees
    assert len(talk.of(fx.Commit)) == (not addressees)


def test_a_note_does_not_wait_for_ever_for_evidence() -> None:
    talk = two_people()
    seemingly_for_ann(talk)
    talk.until(11_100)
    assert [note.contribution.addressee for note in talk.of(fx.Note)] == ["Ann"]
    assert not talk.of(fx.Commit)


def test_without_the_llm_a_note_waits_for_nothing() -> None:
    talk = two_people()
    talk(ev.AbilityChanged, 7900, "llm", available=False)
    seemingly_for_ann(talk)
    talk.until(10_400)
    assert [note.contribution.addressee for note in talk.of(fx.Note)] == ["Ann"]
