"""Who takes part, and what they are called."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from vivant import Participant, ParticipantKind, Participants, PersonaCard, Ready, Relabelled, Transcript
from vivant.errors import InvalidRequest
from vivant.participants import as_participant


def ready(own: Participant, *others: Participant) -> Ready:
    june = PersonaCard("june", "June", "", "")
    return Ready("s1", "c1", june, 24_000, None, datetime.now(UTC), (), own, others)


def said(participant_id: str) -> Transcript:
    return Transcript(True, "Hello", "Hello", participant_id, (), (), 0, 0, typed=False, utterance_id="u1")


def after(*events: Ready | Participant | Relabelled | Transcript) -> Participants:
    participants = Participants()
    for event in events:
        participants.feed(event)
    return participants


def test_people_without_a_name_are_numbered_as_they_appear() -> None:
    who = after(ready(Participant("a")), said("a"), said("x"), Participant("b", "Ben"), said("y"))
    assert [who.name_of(each) for each in ("a", "x", "b", "y")] == ["You", "Person 2", "Ben", "Person 4"]
    assert [each.id for each in who] == ["a", "x", "b", "y"]


def test_whoever_was_there_before_comes_first_and_the_persona_is_not_counted() -> None:
    june = Participant("june", "June", ParticipantKind.PERSONA)
    who = after(ready(Participant("b"), june, Participant("a")), said("c"))
    assert [who.name_of(each) for each in ("june", "a", "b", "c")] == ["June", "Person 1", "You", "Person 3"]


def test_a_name_may_come_later_and_change() -> None:
    who = after(ready(Participant("a")), said("x"), Participant("x", "Ann"), Participant("x", "Anna"), Participant("a", "Bo"))
    assert [who.name_of(each) for each in ("x", "a")] == ["Anna", "Bo"]
    assert who.is_own("a") and not who.is_own("x")


def test_a_voice_that_turns_out_to_be_somebody_known_is_that_one_from_the_beginning() -> None:
    who = after(ready(Participant("a", "Ann")), said("x"), said("y"), Relabelled("x", "a"), Relabelled("a", "z"))
    assert [who.name_of(each) for each in ("x", "a", "z", "y")] == ["Ann", "Ann", "Ann", "Person 3"]
    assert who.is_own("x") and who.is_own("z")
    assert sorted(each.id for each in who) == ["y", "z"]


def test_a_name_alone_is_the_id_too() -> None:
    assert as_participant("Ann") == Participant("Ann", "Ann")
    assert as_participant(Participant("a7")) == Participant("a7")
    with pytest.raises(InvalidRequest, match="participant: character 1"):
        as_participant(Participant("\udcff"))
