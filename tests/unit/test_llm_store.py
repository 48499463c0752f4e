"""The store of conversations: what is kept, in which order, for how long, and what a file says that cannot be used."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from services.llm.memory import sqlite
from services.llm.memory.sqlite import SqliteStore
from services.llm.memory.store import MAX_ENTRIES, Addressee, Entry, Kept, Key, Participant
from tests.harness.data import holding
from tests.harness.waiting import until
from vivant.errors import InvalidRequest, Unavailable, Unusable

DAY_S = 24 * 3600
KEY = Key("c1", "pip")
ASKED = Entry("ana", "Where were you born?", id="u1", session_id="s1", turn_id=1)
HEARD = Entry("pip", "I was born on", id="u2", session_id="s1", turn_id=1, interrupted=True)
WHOLE = Entry(
    "ana",
    "Pass the salt.",
    id="u3",
    addressees=(Addressee("ben", 0.75), Addressee("pip", 0.25), Addressee("cy")),
    language="en-GB",
    started_unix_us=1_700_000_000_000_000,
    ended_unix_us=1_700_000_001_000_000,
    session_id="s1",
    interrupted=True,
    interrupted_by="ben",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vivant" / "conversations.sqlite3"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(path, 30 * DAY_S)
    made.load()
    yield made
    await made.close()


async def reopened(path: Path, key: Key = KEY) -> Kept:
    """What another process would find."""
    store = SqliteStore(path, 30 * DAY_S)
    store.load()
    try:
        return await store.open(key)
    finally:
        await store.close()


async def test_an_utterance_is_kept_as_it_is(store: SqliteStore, path: Path) -> None:
    people = (Participant("ana", "Ana"), Participant("ben"), Participant("pip", is_persona=True))
    await store.add(KEY, WHOLE, people)
    assert await store.open(KEY) == await reopened(path) == Kept(people, (WHOLE,))
    assert await store.open(Key("c2", "june")) == Kept(), "another conversation has nothing of it"


async def test_an_utterance_may_be_sent_again(store: SqliteStore) -> None:
    for entry in (ASKED, HEARD, ASKED, Entry("ana", "Other words.", id="u1")):
        await store.add(KEY, entry, ())
    assert (await store.open(KEY)).entries == (ASKED, HEARD)
    again = Entry("ana", ASKED.text, id="u1", session_id="s2", turn_id=4)
    await store.add(KEY, again, ())
    assert (await store.open(KEY)).entries == (again, HEARD), "asked again in another turn, it belongs to that one"


async def test_what_was_heard_is_replaced_where_it_stands(store: SqliteStore) -> None:
    await store.replace(KEY, HEARD, ())
    await store.add(KEY, WHOLE, ())
    more = Entry("pip", "I was born on Gull", id="u2", session_id="s1", turn_id=1, interrupted=True, interrupted_by="ana")
    await store.replace(KEY, more, ())
    assert (await store.open(KEY)).entries == (more, WHOLE)
    await store.replace(KEY, Entry("pip", "", id="u2", session_id="s1", turn_id=1), ())
    assert (await store.open(KEY)).entries == (WHOLE,), "nothing was heard of it after all"


async def test_a_turn_is_forgotten_and_one_of_that_number_in_another_session_is_not(store: SqliteStore) -> None:
    other = Entry("ana", "Do you have a sister?", id="u9", session_id="s2", turn_id=1)
    for entry in (ASKED, HEARD, WHOLE, other):
        await store.add(KEY, entry, ())
    await store.forget(KEY, "s1", 1)
    assert (await store.open(KEY)).entries == (WHOLE, other)


async def test_a_name_stays_until_another_is_given(store: SqliteStore) -> None:
    await store.add(KEY, ASKED, [Participant("ana"), Participant("ben", "Ben")])
    await store.meet(KEY, [Participant("ana", "Anna"), Participant("ben")])
    assert (await store.open(KEY)).participants == (Participant("ana", "Anna"), Participant("ben", "Ben"))


async def test_whoever_is_somebody_known_was_so_before(store: SqliteStore) -> None:
    await store.add(KEY, WHOLE, [Participant("voice2", "Tom"), Participant("ana"), Participant("ben", "Ben")])
    await store.relabel(KEY, "voice2", "ana")
    await store.relabel(KEY, "ben", "voice3")
    kept = await store.open(KEY)
    assert kept.participants == (Participant("ana", "Tom"), Participant("voice3", "Ben"))
    (entry,) = kept.entries
    assert entry.interrupted_by == "voice3" and [each.participant_id for each in entry.addressees] == ["voice3", "pip", "cy"]
    await store.relabel(KEY, "ana", "eve")
    assert (await store.open(KEY)).entries[0].participant_id == "eve"


async def test_a_conversation_is_one_with_one_persona(store: SqliteStore) -> None:
    await store.add(KEY, ASKED, ())
    with pytest.raises(InvalidRequest, match="'c1' is one with 'pip', not with 'june'") as caught:
        await store.open(Key("c1", "june"))
    assert caught.value.reason == "other_persona"


async def test_of_a_long_conversation_the_end_is_read(store: SqliteStore) -> None:
    numbers = [Entry("ana", str(number), id=f"u{number}") for number in range(MAX_ENTRIES + 5)]
    await asyncio.gather(*(store.add(KEY, entry, ()) for entry in numbers))
    assert (await store.open(KEY)).entries == tuple(numbers[5:])


async def test_conversations_are_deleted_when_their_time_is_over(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(path, 30 * DAY_S)
    store.load()
    now = sqlite._now_us()
    for key, days in ((KEY, 31), (Key("c2", "pip"), 29)):
        monkeypatch.setattr(sqlite, "_now_us", lambda days=days: now - days * DAY_S * 1_000_000)
        await store.add(key, ASKED, [Participant("ana")])
    monkeypatch.setattr(sqlite, "_now_us", lambda: now)
    await store.open(Key("c3", "pip"))
    assert await store.open(KEY) == Kept()
    assert len((await store.open(Key("c2", "pip"))).entries) == 1
    await store.close()
    with sqlite3.connect(path) as db:
        assert [db.execute(f"SELECT count(*) FROM {table}").fetchone() for table in ("utterances", "participants")] == [
            (1,),
            (1,),
        ]
    db.close()


async def test_what_is_deleted_is_not_in_the_file_any_more(path: Path) -> None:
    store = SqliteStore(path, DAY_S)
    store.load()
    await store.add(KEY, Entry("ana", "xylophone " * 200, id="u1", session_id="s1", turn_id=1), ())
    await store.forget(KEY, "s1", 1)
    await store.close()
    assert not holding(path.parent, b"xylophone")


async def test_what_is_kept_is_flushed_soon(store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_FLUSHED_S", 0.01)
    for text in ("xylophone", "zither"):
        await store.add(KEY, Entry("ana", text, id=text), ())
        await until(lambda text=text: path.name in holding(path.parent, text.encode()))


async def test_nobody_else_can_read_it(store: SqliteStore, path: Path) -> None:
    await store.add(KEY, ASKED, ())
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path, path.with_name(f"{path.name}-wal"))] == [0o600, 0o600]
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_without_a_file_it_is_kept_in_memory() -> None:
    store = SqliteStore(None, 3600)
    store.load()
    await store.add(KEY, ASKED, ())
    assert (await store.open(KEY)).entries == (ASKED,)
    await store.close()


async def test_two_may_write_at_the_same_time(path: Path) -> None:
    stores = [SqliteStore(path, 30 * DAY_S) for _ in range(2)]
    await asyncio.gather(*(asyncio.to_thread(store.load) for store in stores))
    entries = [Entry("ana", "Yes.", id=f"u{number}") for number in range(40)]
    await asyncio.gather(*(stores[at % 2].add(KEY, entry, ()) for at, entry in enumerate(entries)))
    found = [await store.open(KEY) for store in stores]
    assert found[0] == found[1] and {entry.id for entry in found[0].entries} == {entry.id for entry in entries}
    for store in stores:
        await store.close()


def nonsense(path: Path) -> None:
    path.write_bytes(b"What was said is nobody else's to read. " * 100)


def newer(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()


def folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [(nonsense, "something else; name another place"), (newer, "newer Vivant"), (folder, "name another place")],
)
def test_a_file_that_cannot_be_used_is_named_at_start(path: Path, spoil: Callable[[Path], None], told: str) -> None:
    path.parent.mkdir()
    spoil(path)
    with pytest.raises(Unusable, match=told) as caught:
        SqliteStore(path, DAY_S).load()
    assert caught.value.reason == "store_unusable"
    assert str(path) in caught.value.message and "LLM_CONVERSATIONS" in caught.value.message


@pytest.mark.parametrize(
    ("spoil", "told"),
    [("PRAGMA max_page_count = 1", "the disk is full; free some space"), ("PRAGMA query_only = ON", "it cannot be written")],
)
async def test_a_disk_that_fails_says_what_to_do_and_is_used_again_when_it_can_be(
    store: SqliteStore, spoil: str, told: str
) -> None:
    await store.add(KEY, ASKED, ())
    store._db.execute(spoil)
    with pytest.raises(Unavailable, match=told) as caught:
        await store.add(KEY, Entry("ana", "long " * 800, id="u5"), ())
    assert caught.value.reason == "conversation_not_kept"
    assert (await store.open(KEY)).entries == (ASKED,), "what is there can be read"
    store._db.execute("PRAGMA query_only = OFF")
    store._db.execute("PRAGMA max_page_count = 1000000")
    await store.add(KEY, WHOLE, ())
    assert (await store.open(KEY)).entries == (ASKED, WHOLE)
