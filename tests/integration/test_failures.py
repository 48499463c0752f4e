"""A service killed in the middle of a reply costs its own ability, not the session; and it comes back."""

from __future__ import annotations

import asyncio

import pytest

import vivant
from tests.harness.system import System
from tests.harness.talk import Talk, conversation, is_audible, plain
from tests.harness.waiting import PATIENCE_S
from vivant.errors import Full, Unavailable

VIDEO = vivant.Video("vp8", 256)
QUESTION = "What is the winter like where you live?"


async def begin(talk: Talk) -> int:
    """Asks, and returns the number of the reply once it is being spoken."""
    since = talk.mark
    await talk.session.send_text(QUESTION)
    return (await talk.speaking(since)).turn_id


async def restart(system: System, name: str) -> None:
    await asyncio.to_thread(system.restart, name)


def units_of(talk: Talk, turn_id: int) -> list[vivant.Unit]:
    return [unit for unit in talk.of(vivant.Unit) if unit.turn_id == turn_id]


async def test_without_its_face_the_voice_goes_on(fakes: System) -> None:
    async with conversation(fakes.address, video=VIDEO) as talk:
        turn_id = await begin(talk)
        fakes.kill("face")
        notice = await talk.notice("face_unavailable")
        assert notice.ability == "face"
        turn = await talk.until(vivant.Turn)
        assert not turn.interrupted
        assert turn.heard_text == turn.full_text
        units = units_of(talk, turn_id)
        positions = [unit.turn_sample for unit in units]
        assert positions == list(range(0, len(units) * 960, 960)), "a sample was lost or came twice"
        silent = [unit for unit in units if not is_audible(unit)]
        assert len(silent) <= 5, "only the commas are silent"
        assert any(unit.frame for unit in units)
        assert units[-1].frame is None

        await restart(fakes, "face")
        since = talk.mark
        await talk.notice("face_restored", since)
        first = await talk.until(vivant.Unit, lambda unit: unit.frame is not None, since=since)
        assert first.frame
        assert first.frame.keyframe
        again = await talk.ask(QUESTION)
        assert all(unit.frame for unit in units_of(talk, again.turn_id))
        indices = [unit.index for unit in talk.of(vivant.Unit)]
        assert indices == list(range(len(indices)))


async def test_without_its_voice_replies_are_text(fakes: System) -> None:
    async with conversation(fakes.address) as talk:
        turn_id = await begin(talk)
        fakes.kill("tts")
        await talk.notice("tts_unavailable")
        turn = await talk.until(vivant.Turn)
        assert plain(talk.captions(turn_id)) == plain(turn.full_text)
        mute = await talk.ask(QUESTION)
        assert not len(talk.voice(mute.turn_id))
        assert plain(talk.captions(mute.turn_id)) == plain(mute.full_text) == plain(mute.heard_text)

        await restart(fakes, "tts")
        since = talk.mark
        # A connection that was refused is tried again within 2 s; until then a reply is still text.
        while not talk.of(vivant.Notice, since):
            spoken = await talk.ask(QUESTION)
        await talk.notice("tts_restored", since)
        assert len(talk.voice(spoken.turn_id)) > 24_000


async def test_without_its_mind_it_apologises(fakes: System) -> None:
    async with conversation(fakes.address) as talk:
        await begin(talk)
        fakes.kill("llm")
        await talk.notice("llm_unavailable")
        await talk.notice("reply_cut_short")
        first = await talk.until(vivant.Turn)
        assert not first.interrupted, "what was said is played to its end"
        apology = await talk.ask(QUESTION)
        assert apology.full_text
        assert plain(apology.full_text) != plain(first.full_text)
        assert len(talk.voice(apology.turn_id)) > 6_000

        await restart(fakes, "llm")
        await talk.notice("llm_restored")
        assert plain((await talk.ask(QUESTION)).full_text)[:3] == plain(first.full_text)[:3]


