"""What the llm is told, and what users are told of its trouble."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.events import Contribution, Evidence
from services.orchestrator.hearing.utterances import Utterances
from services.orchestrator.session.abilities import Abilities
from services.orchestrator.session.context import SessionContext
from services.orchestrator.session.persona_link import PersonaLink
from services.orchestrator.session.roster import Roster
from vivant.common.v1 import common_pb2
from vivant.llm.v1 import llm_pb2


class Parts:
    """Whatever else the link is connected to: nothing of it is asked here."""

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **named: None


def test_why_memory_answered_in_the_models_place_is_told_once_for_each_reason() -> None:
    told: list[tuple[str, str]] = []
    fed: list[ev.Event] = []
    context = SessionContext(
        "s", lambda: 7, fed.append, lambda **_: None, lambda notice: told.append((notice.reason, notice.message))
    )
    parts: Any = Parts()
    persona_link = PersonaLink(
        parts, context, parts, parts, parts, abilities=parts, roster=parts, persona_id="june", conversation_id="c"
    )
    for turn_id, why in enumerate((None, "reasoning_used_up", "reasoning_used_up", "empty_reply"), 1):
        persona_link.on_llm("done", llm_pb2.Done(turn_id=turn_id, reason=why, message=f"{why}: do something"))
    assert told == [(why, f"{why}: do something") for why in ("reasoning_used_up", "empty_reply")]
    assert [type(event) for event in fed] == [ev.ReplyDone] * 4, "the reply itself goes on"


class Told:
    """A link that keeps what it is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []

    def send(self, **payload: Any) -> None:
        self.sent += payload.items()


def linked(feed: Callable[[ev.Event], None] = lambda _: None) -> tuple[PersonaLink, Told]:
    """The link of a session in which Ann talks with June."""
    parts: Any = Parts()
    told = Told()
    roster = Roster(common_pb2.Participant(id="june", name="June"), lambda _: None, lambda *_: None, lambda _: None)
    roster.admit(common_pb2.Participant(id="ann", name="Ann"))
    context = SessionContext("s", lambda: 7, feed, lambda **_: None, lambda _: None)
    link = PersonaLink(
        parts,
        context,
        parts,
        parts,
        Utterances("s", lambda at: at),
        abilities=Abilities((), lambda _: None, lambda *_: None),
        roster=roster,
        persona_id="june",
        conversation_id="c",
    )
    link.llm = cast(Any, told)
    return link, told


def test_an_llm_that_was_started_anew_is_told_again_what_was_said_and_heard() -> None:
    link, told = linked()
    link.reply_to(1, Contribution("ann", "Where did you grow up?"))
    link.heard(1, "In a white house", interrupted=False)
    link.reply_to(2, Contribution("ann", "Never mind."))
    link.cancel(2)
    link.note(Contribution("ann", "She grew up by the sea.", "Ben"))
    before, told.sent = told.sent, []
    link.opened("llm")
    again = [(kind, message.text) for kind, message in told.sent]
    assert again == [
        ("utterance", "Where did you grow up?"),
        ("heard", "In a white house"),
        ("utterance", "She grew up by the sea."),
    ], "what was taken back is not"
    first = next(message.utterance for kind, message in before if kind == "commit")
    assert told.sent[0][1] == first, "under the same id, by which the llm knows it"
    assert [each.participant_id for each in told.sent[2][1].addressees] == ["Ben"]


def test_who_interrupted_is_told_when_it_is_known() -> None:
    link, told = linked()
    link.heard(3, "In a white", interrupted=True)
    link.reply_to(4, Contribution("ann", "What colour?"))
    heard = [message for kind, message in told.sent if kind == "heard"]
    assert [(each.utterance_id, each.HasField("interrupted_by_id")) for each in heard] == [
        (heard[0].utterance_id, False),
        (heard[0].utterance_id, True),
    ]
    assert heard[1].interrupted_by_id == "ann"


def test_two_that_are_one_are_one_in_what_is_told_again() -> None:
    link, told = linked()
    link.note(Contribution("voice", "It is late."))
    link.merge("voice", "ann")
    told.sent.clear()
    link.opened("llm")
    assert [message.participant_id for _, message in told.sent] == ["ann"]


def test_only_the_latest_are_told_again() -> None:
    link, told = linked()
    for turn_id in range(1, 60):
        link.reply_to(turn_id, Contribution("ann", f"Question {turn_id}?"))
        link.heard(turn_id, f"Answer {turn_id}.", interrupted=False)
    told.sent.clear()
    link.opened("llm")
    assert 10 <= len(told.sent) <= 30
    assert told.sent[-1][1].text == "Answer 59."


def meant(**likely: float) -> list[common_pb2.Addressee]:
    """An opinion."""
    return [common_pb2.Addressee(participant_id=each, probability=share) for each, share in likely.items()]


@pytest.mark.parametrize(
    ("told", "evidence"),
    [
        (llm_pb2.Addressed(nearest=0.5), Evidence(0.5, None, None)),
        (llm_pb2.Addressed(nearest=0.5, likeness=0.0), Evidence(0.5, 0.0, None)),
        (llm_pb2.Addressed(nearest=0.5, addressees=meant(ann=0.75, june=0.25)), Evidence(0.5, None, 0.25)),
        (llm_pb2.Addressed(nearest=0.5, addressees=meant(ann=1.0)), Evidence(0.5, None, 0.0)),
    ],
)
def test_what_tells_who_is_meant_reaches_the_dialog_machine_as_it_was_told(told: llm_pb2.Addressed, evidence: Evidence) -> None:
    fed: list[ev.Event] = []
    link, _ = linked(fed.append)
    told.turn_id, told.text = 3, "Is it?"
    link.on_llm("addressed", told)
    assert fed == [ev.Addressed(7, 3, "Is it?", evidence)]
