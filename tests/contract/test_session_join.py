"""Several clients in one conversation, over real gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import numpy as np
import pytest
import pytest_asyncio

from services.common.audio import pcm_format
from services.orchestrator.session.session import Session
from services.orchestrator.settings import OrchestratorSettings
from tests.harness.grpc_server import Served, reason, refusal
from tests.harness.scripted_engines import addresses, scripted_engines
from tests.harness.session_talk import CHUNK, RATE, VP8, Request, Talk, audio, config, joined, opened, refusal_of, serving
from tests.harness.waiting import PATIENCE_S
from vivant.common.v1 import common_pb2
from vivant.session.v1 import session_pb2 as pb

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANN = common_pb2.Participant(id="a1", name="Ann")
BEN = common_pb2.Participant(id="b1", name="Ben")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def peers_address() -> AsyncIterator[str]:
    async with scripted_engines(LLM_OPENING="model", LLM_FAKE_REPLIES='["It is nice here."]') as engines:
        engines.ready()
        yield engines.address


@pytest_asyncio.fixture(loop_scope="session")
async def door(peers_address: str) -> AsyncIterator[Served]:
    async with serving(OrchestratorSettings(capacity=4, **addresses(peers_address))) as each:
        yield each


async def pair(door: Served, **fields: object) -> tuple[Talk, Talk]:
    """Ann has opened a conversation, and Ben has joined it."""
    ann = await opened(door, participant=ANN, output_video=VP8)
    ben = await joined(door, ann.of("ready")[0].conversation_id, participant=BEN, **fields)
    return ann, ben


async def test_who_joins_sees_and_hears_the_same_persona(door: Served) -> None:
    ann, ben = await pair(door, video=True)
    ready = ben.of("ready")[0]
    assert ready.session_id == ann.of("ready")[0].session_id
    assert (ready.participant.name, [other.name for other in ready.others]) == ("Ben", ["Ann"])
    assert ready.output_video == VP8
    assert (await ann.until("participant")).name == "Ben", "and the others are told"
    first = await ben.until("unit")
    assert first.frame.keyframe, "the first picture is a whole one"

    await ann.send(text=pb.TextInput(text="Is it nice there?"))
    turns = [await talk.until("turn") for talk in (ann, ben)]
    assert turns[0] == turns[1] and turns[0].heard_text
    units = [{unit.index: unit for unit in talk.of("unit") if unit.turn_id == turns[0].turn_id} for talk in (ann, ben)]
    common = units[0].keys() & units[1].keys()
    assert len(common) >= 0.9 * len(units[0]) > 0
    assert all(units[0][index].pcm == units[1][index].pcm for index in common)
    assert [caption.text for caption in ben.of("caption")] == [caption.text for caption in ann.of("caption")]
    assert [transcript.participant_id for transcript in ben.of("transcript")] == ["a1"]
    for talk in (ann, ben):
        talk.call.cancel()


async def test_each_speaks_under_their_own_name(door: Served) -> None:
    ann, ben = await pair(door)
    assert not ben.of("ready")[0].HasField("output_video")
    await ben.send(text=pb.TextInput(text="Are you there?"))
    transcript = await ann.until("transcript")
    assert (transcript.participant_id, transcript.stable_text) == ("b1", "Are you there?")
    turn = await ben.until("turn")
    assert list(turn.answers_utterance_ids) == [transcript.utterance_id]
    assert not any(unit.HasField("frame") for unit in ben.of("unit")), "no pictures were asked for"
    for talk in (ann, ben):
        talk.call.cancel()


async def test_who_joins_may_have_a_microphone_of_another_rate(door: Served) -> None:
    ann, ben = await pair(door, input_audio=pcm_format(48_000))
    tone = (np.sin(np.arange(960) * 0.07) * 8000).astype("<i2").tobytes()

    async def speak() -> None:
        began = asyncio.get_running_loop().time()
        for index in range(400):
            await ben.send(audio=pb.AudioChunk(pcm=tone if index < 50 else bytes(1920), start_sample=index * 960))
            await asyncio.sleep(max(0.0, began + (index + 1) * 0.02 - asyncio.get_running_loop().time()))

    speaking = asyncio.create_task(speak())
    while not (transcript := await ann.until("transcript")).final:
        pass
    assert transcript.participant_id == "b1"
    assert (await ann.until("turn")).heard_text
    speaking.cancel()
    await asyncio.gather(speaking, return_exceptions=True)
    for talk in (ann, ben):
        talk.call.cancel()


@pytest.mark.parametrize("leaving", ["finish", "cancel", "broken rule"])
@pytest.mark.parametrize("first", [True, False])
async def test_the_conversation_goes_on_without_whoever_leaves(door: Served, first: bool, leaving: str) -> None:
    ann, ben = await pair(door)
    goes, stays = (ann, ben) if first else (ben, ann)
    if leaving == "cancel":
        goes.call.cancel()
    elif leaving == "finish":
        await goes.send(finish=pb.Finish())
        await goes.rest()
        assert await goes.call.code() is grpc.StatusCode.OK
    else:
        await goes.send(text=pb.TextInput(text=" "))
        assert (await refusal(goes.rest()))[1] == "empty_text"
    assert (await stays.until("left")).participant_id == goes.of("ready")[0].participant.id
    await stays.send(text=pb.TextInput(text="Are you still there?"))
    assert (await stays.until("turn")).heard_text
    await stays.send(finish=pb.Finish())
    await stays.rest()
    assert door.admission.active == 0
    again = await refusal_of(door, Request(join=pb.Join(conversation_id=stays.of("ready")[0].conversation_id)))
    assert again[:2] == (grpc.StatusCode.NOT_FOUND, "unknown_conversation")


async def test_who_comes_back_with_the_same_id_has_a_microphone_that_begins_anew(door: Served) -> None:
    ann, ben = await pair(door, input_audio=pcm_format(RATE))
    await ben.send(audio=audio(0))
    await ben.send(audio=audio(CHUNK))
    ben.call.cancel()
    assert (await ann.until("left")).participant_id == "b1"
    again = await joined(door, ann.of("ready")[0].conversation_id, participant=BEN, input_audio=pcm_format(RATE))
    await again.send(audio=audio(0))
    await again.send(text=pb.TextInput(text="Are you there?"))
    assert (await again.until("turn")).heard_text
    for talk in (ann, again):
        talk.call.cancel()


async def test_who_is_alone_again_means_the_persona(door: Served) -> None:
    ann, ben = await pair(door)
    await ben.send(text=pb.TextInput(text="Ann, did you lock the door?"))
    await ann.until("transcript")
    ben.call.cancel()
    await ann.until("left")
    await ann.send(text=pb.TextInput(text="And now?"))
    assert (await ann.until("turn")).heard_text
    ann.call.cancel()


async def test_a_session_ends_when_whoever_opened_it_goes_before_it_is_open(
    door: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    connecting, go_on = asyncio.Event(), asyncio.Event()
    connect = Session._connect

    async def slowly(self: Session) -> None:
        connecting.set()
        await go_on.wait()
        await connect(self)

    monkeypatch.setattr(Session, "_connect", slowly)
    before = asyncio.all_tasks()
    talk = Talk(door.stub.Converse())
    await talk.send(config=config())
    await connecting.wait()
    [running] = [task for task in asyncio.all_tasks() - before if task.get_name().startswith("session-")]
    talk.call.cancel()
    async with asyncio.timeout(PATIENCE_S):
        while door.admission.active:
            await door.stub.GetInfo(pb.GetInfoRequest())
        go_on.set()
        await running


async def test_what_is_going_on_is_joined_and_not_opened_beside(door: Served) -> None:
    ann = await opened(door, conversation_id="c-1")
    again = Request(config=config(conversation_id="c-1"))
    code, why, detail = await refusal_of(door, again)
    assert (code, why) == (grpc.StatusCode.INVALID_ARGUMENT, "conversation_live")
    assert "`join`" in detail
    ben = await joined(door, "c-1")
    await ann.until("participant")
    ann.call.cancel()
    await ben.until("left")
    assert (await refusal_of(door, again))[1] == "conversation_live", "somebody is there"
    ben.call.cancel()


async def test_of_two_who_open_one_conversation_at_once_the_second_is_refused(door: Served) -> None:
    outcomes = await asyncio.gather(*(opened(door, conversation_id="c-2") for _ in range(2)), return_exceptions=True)
    assert [reason(each) for each in outcomes if isinstance(each, grpc.aio.AioRpcError)] == ["conversation_live"]
    [talk] = [each for each in outcomes if isinstance(each, Talk)]
    await talk.until("unit")
    talk.call.cancel()


async def test_a_conversation_that_is_just_ending_keeps_nobody_waiting(door: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = asyncio.Event()

    async def slowly(self: Session) -> None:
        await go_on.wait()

    monkeypatch.setattr(Session, "_remember", slowly)
    for _ in range(door.admission.capacity - 1):
        talk = await opened(door, conversation_id="c-3")
        talk.call.cancel()
    talk = await opened(door, conversation_id="c-3")
    ben = await joined(door, "c-3")
    assert ben.of("ready")[0].session_id == talk.of("ready")[0].session_id, "the one that goes on"
    for each in (talk, ben):
        each.call.cancel()
    go_on.set()


async def test_what_is_not_going_on_cannot_be_joined(door: Served) -> None:
    code, why, detail = await refusal_of(door, Request(join=pb.Join(conversation_id="nothing")))
    assert (code, why) == (grpc.StatusCode.NOT_FOUND, "unknown_conversation")
    assert "open it with its conversation_id" in detail


async def test_a_join_that_breaks_a_rule_is_refused_and_disturbs_nobody(door: Served) -> None:
    ann = await opened(door, participant=ANN)
    conversation_id = ann.of("ready")[0].conversation_id
    for fields, why in (
        ({"input_audio": pcm_format(44_100)}, "wrong_sample_rate"),
        ({"participant": common_pb2.Participant(id="june")}, "participant_is_persona"),
    ):
        answer = await refusal_of(door, Request(join=pb.Join(conversation_id=conversation_id, **fields)))
        assert answer[:2] == (grpc.StatusCode.INVALID_ARGUMENT, why)
    ben = await joined(door, conversation_id)
    await ben.send(audio=audio())
    assert (await refusal(ben.rest()))[1] == "no_input_audio"
    await ann.send(join=pb.Join(conversation_id=conversation_id))
    assert (await refusal(ann.rest()))[1] == "second_config"


async def test_a_new_name_is_told_to_all(door: Served) -> None:
    ann, ben = await pair(door)
    await ben.send(participant=common_pb2.Participant(id="b1", name="Benjamin"))
    while (told := await ann.until("participant")).name != "Benjamin":
        pass
    assert told.id == "b1"
    for talk in (ann, ben):
        talk.call.cancel()


async def test_what_is_not_built_yet_is_refused_as_that(door: Served) -> None:
    tool = common_pb2.Tool(name="weather", parameters_json="{}")
    code, why, _ = await refusal_of(door, Request(config=pb.ConverseConfig(tools=[tool])))
    assert (code, why) == (grpc.StatusCode.UNIMPLEMENTED, "tools_unimplemented")
    talk = await opened(door)
    await talk.send(tool_result=common_pb2.ToolResult(call_id="1", content_json="{}"))
    code, why, _ = await refusal(talk.rest())
    assert (code, why) == (grpc.StatusCode.UNIMPLEMENTED, "tools_unimplemented")


async def test_a_microphone_is_shared_where_nobody_is_named(door: Served) -> None:
    talk = await opened(door)
    me = talk.of("ready")[0].participant
    assert me.id and not me.HasField("name")
    await talk.send(audio=audio(0, CHUNK))
    await talk.send(text=pb.TextInput(text="Are you there?"))
    assert (await talk.until("transcript")).participant_id == me.id
    talk.call.cancel()