async def test_a_mind_that_dies_while_it_thinks_is_apologised_for(fakes: System) -> None:
    async with conversation(fakes.address) as talk:
        await talk.session.send_text(QUESTION)
        await talk.until(vivant.StateChanged, lambda change: change.state is vivant.State.THINKING)
        fakes.kill("llm")
        turn = await talk.until(vivant.Turn)
        assert turn.heard_text
        assert len(talk.voice(turn.turn_id)) > 6_000


async def test_without_its_ears_typed_text_still_works(fakes: System) -> None:
    async with conversation(fakes.address, microphone=True) as talk:
        await begin(talk)
        fakes.kill("asr")
        await talk.notice("asr_unavailable")
        assert not (await talk.until(vivant.Turn)).interrupted
        assert (await talk.ask(QUESTION)).heard_text

        await restart(fakes, "asr")
        since = talk.mark
        await talk.notice("asr_restored", since)
        await talk.microphone.say("whatstheweatherlike.wav")
        final = await talk.until(vivant.Transcript, lambda heard: heard.final and not heard.typed, since=since)
        assert plain(final.text)[:2] == ["where", "did"]
        await talk.until(vivant.Turn, since=since)


async def test_without_turn_taking_a_pause_ends_the_turn(fakes: System) -> None:
    async with conversation(fakes.address, microphone=True) as talk:
        await begin(talk)
        fakes.kill("turn")
        await talk.notice("turn_unavailable")
        await talk.until(vivant.Turn)
        since = talk.mark
        await talk.microphone.say("whatstheweatherlike.wav")
        turn = await talk.until(vivant.Turn, since=since)
        assert turn.heard_text

        await restart(fakes, "turn")
        since = talk.mark
        await talk.notice("turn_restored", since)
        await talk.microphone.say("whatstheweatherlike.wav")
        await talk.until(vivant.Turn, since=since)


async def test_a_lost_orchestrator_is_reported_and_the_conversation_can_go_on_later(fakes: System) -> None:
    async with conversation(fakes.address) as talk:
        conversation_id = talk.session.ready.conversation_id
        await begin(talk)
        fakes.kill("orchestrator")
        await talk.ending()
        assert isinstance(talk.error, Unavailable)
        assert talk.error.reason == "connection_lost"
        with pytest.raises(Unavailable):
            await talk.session.send_text(QUESTION)
    with pytest.raises(Unavailable, match=f"nothing answers at {fakes.address}"):
        async with vivant.connect(fakes.address, timeout_s=0.3):
            pass

    await restart(fakes, "orchestrator")
    async with conversation(fakes.address, conversation_id=conversation_id) as talk:
        assert talk.session.ready.conversation_id == conversation_id
        assert (await talk.ask(QUESTION)).heard_text


async def test_a_full_service_refuses_at_once_and_takes_the_next_when_one_leaves(fakes: System) -> None:
    async with vivant.connect(fakes.address) as client:
        capacity = (await client.info()).orchestrator.capacity
        sessions = [client.converse() for _ in range(capacity)]
        for session in sessions:
            await session.__aenter__()
        with pytest.raises(Full, match=f"serves {capacity} streams already") as refused:
            await client.converse().__aenter__()
        assert refused.value.retryable
        for session in sessions:
            await session.close()
        async with asyncio.timeout(PATIENCE_S):
            while (await client.info()).orchestrator.active:  # noqa: ASYNC110 - another process, which tells nobody
                await asyncio.sleep(0.05)
        async with client.converse() as session:
            assert session.ready.missing == ()


async def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(fakes: System) -> None:
    async with conversation(fakes.address, microphone=True, video=VIDEO) as talk:
        await begin(talk)
    async with asyncio.timeout(PATIENCE_S), vivant.connect(fakes.address) as client:
        while busy := [each.service for each in (await client.info()).components if each.info and each.info.active]:
            assert set(busy) <= {"asr", "turn", "llm", "tts", "face"}
