"""Two servers behind one address: conversations go to them in turn, and to the other one where there is no place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

import vivant
from tests.harness.scripted_session import ScriptedSession, serving
from vivant import replicas
from vivant.errors import Full, NotFound


@asynccontextmanager
async def two() -> AsyncIterator[tuple[vivant.Client, list[ScriptedSession]]]:
    """A client that is connected with both."""
    async with AsyncExitStack() as stack:
        both = [await stack.enter_async_context(serving()) for _ in range(2)]
        ports = [address.rpartition(":")[2] for address, _ in both]
        address = ",".join(f"127.0.0.1:{port}" for port in ports)
        client = await stack.enter_async_context(vivant.connect(f"ipv4:{address}"))
        servers = [server for _, server in both]
        while not all(server.asked.is_set() for server in servers):
            await client.info()
        yield client, servers


async def test_conversations_go_to_both_in_turn() -> None:
    async with two() as (client, servers), AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(client.converse())
        assert [len(server.configs) for server in servers] == [2, 2]


async def test_a_server_that_is_full_leaves_it_to_the_other() -> None:
    async with two() as (client, servers), AsyncExitStack() as stack:
        servers[0].script.refuse = Full("session serves 4 streams already; try again later")
        for _ in range(5):
            session = await stack.enter_async_context(client.converse())
        assert [len(server.configs) for server in servers] == [0, 5]
        await session.send_text("Where did you grow up?")
        async for event in session:
            if isinstance(event, vivant.Turn):
                assert event.heard_text == "In a white house."
                break


async def test_when_all_are_full_that_is_the_answer() -> None:
    async with two() as (client, servers):
        for server in servers:
            server.script.refuse = Full("session serves 4 streams already; try again later")
        with pytest.raises(Full, match="serves 4 streams"):
            async with client.converse():
                pytest.fail("was let in")


async def test_a_conversation_is_joined_where_it_is() -> None:
    async with two() as (client, servers), AsyncExitStack() as stack:
        await stack.enter_async_context(client.converse(conversation_id="c1"))
        await stack.enter_async_context(client.converse(conversation_id="c2"))
        assert [len(server.configs) for server in servers] == [1, 1]
        for conversation_id in ("c1", "c1", "c2", "c2", "c1"):
            session = await stack.enter_async_context(client.join(conversation_id))
            assert session.ready.conversation_id == conversation_id
        with pytest.raises(NotFound, match="'c9'"):
            await stack.enter_async_context(client.join("c9"))
        # An unknown persona is unknown everywhere: nobody else is asked.
        tried = sum(len(server.configs) for server in servers)
        with pytest.raises(NotFound, match="no persona"):
            await stack.enter_async_context(client.converse("nobody"))
        assert sum(len(server.configs) for server in servers) == tried + 1


async def test_a_name_is_looked_up() -> None:
    async with serving() as (address, server), vivant.connect(f"dns:///{address}") as client, client.converse() as session:
        assert session.ready.conversation_id == "c1"
        assert len(server.configs) == 1


async def test_how_many_there_are() -> None:
    assert await replicas.count("localhost:50050") == 1
    assert await replicas.count("unix:/tmp/session.sock") == 1
    assert await replicas.count("ipv4:10.0.0.1:1,10.0.0.2:1,10.0.0.3:1") == 3
    assert await replicas.count("dns:///127.0.0.1:50050") == 1
    assert await replicas.count("dns:///[::1]:50050") == 1
    assert await replicas.count("dns:///nobody.invalid:50050") == 1
