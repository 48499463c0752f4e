"""The client package: waiting for a system that starts, and never waiting for one that cannot go on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import vivant
from deploy.addresses import free_port
from tests.harness.scripted_session import Script, serving
from tests.harness.waiting import PATIENCE_S, until
from vivant import _outgoing, _wire, conversation, errors
from vivant.channel import open_channel


async def test_services_that_load_are_waited_for() -> None:
    told: list[tuple[str, float]] = []
    async with serving(Script(loading=3)) as (address, _), vivant.connect(address) as client:
        with pytest.raises(errors.Unavailable, match="llm is still loading") as caught:
            async with client.converse():
                pytest.fail("was let in")
        assert caught.value.reason == "loading" and caught.value.retryable
        system = await client.wait_ready(on_progress=lambda reason, seconds: told.append((reason, seconds)))
        assert system.loading == ()
        # What is missing for good is not waited for.
        assert [item.service for item in system.components if not item.ready] == ["tts"]
        async with client.converse():
            pass
    assert [reason for reason, _ in told] == ["llm is loading"] * 3
    assert [seconds for _, seconds in told] == sorted(seconds for _, seconds in told)


async def test_patience_ends_and_names_what_was_waited_for() -> None:
    async with serving(Script(loading=10**6)) as (address, _), vivant.connect(address) as client:
        with pytest.raises(errors.Timeout, match="llm is loading") as caught:
            await client.wait_ready(0.2)
    assert caught.value.reason == "not_ready" and caught.value.retryable


async def test_a_server_that_is_started_again_is_waited_for() -> None:
    with free_port() as port:
        async with serving(port=port) as (address, _):
            pass
        async with open_channel(address) as channel:
            client = vivant.Client(channel, address)
            told = asyncio.Event()
            waiting = asyncio.create_task(client.wait_ready(on_progress=lambda reason, seconds: told.set()))
            await told.wait()
            async with serving(port=port):
                assert (await waiting).personas[0].id == "june"


@pytest.mark.parametrize("text", ["caf\udce9", "nul \0", "\u200b"])
async def test_a_text_that_cannot_be_sent_is_refused_at_the_call_and_costs_nothing(text: str) -> None:
    async with serving() as (address, server), vivant.connect(address) as client:
        async with client.converse() as session:
            with pytest.raises(errors.InvalidRequest):
                await session.send_text(text)
            with pytest.raises(errors.InvalidRequest, match="participant: character 1"):
                await session.send_text("Hello?", participant="\udcff")
            with pytest.raises(errors.InvalidRequest, match="addressee: character 1"):
                await session.send_text("Hello?", addressees="\udcff")
            await session.send_text(" Hello? \n")
            await session.finish()
            async for _ in session:
                pass
    assert [item.text for item in server.seen["text"]] == ["Hello?"]


@pytest.mark.parametrize("name", ["persona", "participant", "conversation_id", "language"])
async def test_a_name_that_cannot_be_sent_is_refused_at_the_call(name: str) -> None:
    async with serving() as (address, _), vivant.connect(address) as client:
        with pytest.raises(errors.InvalidRequest, match=f"{name}: character 2 is not Unicode") as caught:
            client.converse(**{name: "x\udcff"})  # type: ignore[arg-type]
    assert caught.value.reason == "bad_unicode"


async def within(seconds: float, session: vivant.Session) -> list[vivant.Event]:
    """Everything up to the end of the iteration, which must come."""
    async with asyncio.timeout(seconds):
        return [event async for event in session]


async def test_an_event_that_cannot_be_read_ends_the_iteration_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the task that reads dies of, whoever iterates does not wait for ever."""

    def broken(item: Any) -> vivant.Event:
        raise OverflowError("date value out of range")

    async with serving() as (address, server), vivant.connect(address) as client, client.converse() as session:
        monkeypatch.setitem(_wire._READERS, "transcript", broken)
        await session.send_text("Hello?")
        with pytest.raises(errors.Internal, match=r"cannot be read .OverflowError: date value") as caught:
            await within(20, session)
        assert caught.value.reason == "bad_response"
        async with asyncio.timeout(PATIENCE_S):
            await server.ended.wait()


async def test_a_connection_that_is_closed_under_a_session_ends_its_iteration() -> None:
    async with serving(Script(unit_s=0.001)) as (address, server):
        async with vivant.connect(address) as client:
            session = await client.converse().__aenter__()
            # More than the queue holds.
            await until(lambda: server.sent_units > conversation.MAX_WAITING_EVENTS)
        with pytest.raises(errors.Unavailable, match="was lost in the middle"):
            await within(20, session)
        await session.close()


async def test_a_server_that_takes_nothing_ends_the_iteration_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_outgoing, "SEND_TIMEOUT_S", 0.3)

    async with serving() as (address, server), vivant.connect(address) as client:
        async with client.converse(microphone=16_000) as session:

            async def stuck(self: Any, chunk: Any, own: str) -> None:
                await asyncio.Event().wait()

            monkeypatch.setattr("tests.harness.scripted_session.Talk.on_audio", stuck)
            with pytest.raises(errors.Timeout, match="has taken nothing"):
                while True:
                    await session.send_audio(bytes(64_000))
            with pytest.raises(errors.Timeout, match="has taken nothing"):
                await within(20, session)
    assert server.configs
