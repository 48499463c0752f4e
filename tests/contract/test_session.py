"""The session contract over real gRPC: the orchestrator and scripted engines behind one server, in this process."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import pytest_asyncio

from services.common.audio import pcm_format
from services.common.metrics import SERVED, SERVED_BY_ALL
from services.orchestrator.dialog import events, machine
from services.orchestrator.links import clients, synthesis
from services.orchestrator.links.clients import Peers
from services.orchestrator.settings import OrchestratorSettings
from services.tts.engine import Speech
from services.tts.engines.fake import FakeEngine
from services.turn.engines.session import TurnSession
from tests.harness.grpc_server import Served, refusal
from tests.harness.scripted_engines import NAMES, addresses, scripted_engines
from tests.harness.session_talk import CHUNK, RATE, VP8, Request, Talk, audio, config, opened, refusal_of, serving
from tests.harness.waiting import PATIENCE_S
from vivant.common.v1 import common_pb2
from vivant.session.v1 import session_pb2 as pb

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def peers_address() -> AsyncIterator[str]:
    """All five services with scripted engines on one port."""
    async with scripted_engines(LLM_OPENING="model", LLM_FAKE_REPLIES='["It is nice here."]') as engines:
        engines.ready()
        yield engines.address


@pytest_asyncio.fixture(loop_scope="session")
async def door(peers_address: str) -> AsyncIterator[Served]:
    async with serving(OrchestratorSettings(capacity=2, **addresses(peers_address))) as each:
        yield each


# --- what is refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "first",
    [
        Request(text=pb.TextInput(text="hello")),
        Request(audio=audio()),
        Request(played=pb.Played(unit_index=1)),
        Request(interrupt=pb.Interrupt()),
        Request(finish=pb.Finish()),
        Request(),
    ],
)
async def test_nothing_may_come_before_the_config(door: Served, first: Request) -> None:
    code, why, _ = await refusal_of(door, first)
    assert (code, why) == (grpc.StatusCode.INVALID_ARGUMENT, "no_config")


@pytest.mark.parametrize(
    ("fields", "why", "says"),
    [
        ({"input_audio": pcm_format(44_100)}, "wrong_sample_rate", "44100"),
        ({"input_audio": pcm_format(0)}, "wrong_sample_rate", "sample_rate_hz must be"),
        ({"input_audio": common_pb2.AudioFormat(sample_rate_hz=RATE, channels=1)}, "wrong_encoding", "PCM_S16LE"),
        ({"input_audio": common_pb2.AudioFormat(encoding=99, sample_rate_hz=RATE, channels=1)}, "wrong_encoding", "99"),
        ({"input_audio": common_pb2.AudioFormat(encoding=1, sample_rate_hz=RATE, channels=2)}, "wrong_channels", "not 2"),
        ({"participant": common_pb2.Participant(id="x" * 65)}, "name_too_long", "at most 64"),
        ({"participant": common_pb2.Participant(id="june")}, "participant_is_persona", "another id"),
        ({"output_audio": pcm_format(8_000)}, "wrong_sample_rate", "output_audio"),
        (
            {"output_video": common_pb2.VideoFormat(codec=VP8.codec, size_px=256, frames_per_second=30)},
            "wrong_frame_rate",
            "25",
        ),
        ({"output_video": common_pb2.VideoFormat(codec=VP8.codec, size_px=77, frames_per_second=25)}, "wrong_size", "not 77"),
        ({"output_video": common_pb2.VideoFormat(codec=42, size_px=256, frames_per_second=25)}, "wrong_codec", "42"),
    ],
)
async def test_a_config_that_cannot_be_met_is_refused(door: Served, fields: dict[str, Any], why: str, says: str) -> None:
    code, given, detail = await refusal_of(door, Request(config=config(**fields)))
    assert (code, given) == (grpc.StatusCode.INVALID_ARGUMENT, why)
    assert says in detail


async def test_an_unknown_persona_is_not_found(door: Served) -> None:
    code, why, detail = await refusal_of(door, Request(config=config(persona_id="nobody")))
    assert (code, why) == (grpc.StatusCode.NOT_FOUND, "unknown_persona")
    assert "june" in detail


async def test_services_that_do_not_fit_each_other_are_refused_together(door: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(clients, "misfits", lambda infos: [f"none of {', '.join(infos)} fits"])
        answer = await refusal_of(door, Request(config=config()))
    detail = "the services do not fit each other: none of asr, turn, llm, tts, face fits"
    assert answer == (grpc.StatusCode.FAILED_PRECONDITION, "services_misfit", detail)
    (await opened(door)).call.cancel()


@pytest.mark.parametrize(
    ("requests", "why"),
    [
        ([Request(config=config())], "second_config"),
        ([Request()], "empty_message"),
        ([Request(text=pb.TextInput(text=" \n "))], "empty_text"),
        ([Request(text=pb.TextInput(text="word " * 20_000))], "text_too_long"),
        ([Request(text=pb.TextInput(text="x" * 4_000_000))], "text_too_long"),
        ([Request(audio=pb.AudioChunk())], "empty_audio"),
        ([Request(audio=pb.AudioChunk(pcm=b"\0\0\0"))], "odd_bytes"),
        ([Request(audio=audio(samples=RATE // 10 + 1))], "oversized_audio"),
        ([Request(audio=audio(start_sample=-1))], "audio_out_of_order"),
        ([Request(audio=audio(0)), Request(audio=audio(0))], "audio_out_of_order"),
        ([Request(audio=audio(CHUNK)), Request(audio=audio(0))], "audio_out_of_order"),
        ([Request(audio=audio(0)), Request(audio=audio(601 * RATE))], "audio_gap"),
        ([Request(audio=audio(0, RATE // 10)), Request(audio=audio(2 * RATE))], "audio_too_fast"),
        ([Request(audio=audio(0, participant_id=name)) for name in ("Ann", "Ben", "Cem")], "too_many_speakers"),
        ([Request(text=pb.TextInput(text="hi", participant_id="x" * 5000))], "name_too_long"),
        ([Request(text=pb.TextInput(text="hi", addressee_ids=["x" * 65]))], "name_too_long"),
        ([Request(audio=audio(0, participant_id="x" * 5000))], "name_too_long"),
        ([Request(audio=audio(0, addressee_ids=["x" * 65]))], "name_too_long"),
        ([Request(audio=audio(0, addressee_ids=[""]))], "no_participant"),
        ([Request(text=pb.TextInput(text="hi", addressee_ids=["Ben", ""]))], "no_participant"),
    ],
)
async def test_a_broken_rule_ends_the_conversation_with_its_name(door: Served, requests: list[Request], why: str) -> None:
    talk = await opened(door)
    for request in requests:
        await talk.call.write(request)
    code, given, detail = await refusal(talk.rest())
    assert (code, given) == (grpc.StatusCode.INVALID_ARGUMENT, why)
    assert detail
    assert door.admission.active == 0


async def test_two_people_speak_while_the_default_microphone_is_silent_and_the_second_may_join_late(door: Served) -> None:
    talk = await opened(door)
    await talk.send(audio=audio(0, participant_id="Ann"))
    await talk.send(audio=audio(3600 * RATE, participant_id="Ben"))
    await talk.send(text=pb.TextInput(text="Are you there?"))
    await talk.until("turn")
    assert not talk.of("notice")
    talk.call.cancel()


async def test_the_portrait_comes_from_the_face(door: Served) -> None:
    answer = await door.stub.GetPortrait(pb.GetPortraitRequest())
    assert answer.jpeg.startswith(b"\xff\xd8")


async def test_what_was_heard_of_a_reply_that_is_over_may_be_corrected(door: Served) -> None:
    talk = await opened(door)
    # So that there is a unit before the reply's first.
    await talk.until("unit")
    await talk.send(text=pb.TextInput(text="Where are you?"))
    whole = await talk.until("turn")
    first = next(unit for unit in talk.of("unit") if unit.turn_id == whole.turn_id)
    await talk.send(played=pb.Played(unit_index=first.index - 1, last=True))
    corrected = await talk.until("turn")
    assert (corrected.turn_id, corrected.heard_text, corrected.interrupted) == (whole.turn_id, "", True)
    assert whole.heard_text == corrected.full_text != ""
    talk.call.cancel()


async def test_who_comes_back_is_remembered(door: Served) -> None:
    async def say(talk: Talk, text: str) -> str:
        await talk.send(text=pb.TextInput(text=text))
        reply: str = (await talk.until("turn")).heard_text
        return reply

    first = await opened(door, conversation_id="c-1")
    await say(first, "My name is Ana.")
    await first.send(finish=pb.Finish())
    await first.rest()
    again = await opened(door, conversation_id="c-1")
    assert "Ana" in await say(again, "What is my name?")
    other = await opened(door, conversation_id="c-2")
    assert "Ana" not in await say(other, "What is my name?")
    again.call.cancel()
    other.call.cancel()


async def test_audio_without_a_microphone_in_the_config_is_refused(door: Served) -> None:
    talk = Talk(door.stub.Converse())
    await talk.send(config=pb.ConverseConfig())
    await talk.until("ready")
    await talk.send(audio=audio())
    assert (await refusal(talk.rest()))[1] == "no_input_audio"


async def test_audio_may_run_a_second_ahead_but_not_more(door: Served) -> None:
    talk = await opened(door)
    for start in range(0, 9 * RATE // 10, CHUNK):
        await talk.send(audio=audio(start))
    await talk.send(text=pb.TextInput(text="Are you still there?"))
    assert (await talk.until("turn")).heard_text
    await talk.send(audio=audio(20 * RATE))
    assert (await refusal(talk.rest()))[1] == "audio_too_fast"


async def test_a_full_service_refuses_before_it_reads_anything(door: Served) -> None:
    talks = [await opened(door) for _ in range(door.admission.capacity)]
    code, why, _ = await refusal(Talk(door.stub.Converse()).rest())
    assert (code, why) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
    for talk in talks:
        talk.call.cancel()
    async with asyncio.timeout(PATIENCE_S):
        while door.admission.active:
            await door.stub.GetInfo(pb.GetInfoRequest())


async def test_a_loading_service_is_unavailable(door: Served) -> None:
    door.admission.ready = False
    try:
        code, why, _ = await refusal(Talk(door.stub.Converse()).rest())
    finally:
        door.admission.ready = True
    assert (code, why) == (grpc.StatusCode.UNAVAILABLE, "loading")


# --- what is answered ---------------------------------------------------------------------------------------------------


async def test_the_pace_of_a_persona_is_heard(door: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def units(pace: float) -> int:
        known = Peers.persona

        async def hasty(self: Peers, name: str) -> Any:
            persona = await known(self, name)
            persona.manner.speech_rate = pace
            return persona

        with monkeypatch.context() as patched:
            patched.setattr(Peers, "persona", hasty)
            talk = await opened(door)
        await talk.send(text=pb.TextInput(text="Is it nice there?"))
        turn = await talk.until("turn")
        talk.call.cancel()
        return sum(unit.turn_id == turn.turn_id for unit in talk.of("unit"))

    assert await units(0.5) > 2 * await units(2.0) > 0


async def test_get_info_lists_every_service_and_persona(door: Served) -> None:
    answer = await door.stub.GetInfo(pb.GetInfoRequest())
    assert [component.service for component in answer.components] == list(NAMES)
    assert all(component.ready for component in answer.components)
    assert {component.service: [*component.voices] for component in answer.components if component.voices} == {"tts": ["tone"]}
    assert answer.info.ready
    assert "june" in [card.id for card in answer.personas]
    assert all(card.disclosure for card in answer.personas)
    [june] = [card for card in answer.personas if card.id == "june"]
    assert len(june.starters) == 4


async def test_a_typed_question_is_answered_in_the_order_of_the_grammar(door: Served) -> None:
    talk = await opened(door, output_video=VP8)
    await talk.send(text=pb.TextInput(text="What do you do for a living?", participant_id="Ann"))
    turn = await talk.until("turn")
    await talk.send(finish=pb.Finish())
    await talk.rest()

    assert not talk.of("notice")
    assert talk.answers[0].HasField("ready")
    assert talk.of("ready")[0].output_video == VP8
    assert [passage.id.split("#")[0] for passage in turn.passages] != []
    assert "piano tuner" in turn.passages[0].text
    assert "for a living" in turn.passages[0].question
    transcript = talk.of("transcript")[0]
    assert (transcript.stable_text, transcript.participant_id) == ("What do you do for a living?", "Ann")
    assert transcript.typed
    states = [pb.State.Name(change.state) for change in talk.of("state")]
    assert states == ["STATE_THINKING", "STATE_SPEAKING", "STATE_LISTENING"]
    assert " ".join(caption.text for caption in talk.of("caption")) == turn.full_text == turn.heard_text == "It is nice here."
    units = talk.of("unit")
    assert [unit.index for unit in units] == list(range(len(units)))
    assert [unit.start_sample for unit in units] == [960 * index for index in range(len(units))]
    assert all(len(unit.pcm) == 1920 and unit.HasField("frame") for unit in units)
    assert units[0].frame.keyframe
    spoken = [unit for unit in units if unit.turn_id == turn.turn_id]
    assert [unit.turn_sample for unit in spoken] == [960 * index for index in range(len(spoken))]
    stages = talk.of("metrics")[0].stages
    assert [stage.name for stage in stages] == ["end_of_turn", "llm_first_text", "tts_first_audio", "first_unit"]
    assert [stage.at_us for stage in stages] == sorted(stage.at_us for stage in stages)


async def test_an_interrupt_ends_the_reply_and_what_was_not_heard_is_not_remembered(door: Served) -> None:
    talk = await opened(door)
    await talk.send(text=pb.TextInput(text="What do you do for a living?"))
    while not (await talk.until("unit")).turn_id:
        pass
    await talk.send(interrupt=pb.Interrupt())
    turn = await talk.until("turn")
    assert turn.interrupted
    assert len(turn.heard_text) < len(turn.full_text) == len("It is nice here.")
    assert turn.full_text.startswith(turn.heard_text)
    fade = await talk.until("unit")
    assert fade.turn_id == 0
    assert not any(fade.pcm[-1600:]), "the voice fades out within a few milliseconds"
    for _ in range(10):
        unit = await talk.until("unit")
        assert unit.turn_id == 0
        assert not any(unit.pcm)
    talk.call.cancel()


async def test_what_the_client_has_played_is_what_was_heard(door: Served) -> None:
    talk = await opened(door)
    await talk.send(text=pb.TextInput(text="What do you do for a living?"))
    first = None
    for _ in range(200):
        unit = await talk.until("unit")
        if unit.turn_id and first is None:
            first = unit.index
            await talk.send(played=pb.Played(unit_index=first))
        if unit.turn_id and unit.turn_sample >= 12_000:
            break
    await talk.send(interrupt=pb.Interrupt())
    assert (await talk.until("turn")).heard_text == "", "one unit is not a word"
    talk.call.cancel()


async def test_what_the_voice_has_no_sounds_for_is_told_once(door: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    speak = FakeEngine._speak

    def without_some(self: FakeEngine, *args: Any) -> Speech:
        return replace(speak(self, *args), unspoken_scripts=("Han",))

    monkeypatch.setattr(FakeEngine, "_speak", without_some)
    talk = await opened(door)
    for question in ("Is it nice there?", "And in the winter?"):
        await talk.send(text=pb.TextInput(text=question))
        assert (await talk.until("turn")).heard_text
    [notice] = talk.of("notice")
    assert (notice.reason, notice.ability) == ("script_unspoken", "tts")
    assert "Han characters" in notice.message
    talk.call.cancel()


async def test_what_is_said_to_somebody_else_is_not_answered(door: Served) -> None:
    talk = await opened(door)
    await talk.send(text=pb.TextInput(text="Pass me the salt.", participant_id="Ann", addressee_ids=["Ben"]))
    transcript = await talk.until("transcript")
    assert (transcript.participant_id, [to.participant_id for to in transcript.addressees]) == ("Ann", ["Ben"])
    await talk.send(finish=pb.Finish())
    await talk.rest()
    assert not talk.of("turn")
    assert not talk.of("state")


async def test_a_greeting_may_be_asked_for_later_and_is_said_once(door: Served) -> None:
    talk = await opened(door)
    await talk.send(greet=pb.Greet())
    greeting = await talk.until("turn")
    assert greeting.full_text == talk.of("ready")[0].persona.greeting
    await talk.send(greet=pb.Greet())
    await talk.send(text=pb.TextInput(text="Are you there?"))
    assert (await talk.until("turn")).full_text != greeting.full_text
    talk.call.cancel()


async def test_a_greeting_is_spoken_when_asked_for(door: Served) -> None:
    talk = await opened(door, greeting=pb.GREETING_SPOKEN)
    turn = await talk.until("turn")
    assert turn.full_text == talk.of("ready")[0].persona.greeting
    talk.call.cancel()


async def test_speech_is_answered_when_it_has_ended(door: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    monkeypatch.setattr(TurnSession, "turn_taken", lambda _, at_sample: taken.append(at_sample))
    talk = await opened(door)
    tone = (np.sin(np.arange(CHUNK) * 0.2) * 8000).astype("<i2").tobytes()
    talking = asyncio.create_task(_speak(talk, tone))
    turn = await talk.until("turn")
    talking.cancel()
    await asyncio.gather(talking, return_exceptions=True)
    finals = [transcript for transcript in talk.of("transcript") if transcript.final]
    assert finals
    assert finals[0].participant_id == "Ann"
    assert not finals[0].typed
    assert turn.heard_text
    # The turn-taking knows when the persona took the floor: after the second of sound, and a silence.
    assert len(taken) == 1
    assert 1.2 * RATE < taken[0] < 4 * RATE
    talk.call.cancel()


async def test_the_turn_taking_knows_when_the_persona_goes_on_after_a_little_sound(
    door: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    monkeypatch.setattr(TurnSession, "turn_taken", lambda _, at_sample: taken.append(at_sample))
    talk = await opened(door)
    await talk.send(text=pb.TextInput(text="Are you there?"))
    await talk.comes_to(pb.STATE_SPEAKING)
    assert not taken, "nobody has spoken"
    tone = (np.sin(np.arange(CHUNK) * 0.2) * 8000).astype("<i2").tobytes()
    talking = asyncio.create_task(_speak(talk, tone, chunks=10))
    await talk.comes_to(pb.STATE_PAUSED)
    await talk.comes_to(pb.STATE_SPEAKING)
    await talk.until("turn")
    talking.cancel()
    await asyncio.gather(talking, return_exceptions=True)
    assert len(taken) == 1
    assert 0.2 * RATE < taken[0] < 2 * RATE
    talk.call.cancel()


async def test_a_reply_to_speech_and_its_voice_are_begun_before_the_turn_is_over(
    door: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoken: list[int] = []
    speak = Peers.speak

    def counted(peers: Peers, config: Any, *args: Any) -> Any:
        spoken.append(config.turn_id)
        return speak(peers, config, *args)

    monkeypatch.setattr(Peers, "speak", counted)
    talk = await opened(door)
    tone = (np.sin(np.arange(CHUNK) * 0.2) * 8000).astype("<i2").tobytes()
    talking = asyncio.create_task(_speak(talk, tone))
    turn = await talk.until("turn")
    talking.cancel()
    await asyncio.gather(talking, return_exceptions=True)
    metrics = talk.of("metrics")[0]
    names = [stage.name for stage in metrics.stages]
    assert names.index("speculated") < names.index("end_of_turn") < names.index("first_unit")
    assert metrics.drafts == 1
    # The voice that was prepared is the one that is heard: whole, and there is no other (0: little words).
    assert [turn_id for turn_id in spoken if turn_id] == [turn.turn_id]
    assert turn.heard_text == turn.full_text == " ".join(word.text for said in talk.of("caption") for word in said.words)
    talk.call.cancel()


async def test_the_turn_service_is_told_the_words_of_each_turn(door: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    told = list[tuple[str, int]]()
    read = TurnSession.push_turn_words

    def noted(session: TurnSession, text: str, words_id: int) -> Any:
        told.append((text, words_id))
        return read(session, text, words_id)

    monkeypatch.setattr(TurnSession, "push_turn_words", noted)
    talk = await opened(door)
    tone = (np.sin(np.arange(CHUNK) * 0.2) * 8000).astype("<i2").tobytes()
    talking = asyncio.create_task(_speak(talk, tone))
    await talk.until("turn")
    talking.cancel()
    await asyncio.gather(talking, return_exceptions=True)
    said = next(each for each in talk.of("transcript") if each.final).stable_text
    assert [words_id for _, words_id in told] == list(range(1, len(told) + 1))
    assert [text for text, _ in told][-2:] == [said, ""], "the last words are read, and a new turn has none"
    assert all(one != another for (one, _), (another, _) in itertools.pairwise(told)), "the same words are told once"


async def test_a_microphone_that_goes_quiet_while_somebody_speaks_has_ended_their_turn(door: Served) -> None:
    talk = await opened(door)
    tone = (np.sin(np.arange(CHUNK) * 0.2) * 8000).astype("<i2").tobytes()
    talking = asyncio.create_task(_speak(talk, tone, of=50))
    turn = await talk.until("turn")
    await talking
    assert turn.full_text
    names = [stage.name for stage in talk.of("metrics")[0].stages]
    assert "speculated" in names, "the words are waited for by nobody: in a silence that is not heard they are not read"


async def _speak(talk: Talk, tone: bytes, *, chunks: int = 50, of: int = 1000) -> None:
    """A second of sound, or so many 20 ms, then silence, at the pace of real time; nothing more after `of` of them."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for index in range(of):
        await asyncio.sleep(began + index * 0.02 - loop.time())
        pcm = tone if index < chunks else bytes(len(tone))
        await talk.send(audio=pb.AudioChunk(pcm=pcm, start_sample=index * CHUNK, participant_id="Ann"))


