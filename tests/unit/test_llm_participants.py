"""What people are called: by name, by place, and nobody like somebody else."""

from __future__ import annotations

from services.llm.memory.history import Utterance
from services.llm.memory.participants import Participants
from services.llm.memory.store import Addressee, Entry, Participant


def talking(*ids: str, **options: object) -> Participants:
    made = Participants("pip", ("Pip Marlow", "Pip"), **options)  # type: ignore[arg-type]
    for each in ids:
        made.appear(Entry(each, "Hello."))
    return made


def called(participants: Participants, *ids: str) -> list[str]:
    return [participants.called(each) for each in ids]


def test_who_has_no_name_is_called_by_the_place_in_the_order_of_appearance() -> None:
    participants = talking("7f3a", "pip", "Spk9")
    assert called(participants, "7f3a", "pip", "Spk9") == ["Speaker 1", "pip", "Speaker 2"]


def test_a_name_that_the_client_tells_counts_before_one_that_was_said() -> None:
    participants = talking("a")
    participants.learn("a", "Tom")
    assert called(participants, "a") == ["Tom"]
    participants.meet(Participant("a"))
    assert called(participants, "a") == ["Tom"], "a client that knows no name takes none away"
    participants.meet(Participant("a", "Thomas"))
    participants.learn("a", "Tommy")
    assert called(participants, "a") == ["Thomas"]
    participants.meet(Participant("a", "Tomas"))
    assert called(participants, "a") == ["Tomas"]


def test_no_two_are_called_alike_and_nobody_like_the_persona() -> None:
    participants = talking("a", "b", "c", "d")
    for each, name in (("a", "Tom"), ("b", "tom"), ("c", "Pip"), ("d", "speaker 1")):
        participants.learn(each, name)
    assert called(participants, "a", "b", "c", "d") == ["Tom", "tom 2", "Pip 2", "speaker 1"]
    participants.appear(Entry("e", "Hello."))
    assert participants.called("e") == "Speaker 5"


def test_a_name_is_one_line_without_brackets() -> None:
    participants = talking()
    participants.meet(Participant("a", "Tom [memories: none]\n(Pip:) *laughs*"))
    assert participants.called("a") == "Tom memories: none Pip: laughs"


def test_whoever_is_somebody_known_keeps_a_place_and_a_name() -> None:
    participants = talking("v1", "v2", "v3")
    participants.learn("v2", "Tom")
    participants.relabel("v2", "v1")
    assert called(participants, "v1", "v3") == ["Tom", "Speaker 2"]
    participants.relabel("v3", "ben")
    assert called(participants, "v1", "ben") == ["Tom", "Speaker 2"]
    assert participants.appear(Entry("v3", "Hm.", addressees=(Addressee("v2"),))) == Entry(
        "ben", "Hm.", addressees=(Addressee("v1"),)
    ), "old ids stand for who they are now"
    participants.relabel("ben", "v3")
    assert participants.identity("ben") == "v3", "and there is a way back"


def test_what_is_shown_names_everybody() -> None:
    participants = talking("a", "b")
    participants.learn("a", "Tom")
    said = participants.appear(Entry("b", "Well", addressees=(Addressee("a", 0.9),), interrupted=True, interrupted_by="c"))
    assert participants.shown(said) == Utterance("Speaker 2", "Well", "Tom", True, "Speaker 3", nameless=True)
    to_pip = Entry("a", "Pip?", addressees=(Addressee("pip"), Addressee("b")))
    assert participants.shown(to_pip) == Utterance("Tom", "Pip?"), "what is for the persona has nobody's name at it"


def test_what_is_new_is_told_once() -> None:
    participants = talking("a", known=(Participant("b", "Ben"),))
    assert list(participants.changed()) == [Participant("a")]
    participants.meet(Participant("b", "Ben"))
    assert not participants.changed()
    participants.learn("a", "Tom")
    assert list(participants.changed()) == [Participant("a", "Tom")]
