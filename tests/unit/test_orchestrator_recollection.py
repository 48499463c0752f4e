"""What the orchestrator remembers of a conversation, and for whom."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from google.protobuf.message import Message

from services.orchestrator.dialog.events import Contribution
from services.orchestrator.session.persona_link import PersonaLink
from services.orchestrator.session.recollection import KEPT_S, MOST_CONVERSATIONS, MOST_ITEMS, Conversations, Recollection
from vivant.llm.v1 import llm_pb2


def item(text: str) -> llm_pb2.HistoryItem:
    return llm_pb2.HistoryItem(speaker="Spk1", text=text)


def texts(said: Recollection) -> list[str]:
    return [item.text for item in said.items]


def test_it_holds_what_was_said_and_heard_and_not_what_was_taken_back() -> None:
    said = Recollection("june", [])
    said.add(1, item("Where did you"))
    said.forget(1)
    said.add(2, item("Where did you grow up?"))
    said.heard(2, "In Maine, by", interrupted=True)
    said.add(0, item("Ben, look!"))
    said.heard(3, "", interrupted=True)
    assert texts(said) == ["Where did you grow up?", "In Maine, by", "Ben, look!"]
    assert [(one.speaker, one.interrupted) for one in said.items] == [("Spk1", False), ("june", True), ("Spk1", False)]


def test_what_was_heard_may_be_corrected() -> None:
    said = Recollection("june", [])
    said.add(1, item("Where?"))
    said.heard(1, "In Maine, by the sea.", interrupted=False)
    said.add(2, item("Oh."))
    said.heard(1, "In Maine,", interrupted=True)
    assert texts(said) == ["Where?", "In Maine,", "Oh."]
    said.heard(1, "", interrupted=True)
    assert texts(said) == ["Where?", "Oh."]


def test_it_is_bounded() -> None:
    said = Recollection("june", [])
    for number in range(MOST_ITEMS + 5):
        said.add(number, item(str(number)))
    assert texts(said)[0] == "5"
    assert len(said.items) == MOST_ITEMS


def test_a_conversation_goes_on_with_the_same_persona_within_its_time() -> None:
    now = [0.0]
    kept = Conversations(lambda: now[0])
    said = kept.open("c", "june")
    said.add(1, item("Hello"))
    kept.keep("c", "june", said)
    now[0] = KEPT_S
    back = kept.open("c", "june")
    assert texts(back) == ["Hello"]
    kept.keep("c", "june", back)
    assert texts(kept.open("c", "pip")) == []
    kept.keep("c", "june", back)
    now[0] += KEPT_S + 1
    assert texts(kept.open("c", "june")) == []


def test_the_oldest_conversation_is_forgotten_first() -> None:
    kept = Conversations(lambda: 0.0)
    for number in range(MOST_CONVERSATIONS + 1):
        said = Recollection("june", [item(str(number))])
        kept.keep(str(number), "june", said)
    assert texts(kept.open("0", "june")) == []
    assert texts(kept.open("1", "june")) == ["1"]


class Line:
    """A link that keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Message]] = []

    def link(self, ability: str, config: Any) -> Line:
        return self

    def send(self, **payload: Message) -> None:
        self.sent += payload.items()


def a_link(line: Line, said: Recollection) -> PersonaLink:
    abilities = SimpleNamespace(lost=frozenset())
    parts: Any = (line, SimpleNamespace(), said, SimpleNamespace(), SimpleNamespace())
    return PersonaLink(*parts, abilities=cast(Any, abilities), persona="june", conversation_id="c")


def test_who_speaks_next_is_the_one_who_has_interrupted() -> None:
    line, said = Line(), Recollection("june", [])
    persona_link = a_link(line, said)
    persona_link.reply_to(1, Contribution("Ann", "Where did you grow up?"))
    persona_link.heard(1, "In a white house", interrupted=True)
    assert [one.interrupted_by for one in said.items] == ["", ""]
    persona_link.reply_to(3, Contribution("Bob", "No, wait."))
    assert [(one.speaker, one.interrupted_by) for one in said.items] == [("Ann", ""), ("june", "Bob"), ("Bob", "")]
    assert [kind for kind, _ in line.sent] == ["commit", "heard", "heard", "commit"], "the persona knows before it answers"
    persona_link.heard(1, "In a white", interrupted=True)
    persona_link.note(Contribution("Ann", "Let her finish, Bob."))
    assert [one.interrupted_by for one in said.items if one.speaker == "june"] == ["Bob"]


def test_nobody_has_interrupted_what_was_told_to_its_end() -> None:
    line, said = Line(), Recollection("june", [])
    persona_link = a_link(line, said)
    persona_link.heard(1, "In a white house.", interrupted=False)
    persona_link.note(Contribution("Bob", "Nice."))
    assert [one.interrupted_by for one in said.items] == ["", ""]
