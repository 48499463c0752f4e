"""The record of a conversation: the same in memory and in the store, which may fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.llm.memory import record as records
from services.llm.memory.record import Record
from services.llm.memory.sqlite import SqliteStore
from services.llm.memory.store import Addressee, Entry, Kept, Key, Participant
from services.llm.persona.persona import load_persona
from tests.harness.data import PERSONAS
from vivant.errors import InvalidRequest, Unavailable

PIP = load_persona(PERSONAS, "pip")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy this machine is, its memory does not hang."""
    monkeypatch.setattr(records, "PATIENCE_S", 60)


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    made = SqliteStore(None, 3600)
    made.load()
    yield made
    await made.close()


async def opened(store: Any, session_id: str = "s1", max_words: int = 240) -> Record:
    record = Record(PIP, max_words, session_id)
    await record.open(store, "c1")
    return record


def said(text: str, speaker: str = "a", *, session: str = "s1", turn: int = 0, to: str = "") -> Entry:
    addressees = (Addressee(to),) if to else ()
    return Entry(speaker, text, id=f"{session}/{speaker}/{text}", addressees=addressees, session_id=session, turn_id=turn)


def reply(text: str, turn: int, session: str = "s1", **more: Any) -> Entry:
    return Entry("pip", text, id=f"{session}/reply/{turn}", session_id=session, turn_id=turn, **more)


def shown(record: Record) -> list[tuple[str, str]]:
    return [(item.speaker, item.text) for item in record.said]


async def test_what_is_read_again_is_what_was_in_memory(store: SqliteStore) -> None:
    first = await opened(store)
    first.meet(Participant("a", "Ana"))
    first.add(said("Where were you born?", turn=1))
    first.add(said("Pass the salt.", "b", to="a"))
    first.heard(reply("I was born on", 1, interrupted=True))
    first.add(said("Wait, I'm Bob Miller.", "b", turn=2))
    first.heard(reply("I was born on", 1, interrupted=True, interrupted_by="b"))
    first.add(said("Never mind.", turn=3))
    first.forget(3)
    first.heard(reply("Hello Bob.", 4))
    first.heard(reply("", 4))
    await first.kept()
    again = await opened(store, "s2")
    assert again.said == first.said
    assert shown(again) == [
        ("Ana", "Where were you born?"),
        ("pip", "I was born on"),
        ("Bob", "Pass the salt."),
        ("Bob", "Wait, I'm Bob Miller."),
    ]
    assert (again.said[1].interrupted_by, again.said[2].addressee) == ("Bob", "Ana")


async def test_turns_of_another_session_are_others(store: SqliteStore) -> None:
    first = await opened(store)
    first.add(said("Where were you born?", turn=1))
    first.heard(reply("On Gull Rock.", 1))
    await first.kept()
    again = await opened(store, "s2")
    again.add(said("How old are you?", session="s2", turn=1))
    assert len(again.before(1)) == 2, "what was said before this turn"
    again.heard(reply("Old enough.", 1, "s2"))
    again.forget(1)
    await again.kept()
    assert shown(again) == shown(await opened(store, "s3")) == [("Speaker 1", "Where were you born?"), ("pip", "On Gull Rock.")]


async def test_what_is_sent_again_is_there_once_and_in_its_place(store: SqliteStore) -> None:
    first = await opened(store)
    asked, heard = said("Where were you born?", turn=1), reply("On Gull Rock.", 1)
    first.add(asked)
    first.heard(heard)
    await first.kept()
    again = await opened(store)
    for _ in range(2):
        again.add(said("Where were you born?"))
        again.heard(heard)
    assert shown(again) == [("Speaker 1", "Where were you born?"), ("pip", "On Gull Rock.")]
    # It is asked once more, since nobody answered: then it is the question of that turn, and not before it.
    again.add(said("Where were you born?", turn=7))
    assert [item.text for item in again.before(7)] == ["On Gull Rock."]