async def test_without_any_service_the_door_still_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "STARTING_S", 0.0)
    settings = OrchestratorSettings(**addresses("127.0.0.1:1"))
    async with serving(settings) as door:
        info = await door.stub.GetInfo(pb.GetInfoRequest())
        assert not info.info.ready
        assert all(component.reason for component in info.components)
        talk = await opened(door)
        ready = talk.of("ready")[0]
        assert sorted(ready.missing) == sorted(NAMES)
        assert ready.persona.disclosure
        await talk.send(text=pb.TextInput(text="Is anybody there?"))
        assert (await talk.until("turn")).full_text
        assert (await talk.until("unit")).pcm
        talk.call.cancel()


# --- tasks that die -----------------------------------------------------------------------------------------------------


async def test_a_voice_that_dies_of_whatever_ends_its_reply(door: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the tasks that write and read it; the reply is shown instead, and the session goes on."""

    async def dies(*arguments: Any) -> None:
        raise RuntimeError("a fault of ours")

    talk = await opened(door)
    with monkeypatch.context() as patched:
        patched.setattr(synthesis, "_write_clauses", dies)
        await talk.send(text=pb.TextInput(text="Is it nice there?"))
        assert (await talk.until("turn")).full_text
    assert "tts" in {notice.ability for notice in talk.of("notice")}
    await talk.send(text=pb.TextInput(text="And there?"))
    assert (await talk.until("turn")).full_text
    talk.call.cancel()


async def test_a_timer_that_fails_ends_the_session(door: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    known = machine.step

    def step(state: Any, event: Any, style: Any) -> Any:
        if isinstance(event, events.Ticked):
            raise RuntimeError("a fault of ours")
        return known(state, event, style)

    talk = await opened(door)
    monkeypatch.setattr(machine, "step", step)
    await talk.send(text=pb.TextInput(text="Is it nice there?"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await talk.rest()
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    async with asyncio.timeout(PATIENCE_S):
        while door.admission.active:
            await door.stub.GetInfo(pb.GetInfoRequest())


async def test_decisions_that_cannot_be_written_cost_their_log_only(peers_address: str, tmp_path: Path) -> None:
    (tmp_path / "decisions").touch()
    settings = OrchestratorSettings(decisions_dir=tmp_path / "decisions", **addresses(peers_address))
    async with serving(settings) as door:
        talk = await opened(door)
        await talk.send(text=pb.TextInput(text="Is it nice there?"))
        assert (await talk.until("turn")).full_text
        await talk.send(finish=pb.Finish())
        await talk.rest()
        assert await talk.call.code() is grpc.StatusCode.OK
        labels = {"service": "session", "engine": "orchestrator", "stage": ""}
        assert door.metrics.registry.get_sample_value("vivant_lost_recordings_total", labels) == 1


async def test_it_emits_its_metrics(door: Served) -> None:
    names = {metric.name for metric in door.metrics.registry.collect()}
    for name in SERVED["session"] | SERVED_BY_ALL:
        assert name.removesuffix("_total") in names
