"""Sessions whose replies a speech model gives, over real gRPC: an orchestrator, scripted engines, a scripted model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import numpy as np
import pytest
import pytest_asyncio

from services.common.settings import SharedSettings
from services.orchestrator.links.clients import Peers
from services.orchestrator.settings import OrchestratorSettings
from services.speech.engine import Done, Ending
from services.speech.engines.fake import FakeEngine, FakeSession
from services.speech.settings import FakeOptions
from services.speech.turns import Turns
from tests.harness.grpc_server import Served
from tests.harness.scripted_engines import NAMES, addresses, scripted_engines
from tests.harness.session_talk import CHUNK, Talk, opened, serving
from tests.harness.speech_model import SpeechModel
from tests.harness.waiting import until
from vivant.session.v1 import session_pb2 as pb

pytestmark = pytest.mark.asyncio(loop_scope="session")

LLM: Final = "It is nice here."
MODEL: Final = "My old father drove a snowplow for thirty winters."
TONE: Final = (np.sin(np.arange(CHUNK) * 0.2) * 8000).astype("<i2").tobytes()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def peers_address() -> AsyncIterator[str]:
    """All other services with scripted engines on one port."""
    async with scripted_engines(LLM_OPENING="model", LLM_FAKE_REPLIES=f'["{LLM}"]') as engines:
        engines.ready()
        yield engines.address


@asynccontextmanager
async def beside(peers_address: str, timeout_s: float = 1.5, **options: Any) -> AsyncIterator[tuple[Served, SpeechModel]]:
    """An orchestrator with a speech model of these options."""
    model = SpeechModel(FakeEngine(FakeOptions(replies=(MODEL,), **options), SharedSettings()))
    await model.start()
    settings = OrchestratorSettings(
        capacity=2, speech_address=model.address, speech_timeout_s=timeout_s, **addresses(peers_address)
    )
    try:
        async with serving(settings) as door:
            yield door, model
    finally:
        await model.stop()


async def ask(talk: Talk, text: str = "What did your dad do?") -> pb.Turn:
    """A typed question, and what became of the reply."""
    await talk.send(text=pb.TextInput(text=text))
    turn: pb.Turn = await talk.until("turn")
    return turn


@asynccontextmanager
async def speaking(talk: Talk, *sounds: tuple[float, float]) -> AsyncIterator[None]:
    """A microphone in real time that is loud in these stretches, [from, to) in seconds."""

    async def speak() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for index in range(3000):
            await asyncio.sleep(began + index * 0.02 - loop.time())
            loud = any(start <= index * 0.02 < end for start, end in sounds)
            await talk.send(audio=pb.AudioChunk(pcm=TONE if loud else bytes(len(TONE)), start_sample=index * CHUNK))

    talking = asyncio.create_task(speak())
    try:
        yield
    finally:
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)


def reasons(talk: Talk) -> list[str]:
    return [notice.reason for notice in talk.of("notice")]


def stale(door: Served) -> float:
    labels = {"service": "session", "engine": "orchestrator", "stage": "speech"}
    return door.metrics.registry.get_sample_value("vivant_stale_output_total", labels) or 0.0


async def remembered(peers_address: str, conversation_id: str) -> list[tuple[str, str]]:
    """Who has said what, as the llm has it."""
    peers = Peers(OrchestratorSettings(**addresses(peers_address)))
    peers.open()
    try:
        brief = await peers.brief("june", conversation_id)
    finally:
        await peers.close()
    return [(said.participant_id, said.text) for said in brief.history]


async def test_a_typed_question_is_answered_by_the_model(peers_address: str) -> None:
    async with beside(peers_address) as (door, model):
        talk = await opened(door, conversation_id="s-typed")
        turn = await ask(talk)
        assert turn.full_text == turn.heard_text == MODEL
        assert " ".join(caption.text for caption in talk.of("caption")) == MODEL
        units = [unit for unit in talk.of("unit") if unit.turn_id == turn.turn_id]
        letters = sum(len(word) + 1 for word in MODEL.split())
        assert len(units) * 960 >= letters * 1200 > (len(units) - 2) * 960, "the model's own sound, whole"
        assert [stage.name for stage in talk.of("metrics")[0].stages] == ["end_of_turn", "speech_first_audio", "first_unit"]
        assert not talk.of("notice")
        [asked] = model.sent("respond")
        assert asked.text == "What did your dad do?"
        contexts = [kind for kind, _ in model.told[-1] if kind in ("context", "respond")]
        assert contexts == ["context", "respond"], "what it brings to mind is told before"
        assert "snowplow" in model.sent("context")[0].text
        await until(lambda: model.sent("played")[-1].position_samples >= letters * 1200)
        talk.call.cancel()
    said = await remembered(peers_address, "s-typed")
    assert [text for _, text in said] == ["What did your dad do?", MODEL]


async def test_the_model_is_told_who_it_is_and_what_was_said_before(peers_address: str) -> None:
    async with beside(peers_address) as (door, model):
        first = await opened(door, conversation_id="s-again")
        await ask(first, "My name is Ana.")
        await first.send(finish=pb.Finish())
        await first.rest()
        again = await opened(door, conversation_id="s-again")
        await until(lambda: len(model.told) == 2)
        again.call.cancel()
        config = model.sent_config(1)
        assert "June Merrow" in config.instructions
        assert "[memories: none]" in config.instructions
        assert config.persona.card.id == "june"
        assert [said.text for said in config.history] == ["My name is Ana.", MODEL]


async def test_what_is_spoken_is_answered_by_the_turn_that_the_model_has_begun_by_itself(peers_address: str) -> None:
    async with beside(peers_address, turn_ms=300) as (door, model):
        talk = await opened(door)
        async with speaking(talk, (0, 1)):
            turn = await talk.until("turn")
        assert turn.heard_text == MODEL
        assert not model.sent("respond"), "it had begun"
        said = next(each for each in talk.of("transcript") if each.final)
        assert [each.text for each in model.sent("utterance")] == [said.stable_text]
        stages = [stage.name for stage in talk.of("metrics")[0].stages]
        assert stages == ["speech_proposed", "end_of_turn", "speech_first_audio", "first_unit"]
        assert [audio.start_sample for audio in model.sent("audio")[:3]] == [0, CHUNK, 2 * CHUNK]
        talk.call.cancel()


async def test_a_model_that_has_not_begun_when_the_turn_is_over_is_asked(peers_address: str) -> None:
    async with beside(peers_address, turn_ms=60_000) as (door, model):
        talk = await opened(door)
        async with speaking(talk, (0, 1)):
            turn = await talk.until("turn")
        assert turn.heard_text == MODEL
        [asked] = model.sent("respond")
        assert not asked.HasField("text"), "it has heard it"
        talk.call.cancel()


@pytest.mark.parametrize(
    ("stops", "word_times", "heard_s"),
    [(True, True, 1.0), (False, True, 1.0), (True, False, 0.6), (True, False, 1.8)],
)
async def test_an_interruption_ends_the_reply_and_nothing_stale_leaves(
    peers_address: str, stops: bool, word_times: bool, heard_s: float
) -> None:
    async with beside(peers_address, stops=stops, word_times=word_times) as (door, model):
        talk = await opened(door, conversation_id=f"s-stop-{stops}-{word_times}-{heard_s}")
        await talk.send(text=pb.TextInput(text="What did your dad do?"))
        while (unit := await talk.until("unit")).turn_sample < heard_s * 24_000:
            pass
        heard_until = unit.turn_sample + 960
        await talk.send(interrupt=pb.Interrupt())
        turn = await talk.until("turn")
        assert turn.interrupted
        letters = 0
        words = []
        for word in MODEL.split():
            letters += len(word)
            if letters * 1200 <= heard_until:
                words.append(word)
            letters += 1
        assert abs(len(turn.heard_text.split()) - len(words)) <= 1
        assert MODEL.startswith(turn.heard_text)
        assert turn.heard_text
        fade = await talk.until("unit")
        assert fade.turn_id == 0
        for _ in range(25):
            unit = await talk.until("unit")
            assert unit.turn_id == 0
            assert not any(unit.pcm)
        [clear] = model.sent("clear")
        assert clear.newest_turn_id == 2
        kinds = [kind for kind, _ in model.told[-1] if kind in ("played", "clear")]
        assert kinds[-2:] == ["played", "clear"], "what was heard is known before it is cut"
        if not stops:
            assert stale(door) == 0, "the speech service mutes it"
        else:
            assert (await ask(talk, "And then?")).heard_text == MODEL
        talk.call.cancel()
    said = await remembered(peers_address, f"s-stop-{stops}-{word_times}-{heard_s}")
    assert [text for _, text in said][:2] == ["What did your dad do?", turn.heard_text]


async def test_what_still_comes_of_a_reply_that_was_cleared_is_muted(
    peers_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Turns, "clear", lambda turns, newest_turn_id: [])
    async with beside(peers_address, stops=False) as (door, _):
        talk = await opened(door)
        await talk.send(text=pb.TextInput(text="What did your dad do?"))
        while (await talk.until("unit")).turn_sample < 9_600:
            pass
        await talk.send(interrupt=pb.Interrupt())
        turn = await talk.until("turn")
        before = len(talk.answers)
        await until(lambda: stale(door) > 10)
        for _ in range(25):
            await talk.until("unit")
        after = talk.answers[before:]
        assert not [answer for answer in after if answer.WhichOneof("response") == "caption"]
        units = [answer.unit for answer in after if answer.HasField("unit")]
        assert not any(unit.turn_id for unit in units)
        assert not any(any(unit.pcm) for unit in units[1:])
        assert turn.interrupted
        talk.call.cancel()


async def test_speaking_over_the_model_stops_it(peers_address: str) -> None:
    async with beside(peers_address, turn_ms=300) as (door, model):
        talk = await opened(door)
        async with speaking(talk, (0, 1), (2.6, 5)):
            turn = await talk.until("turn")
        assert turn.interrupted
        assert MODEL.startswith(turn.heard_text)
        assert model.sent("clear")
        talk.call.cancel()


async def test_a_model_that_says_nothing_is_stood_in_for_and_comes_back(
    peers_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def mute(self: FakeSession, text: str) -> None:
        pass

    async with beside(peers_address, timeout_s=0.3) as (door, model):
        talk = await opened(door)
        with monkeypatch.context() as patched:
            patched.setattr(FakeSession, "respond", mute)
            assert (await ask(talk)).heard_text == LLM
            assert reasons(talk) == ["speech_silent"]
            assert (await ask(talk, "And your mum?")).heard_text == LLM
            assert reasons(talk) == ["speech_silent"], "it is said once"
        assert (await ask(talk, "And your dog?")).heard_text == LLM, "nobody waits for it"
        await until(lambda: len(model.sent("respond")) == 3)
        assert (await ask(talk, "And your cat?")).heard_text == MODEL
        assert reasons(talk) == ["speech_silent", "speech_restored"]
        talk.call.cancel()


async def test_a_reply_that_fails_before_it_sounds_is_given_by_the_llm(
    peers_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: FakeSession, turn_id: int, text: str) -> None:
        self._events.put_nowait(Done(turn_id, Ending.FAILED, "quota", "the quota is used up"))

    async with beside(peers_address) as (door, _):
        talk = await opened(door)
        monkeypatch.setattr(FakeSession, "_say", fail)
        assert (await ask(talk)).heard_text == LLM
        [notice] = talk.of("notice")
        assert notice.reason == "speech_silent"
        assert "the quota is used up" in notice.message
        talk.call.cancel()


async def test_a_reply_that_breaks_off_stands_as_far_as_it_was_said(peers_address: str) -> None:
    async with beside(peers_address, fails_turn=1) as (door, _):
        talk = await opened(door)
        turn = await ask(talk)
        assert MODEL.startswith(turn.full_text)
        assert 0 < len(turn.full_text) < len(MODEL)
        assert reasons(talk) == ["reply_cut_short"]
        assert (await ask(talk, "Go on.")).heard_text == MODEL
        talk.call.cancel()


async def test_a_model_that_dies_is_stood_in_for_until_it_is_back(peers_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with beside(peers_address) as (door, model):
        talk = await opened(door)
        await talk.send(text=pb.TextInput(text="What did your dad do?"))
        while (await talk.until("unit")).turn_sample < 9_600:
            pass
        await model.stop()
        cut = await talk.until("turn")
        assert 0 < len(cut.full_text) < len(MODEL), "mid-reply: what was said stands"
        assert reasons(talk) == ["speech_unavailable", "reply_cut_short"]
        assert (await ask(talk, "And your mum?")).heard_text == LLM
        await model.start()
        await until(lambda: len(model.told) == 2)
        await _until_notice(talk, "speech_restored")
        assert [said.text for said in model.sent_config(1).history][-1] == LLM, "it is told what it has missed"
        assert (await ask(talk, "And your dog?")).heard_text == MODEL
        # And before it has said anything.
        monkeypatch.setattr(FakeSession, "respond", _nothing)
        await talk.send(text=pb.TextInput(text="And your cat?"))
        await until(lambda: any(asked.text == "And your cat?" for asked in model.sent("respond")))
        await model.stop()
        assert (await talk.until("turn")).heard_text == LLM
        talk.call.cancel()


async def _nothing(self: FakeSession, text: str) -> None:
    pass


async def _until_notice(talk: Talk, reason: str) -> None:
    while (await talk.until("notice")).reason != reason:
        pass


async def test_what_is_said_to_others_is_not_answered_and_told_to_the_model(peers_address: str) -> None:
    async with beside(peers_address) as (door, model):
        talk = await opened(door)
        await talk.send(text=pb.TextInput(text="Pass me the salt.", participant_id="Ann", addressee_ids=["Ben"]))
        await talk.until("transcript")
        await until(lambda: model.sent("utterance"))
        assert model.sent("utterance")[0].text == "Pass me the salt."
        assert not model.sent("respond")
        await talk.send(text=pb.TextInput(text="What did your dad do?", participant_id="Ann"))
        await talk.comes_to(pb.STATE_SPEAKING)
        await talk.send(text=pb.TextInput(text="He drove a snowplow.", participant_id="Ann", addressee_ids=["Ben"]))
        assert (await talk.until("turn")).heard_text == MODEL, "it goes on with what it says to somebody"
        talk.call.cancel()


async def test_it_is_among_the_services(peers_address: str) -> None:
    async with beside(peers_address) as (door, model):
        answer = await door.stub.GetInfo(pb.GetInfoRequest())
        assert [component.service for component in answer.components] == [*NAMES, "speech"]
        assert all(component.ready for component in answer.components)
        await model.stop()
        answer = await door.stub.GetInfo(pb.GetInfoRequest())
        assert not answer.info.ready
        talk = await opened(door)
        assert list(talk.of("ready")[0].missing) == ["speech"]
        assert (await ask(talk)).heard_text == LLM
        talk.call.cancel()
