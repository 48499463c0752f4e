"""Who takes part, and who is announced when."""

from __future__ import annotations

import pytest

from services.orchestrator.session.roster import Roster
from vivant.common.v1 import common_pb2
from vivant.errors import InvalidRequest

PERSONA = common_pb2.Participant(id="june", name="June Merrow", kind=common_pb2.PARTICIPANT_KIND_PERSONA)


class Announced:
    """What clients are told."""

    def __init__(self) -> None:
        self.people: list[tuple[str, str]] = []
        self.merged: list[tuple[str, str]] = []
        self.gone: list[str] = []
        self.roster = Roster(PERSONA, self._announce, lambda *pair: self.merged.append(pair), self.gone.append)

    def _announce(self, one: common_pb2.Participant) -> None:
        self.people.append((one.id, one.name))


def test_each_is_announced_once_and_again_with_another_name() -> None:
    told = Announced()
    for person in (
        common_pb2.Participant(id="a"),
        common_pb2.Participant(id="a"),
        common_pb2.Participant(id="a", name="Ann"),
        common_pb2.Participant(id="a"),
        common_pb2.Participant(id="a", name="Anna"),
    ):
        told.roster.admit(person)
    assert told.people == [("a", ""), ("a", "Ann"), ("a", "Anna")]
    assert [one.id for one in told.roster.people] == ["a"]


def test_strangers_get_ids_that_nobody_has() -> None:
    told = Announced()
    first = told.roster.stranger()
    told.roster.admit(common_pb2.Participant(id="person2"))
    second = told.roster.admit(common_pb2.Participant(name="Ben"))
    assert len({first, "person2", second.id, told.roster.stranger(), "june"}) == 5
    assert second.name == "Ben"


def test_somebody_who_is_only_spoken_of_goes_by_the_name_until_they_come() -> None:
    told = Announced()
    ann = told.roster.stranger()
    assert told.roster.met("Ben") == "Ben"
    assert told.roster.met("Ben") == "Ben", "announced once"
    assert told.people == [(ann, ""), ("Ben", "Ben")]
    assert told.roster.settle({"ben": "Ben"}) == []
    ben = told.roster.stranger()
    assert told.roster.settle({"ben": ben}) == [("Ben", ben)]
    told.roster.same("Ben", ben)
    assert told.merged == [("Ben", ben)]
    assert [one.id for one in told.roster.people] == [ann, ben]
    assert told.roster.settle({"ben": ben}) == []


def test_who_leaves_is_told_of_once_and_may_come_back() -> None:
    told = Announced()
    told.roster.admit(common_pb2.Participant(id="a", name="Ann"))
    told.roster.left("a")
    told.roster.left("a")
    assert (told.gone, told.roster.people) == (["a"], ())
    told.roster.admit(common_pb2.Participant(id="a", name="Ann"))
    assert told.people == [("a", "Ann"), ("a", "Ann")]


def test_nobody_can_be_the_persona_and_ids_are_short() -> None:
    told = Announced()
    with pytest.raises(InvalidRequest) as caught:
        told.roster.admit(common_pb2.Participant(id="june"))
    assert caught.value.reason == "participant_is_persona"
    with pytest.raises(InvalidRequest) as caught:
        told.roster.admit(common_pb2.Participant(id="x" * 65))
    assert caught.value.reason == "name_too_long"
    assert told.roster.met("june") == "june", "but it can be spoken to"