async def test_what_was_dropped_from_memory_does_not_come_back_as_new(store: SqliteStore) -> None:
    record = await opened(store, max_words=12)
    old = said("one two three four five")
    for entry in (old, said("six seven eight nine ten"), said("eleven twelve thirteen fourteen")):
        record.add(entry)
    assert [item.text for item in record.said] == ["eleven twelve thirteen fourteen"]
    record.add(old)
    assert [item.text for item in record.said] == ["eleven twelve thirteen fourteen"]
    await record.kept()
    assert len((await store.open(Key("c1", "pip"))).entries) == 3


async def test_a_reply_of_which_nothing_was_heard_may_be_heard_after_all(store: SqliteStore) -> None:
    record = await opened(store)
    for text in ("On Gull", "", "On Gull Rock."):
        record.heard(reply(text, 1))
    await record.kept()
    assert shown(record) == shown(await opened(store)) == [("pip", "On Gull Rock.")]


async def test_who_says_a_name_is_called_so_from_then_on_and_before(store: SqliteStore) -> None:
    record = await opened(store)
    record.add(said("Hello there."))
    record.add(said("Is anybody in?", "b"))
    assert shown(record)[0][0] == "Speaker 1"
    assert record.add(said("I'm Tom Baker, hello.")).speaker == "Tom"
    record.meet(Participant("b", "Bea"))
    record.relabel("b", "c")
    await record.kept()
    assert [speaker for speaker, _ in shown(await opened(store, "s2"))] == ["Tom", "Bea", "Tom"]
    kept = await store.open(Key("c1", "pip"))
    assert kept.participants == (Participant("a", "Tom"), Participant("c", "Bea"))


async def test_of_who_was_only_there_nothing_is_kept(store: SqliteStore) -> None:
    record = await opened(store)
    record.meet(Participant("a", "Ana"))
    record.relabel("a", "b")
    record.forget(1)
    await record.kept()
    assert await store.open(Key("c1", "pip")) == Kept()
    other = Record(PIP, 240)
    await other.open(store, "c1")


async def test_another_persona_is_refused(store: SqliteStore) -> None:
    await store.add(Key("c1", "june"), said("Hello."), ())
    with pytest.raises(InvalidRequest):
        await opened(store)


class Spoilt:
    """A store that does what it is told only when it is let, and fails when it is broken."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.free = asyncio.Event()
        self.broken = False

    async def open(self, key: Key) -> Kept:
        self._check()
        return Kept()

    async def add(self, key: Key, entry: Entry, participants: object) -> None:
        await self.free.wait()
        self._check()
        self.done.append(entry.text)

    def _check(self) -> None:
        if self.broken:
            raise Unavailable("the disk is full; free some space", reason="conversation_not_kept")


async def test_changes_are_written_in_their_order_and_waited_for() -> None:
    store = Spoilt()
    record = await opened(store)
    for text in ("one", "two", "three"):
        record.add(said(text))
    waiting = asyncio.create_task(record.kept())
    await asyncio.sleep(0)
    assert not waiting.done() and len(record.said) == 3, "memory does not wait"
    store.free.set()
    await waiting
    assert store.done == ["one", "two", "three"] and record.take_problem() is None


async def test_a_store_that_fails_costs_memory_and_is_told_once() -> None:
    store = Spoilt()
    store.free.set()
    store.broken = True
    record = await opened(store)
    assert record.take_problem() is not None
    record.add(said("one"))
    await record.kept()
    problem = record.take_problem()
    assert problem is not None and problem.reason == "conversation_not_kept"
    assert record.take_problem() is None and shown(record) == [("Speaker 1", "one")]
    store.broken = False
    record.add(said("two"))
    await record.kept()
    assert store.done == ["two"] and record.take_problem() is None


async def test_a_disk_that_hangs_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "PATIENCE_S", 0.01)
    store = Spoilt()
    record = await opened(store)
    record.add(said("one"))
    await record.kept()
    problem = record.take_problem()
    assert problem is not None and "hangs" in problem.message
    store.free.set()
    await record.kept()
    assert store.done == ["one"]


async def test_without_a_store_nothing_is_kept() -> None:
    record = Record(PIP, 240, "s1")
    record.add(said("one"))
    record.heard(reply("two", 1))
    record.relabel("a", "b")
    record.forget(1)
    await record.kept()
    assert shown(record) == [("Speaker 1", "one")] and record.take_problem() is None
