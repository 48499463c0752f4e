"""A conversation outlives its stream, its process and its replica; what was said is on the disk before it is answered."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import grpc
import pytest

from environment import ROOT
from services.llm.memory import record
from services.llm.memory.sqlite import SqliteStore
from services.llm.memory.store import Entry, Key
from tests.harness.data import PERSONAS, holding
from tests.harness.grpc_server import reason
from tests.harness.llm_parts import fake_engine
from tests.harness.llm_service import Call, serving, utterance
from tests.harness.system import System, running
from tests.harness.waiting import PATIENCE_S
from vivant.channel import open_channel
from vivant.common.v1 import common_pb2
from vivant.llm.v1 import llm_pb2 as pb
from vivant.llm.v1 import llm_pb2_grpc

SISTER = "Do you have a sister?"
CONFIG: dict[str, Any] = {"conversation_id": "c1", "session_id": "s1"}


@pytest.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqliteStore]:
    # However busy this machine is, its disk does not hang.
    monkeypatch.setattr(record, "PATIENCE_S", 60)
    made = SqliteStore(tmp_path / "conversations.sqlite3", 3600)
    made.load()
    yield made
    await made.close()


async def finished(call: Call) -> None:
    """Returns when the stream has ended as it should."""
    await call.finish()
    assert await asyncio.wait_for(call._call.read(), PATIENCE_S) is grpc.aio.EOF


async def test_a_stream_goes_on_with_the_conversation_of_its_id(store: SqliteStore) -> None:
    async with serving(fake_engine(), store=store, opening="passage") as stub:
        ann = common_pb2.Participant(id="a", name="Ann", kind=common_pb2.PARTICIPANT_KIND_PERSON)
        async with Call(stub, **CONFIG, participants=[ann]) as call:
            await call.commit(1, SISTER, "a")
            await call.reply(1)
            await call.heard(1, "My sister Wren is two years older than me.")
            await finished(call)
        async with Call(stub, **CONFIG | {"session_id": "s2"}) as call:
            await call.commit(1, "And where does she live?", "a")
            assert "Cornwall" in (await call.reply(1))[0]
            await call.commit(2, "What's my name?", "a")
            assert (await call.reply(2))[0] == "You're Ann. "
            await finished(call)
        async with Call(stub, conversation_id="c2") as call:
            await call.commit(1, "What's my name?", "a")
            assert "Ann" not in (await call.reply(1))[0], "another conversation"
            await finished(call)


async def test_with_another_persona_the_id_is_refused(store: SqliteStore, tmp_path: Path) -> None:
    personas = tmp_path / "personas"
    for name in ("pip", "pop"):
        (personas / name).mkdir(parents=True)
        for file in (PERSONAS / "pip").glob("*.*"):
            (personas / name / file.name).write_bytes(file.read_bytes().replace(b'"pip"', f'"{name}"'.encode()))
    async with serving(fake_engine(), personas, store=store) as stub:
        async with Call(stub, **CONFIG) as call:
            await call.send(utterance=utterance("Hello."))
            await finished(call)
        await asyncio.wait_for(anext(aiter(stub.PreparePersona(pb.PreparePersonaRequest(persona_id="pop")))), PATIENCE_S)
        async with Call(stub, **CONFIG, persona_id="pop") as call:
            error = await call.refused()
            assert (error.code(), reason(error)) == (grpc.StatusCode.INVALID_ARGUMENT, "other_persona")


async def test_ids_are_never_shown_to_the_model(store: SqliteStore) -> None:
    engine = fake_engine("Is that so.")
    async with serving(engine, store=store) as stub, Call(stub, **CONFIG) as call:
        await call.send(utterance=utterance("I like the rain.", "id-of-ann", "id-of-bob"))
        await call.send(participant=common_pb2.Participant(id="id-of-bob", name="Bob"))
        await call.commit(1, "It rained on us all day long.", "id-of-bob")
        await call.reply(1)
        await call.heard(1, "Is that", interrupted=True, interrupted_by_id="id-of-ann")
        await call.send(relabel=common_pb2.Relabel(from_id="id-of-ann", to_id="id-of-eve"))
        await call.send(participant=common_pb2.Participant(id="id-of-eve", name="Eve"))
        await call.commit(2, "It rained and it rained.", "id-of-bob")
        await call.reply(2)
        await finished(call)
    seen = ["\n".join(message.content for message in prompt.messages) for _, prompt in engine.generated]
    assert "(Speaker 1 to Bob:) I like the rain." in seen[0]
    assert "(Eve to Bob:) I like the rain." in seen[1] and "Is that ... (Eve cut in)" in seen[1]
    assert not any("id-of" in prompt for prompt in seen)


async def test_what_is_answered_is_on_the_disk(store: SqliteStore, tmp_path: Path) -> None:
    async with serving(fake_engine(), store=store, opening="passage") as stub, Call(stub, **CONFIG) as call:
        with closing(sqlite3.connect(tmp_path / "conversations.sqlite3")) as disk:
            for turn_id in range(1, 10):
                await call.commit(turn_id, SISTER, utterance_id=f"u{turn_id}")
                assert (await call.read())[0] == "source"
                assert disk.execute("SELECT turn_id FROM utterances WHERE id = ?", (f"u{turn_id}",)).fetchone() == (turn_id,)
                await call.reply(turn_id)


async def test_a_store_that_fails_costs_no_reply(store: SqliteStore) -> None:
    async with serving(fake_engine(), store=store, opening="passage") as stub, Call(stub, **CONFIG) as call:
        store._db.execute("PRAGMA query_only = ON")
        await call.commit(1, SISTER)
        text, _, done = await call.reply(1)
        assert text.startswith("My sister Wren") and done.reason == "conversation_not_kept"
        assert "LLM_CONVERSATIONS" in done.message
        store._db.execute("PRAGMA query_only = OFF")
        await call.commit(2, SISTER)
        assert not (await call.reply(2))[2].HasField("reason")
        await finished(call)


# --- processes of their own ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("llm")


def changes(folder: Path) -> dict[str, str]:
    return {
        "LLM_ENGINE": "fake",
        "LLM_OPENING": "passage",
        "LLM_PERSONA": "pip",
        "VIVANT_PERSONAS_DIR": str(PERSONAS),
        "LLM_EMBEDDINGS_DIR": str(folder / "embeddings"),
        "LLM_CONVERSATIONS": str(folder / "kept" / "conversations.sqlite3"),
    }


@pytest.fixture(scope="module")
def first(folder: Path) -> Iterator[System]:
    """The llm service in a process of its own."""
    (folder / "first").mkdir()
    with running(folder / "first", changes(folder), ["llm"]) as system:
        yield system


@asynccontextmanager
async def talking(system: System, conversation_id: str, session_id: str) -> AsyncIterator[Call]:
    async with open_channel(f"127.0.0.1:{system.settings['llm'].port}") as channel:
        async with Call(llm_pb2_grpc.LlmServiceStub(channel), conversation_id=conversation_id, session_id=session_id) as call:
            yield call


async def test_a_process_that_is_killed_has_forgotten_nothing(first: System) -> None:
    async with talking(first, "killed", "s1") as call:
        await call.commit(1, "I'm Tom Baker, and do you have a sister?")
        await call.reply(1)
        await call.heard(1, "Good to meet you, Tom. My sister Wren is two years older than me.")
        await call.commit(2, "What's my dog called?", utterance_id="asked-last")
        await call.read()
        await asyncio.to_thread(first.kill, "llm")
    await asyncio.to_thread(first.restart, "llm")
    async with talking(first, "killed", "s1") as call:
        # Nobody knows what got through: it is sent again.
        await call.send(utterance=utterance("What's my dog called?", utterance_id="asked-last"))
        await call.commit(3, "And where does your sister live?")
        assert "Cornwall" in (await call.reply(3))[0]
        await call.commit(4, "What's my name?")
        assert (await call.reply(4))[0] == "You told me you're Tom. "
        await finished(call)


async def test_a_replica_goes_on_where_the_other_was(first: System, folder: Path) -> None:
    (folder / "second").mkdir(exist_ok=True)
    with running(folder / "second", changes(folder), ["llm"]) as second:
        places = [first, second]
        async with talking(first, "shared", "s1") as call:
            await call.commit(1, "My dog is called Rex. The weather is fine.")
            await call.reply(1)
            await finished(call)
        for turn in range(2, 6):
            async with talking(places[turn % 2], "shared", f"s{turn}") as call:
                await call.commit(turn, "What's my dog called?")
                assert (await call.reply(turn))[0] == "You told me your dog is called Rex. "
                await finished(call)


async def conversations(path: Path, *arguments: str) -> tuple[int, list[str]]:
    """What the command of that name ends with and says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "services.llm.memory.conversations", *arguments),
        cwd=ROOT,
        env=os.environ | {"LLM_CONVERSATIONS": str(path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    told, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, told.decode().splitlines()


async def test_what_is_kept_can_be_looked_through_and_deleted(store: SqliteStore, tmp_path: Path) -> None:
    path = tmp_path / "conversations.sqlite3"
    keys = [Key(f"c{number}", "pip") for number in (1, 2, 3)]
    for key in keys:
        await store.add(key, Entry("ana", "xylophone", id="u1"), ())
    status, told = await conversations(path, "list")
    assert status == 0
    assert [line.split()[2:] for line in told] == [[key.conversation_id, "pip", "1", "utterances"] for key in keys[::-1]]
    assert await conversations(path, "delete", "c2", "c9") == (0, ["c2: deleted", "c9: there is no such conversation"])
    assert [bool((await store.open(key)).entries) for key in keys] == [True, False, True], "the service sees it, too"
    await conversations(path, "delete", "--all")
    assert not holding(tmp_path, b"xylophone")
    await store.add(keys[0], Entry("ana", "Hello again.", id="u1"), ())
    assert len((await store.open(keys[0])).entries) == 1, "and works on"
    assert await conversations(tmp_path / "no", "list") == (0, [f"There are no conversations in {tmp_path / 'no'}."])
    assert (await conversations(path, "delete"))[0] == 2
