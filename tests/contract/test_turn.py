"""The turn contract over real gRPC, for every engine, on real recordings."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray

from services.common import registry
from services.common.audio import pcm_format, to_pcm
from services.common.metrics import SERVED, SERVED_BY_ALL
from services.common.resample import Resampler
from services.common.settings import SharedSettings
from services.common.silero import Silero
from services.turn.engine import SpeechStarted, SpeechStopped, StreamConfig, TurnEngine
from services.turn.engines import ENGINES
from services.turn.engines.estimate import ByFusion
from services.turn.engines.evidence import fitted
from services.turn.engines.overlap import SURE
from services.turn.engines.segments import Segmenter
from services.turn.engines.session import TurnSession
from services.turn.engines.voice_activity import VoiceActivity
from services.turn.server import TurnServicer
from tests.harness.data import SPEECH, recording
from tests.harness.engines import loaded
from tests.harness.grpc_server import Served, admission_of, refusal, served
from tests.harness.vap_weights import models_with_vap
from vivant.common.v1 import common_pb2
from vivant.errors import Unusable
from vivant.turn.v1 import turn_pb2, turn_pb2_grpc

RATE = 16_000
CHUNK_S = 0.04
Audio = NDArray[np.float32]


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TurnEngine]:
    """Every engine of the table, loaded once; voice activity projection with weights made at random."""
    folder = models_with_vap(tmp_path_factory.mktemp("vap") / "models")
    return loaded(ENGINES, SharedSettings(models_dir=folder))


@pytest.fixture(params=[spec.name for spec in ENGINES])
async def service(request: pytest.FixtureRequest, engines: dict[str, TurnEngine]) -> AsyncIterator[Served]:
    async with serving(engines[request.param]) as each:
        yield each


@pytest.fixture(params=["fusion", "vap"])
async def fusion(request: pytest.FixtureRequest, engines: dict[str, TurnEngine]) -> AsyncIterator[Served]:
    """The default, and what has the same evidence and more."""
    async with serving(engines[request.param]) as each:
        yield each


@asynccontextmanager
async def serving(engine: TurnEngine) -> AsyncIterator[Served]:
    admission, metrics = admission_of("turn", engine.info.name, 2)
    with ThreadPoolExecutor(2) as threads:
        servicer = TurnServicer(engine, threads, admission, metrics)
        async with served(lambda server: turn_pb2_grpc.add_TurnServiceServicer_to_server(servicer, server)) as channel:
            yield Served(turn_pb2_grpc.TurnServiceStub(channel), admission, metrics)


def noise(seconds: float, seed: int = 0) -> Audio:
    return np.random.default_rng(seed).standard_normal(int(seconds * RATE)).astype(np.float32) * 5e-4


def at_rate(audio: Audio, rate: int) -> Audio:
    return np.asarray(Resampler(RATE, rate).push(audio), np.float32)


def config(rate: int = RATE, bot_rate: int = 0, **fields: Any) -> turn_pb2.DetectRequest:
    bot = {"bot_audio": pcm_format(bot_rate)} if bot_rate else {}
    return turn_pb2.DetectRequest(config=turn_pb2.DetectConfig(**{"user_audio": pcm_format(rate)} | bot | fields))


def user(audio: Audio, start: int = 0, rate: int = RATE) -> Iterator[turn_pb2.DetectRequest]:
    size = int(rate * CHUNK_S)
    for at in range(0, len(audio), size):
        chunk = turn_pb2.UserAudio(pcm=to_pcm(audio[at : at + size]), start_sample=start + at, participant_id="ann")
        yield turn_pb2.DetectRequest(user_audio=chunk)


def both(mine: Audio, bot: Audio, words: dict[int, str] | None = None) -> Iterator[turn_pb2.DetectRequest]:
    """User and persona side by side, the persona at 24 kHz; words at the user sample that they cover."""
    theirs = at_rate(bot, 24_000)
    size = int(RATE * CHUNK_S)
    for at in range(0, len(mine), size):
        pcm = to_pcm(theirs[at * 3 // 2 : (at + size) * 3 // 2])
        if pcm:
            yield turn_pb2.DetectRequest(bot_audio=turn_pb2.BotAudio(pcm=pcm, start_sample=at * 3 // 2))
        yield from user(mine[at : at + size], at)
        for end, text in (words or {}).items():
            if at <= end < at + size:
                yield turn_pb2.DetectRequest(words=turn_pb2.HeardWords(unstable_text=text, end_sample=end))


def turn_words(text: str, words_id: int = 1) -> turn_pb2.DetectRequest:
    return turn_pb2.DetectRequest(turn_words=turn_pb2.TurnWords(text=text, words_id=words_id))


FINISH = turn_pb2.DetectRequest(finish=turn_pb2.Finish())


async def detect(service: Served, *requests: Any) -> list[Any]:
    flat = [each for item in requests for each in ([item] if isinstance(item, turn_pb2.DetectRequest) else item)]
    return [message async for message in service.stub.Detect(iter(flat))]


def of(events: list[Any], kind: str) -> list[Any]:
    return [getattr(event, kind) for event in events if event.WhichOneof("response") == kind]


async def refused(service: Served, *requests: Any) -> tuple[grpc.StatusCode, str]:
    """The status and reason of a refusal; the last request is the one refused."""
    status, why, sentence = await refusal(detect(service, *requests))
    assert sentence
    return status, why


async def test_info_says_what_the_engine_can_do(service: Served) -> None:
    info = (await service.stub.GetInfo(turn_pb2.GetInfoRequest())).info
    assert info.service == "turn"
    assert info.ready
    assert pcm_format(RATE) in info.input_audio
    assert info.WhichOneof("capabilities") == "turn"


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
async def test_a_question_is_heard_and_ends(service: Served, rate: int) -> None:
    question = recording("kws_whatstheweatherlike.wav")
    audio = at_rate(np.concatenate([noise(1), question, noise(3)]), rate)
    events = await detect(service, config(rate), user(audio, rate=rate), FINISH)
    starts, stops, ends = (of(events, kind) for kind in ("speech_started", "speech_stopped", "end_of_turn"))
    assert len(starts) == len(stops) >= 1
    assert starts[0].participant_id == "ann"
    assert 1.0 <= starts[0].sample / rate <= 1.4
    assert starts[0].detected_at_sample / rate - starts[0].sample / rate <= 0.25
    assert 2.3 <= stops[-1].last_speech_sample / rate <= 1 + len(question) / RATE
    for stop in stops:
        assert 0.2 <= (stop.detected_at_sample - stop.last_speech_sample) / rate <= 0.3
    last = [end for end in ends if end.last_speech_sample == stops[-1].last_speech_sample]
    assert [end.probability for end in last] == sorted(end.probability for end in last)
    assert last[-1].probability == 1
    assert last[-1].detected_at_sample / rate - stops[-1].last_speech_sample / rate <= 2.7
    assert all(0 <= end.probability <= 1 for end in ends)


async def test_speech_and_silence_alternate_in_order(service: Served) -> None:
    events = await detect(service, config(), user(recording("ami_trn09.flac")), FINISH)
    times = [(e.speech_started.sample, "started") for e in events if e.HasField("speech_started")]
    times += [(e.speech_stopped.last_speech_sample, "stopped") for e in events if e.HasField("speech_stopped")]
    kinds = [kind for _, kind in sorted(times)]
    assert kinds == ["started", "stopped"] * (len(kinds) // 2)
    detected = [getattr(e, e.WhichOneof("response")).detected_at_sample for e in events]
    assert detected == sorted(detected)


async def test_the_cut_of_the_messages_changes_nothing(engines: dict[str, TurnEngine]) -> None:
    audio = np.concatenate([noise(0.5), recording("goforward.wav"), noise(1)])
    results = []
    for size in (160, 333, 1_600):
        session = engines["fusion"].open(StreamConfig(RATE))
        events = [e for at in range(0, len(audio), size) for e in session.push_user(audio[at : at + size], at, "a")]
        results.append(events)
    assert results[0] == results[1] == results[2]


async def test_a_gap_is_silence_and_costs_little(service: Served) -> None:
    word = recording("goforward.wav")
    began = time.process_time()
    later = 500 * RATE
    events = await detect(service, config(), user(word), user(word, later), FINISH)
    assert time.process_time() - began < 10
    starts, ends = of(events, "speech_started"), of(events, "end_of_turn")
    assert any(start.sample < len(word) for start in starts)
    assert any(later <= start.sample < later + len(word) for start in starts)
    assert any(end.probability == 1 and end.last_speech_sample < len(word) for end in ends)


async def test_silence_and_clicks_say_nothing(service: Served) -> None:
    quiet = noise(5)
    quiet[RATE : RATE + 40] += 0.5
    assert await detect(service, config(), user(quiet), FINISH) == []
    assert await detect(service, config(), FINISH) == []


async def test_finish_in_the_middle_of_speech_ends_the_turn(service: Served) -> None:
    events = await detect(service, config(), user(recording("kws_whatstheweatherlike.wav")[: 3 * RATE // 2]), FINISH)
    assert [e.WhichOneof("response") for e in events][-2:] == ["speech_stopped", "end_of_turn"]
    assert events[-1].end_of_turn.probability == 1


async def test_rules_of_the_request(service: Served) -> None:
    bad = grpc.StatusCode.INVALID_ARGUMENT
    chunk = next(user(noise(0.04)))
    unknown = common_pb2.AudioFormat(sample_rate_hz=RATE, channels=1)
    assert await refused(service, chunk) == (bad, "no_config")
    assert await refused(service, config(), config()) == (bad, "second_config")
    assert await refused(service, config(), turn_pb2.DetectRequest()) == (bad, "empty_message")
    assert await refused(service, config(44_100)) == (bad, "wrong_sample_rate")
    assert await refused(service, config(user_audio=unknown)) == (bad, "wrong_encoding")
    assert await refused(service, config(bot_audio=pcm_format(11_025))) == (bad, "wrong_sample_rate")
    assert await refused(service, config(), chunk, chunk) == (bad, "audio_out_of_order")
    oversized = turn_pb2.DetectRequest(user_audio=turn_pb2.UserAudio(pcm=bytes(2 * RATE)))
    assert await refused(service, config(), oversized) == (bad, "oversized_audio")
    odd = turn_pb2.DetectRequest(user_audio=turn_pb2.UserAudio(pcm=b"abc"))
    assert await refused(service, config(), odd) == (bad, "odd_bytes")
    empty = turn_pb2.DetectRequest(user_audio=turn_pb2.UserAudio())
    assert await refused(service, config(), empty) == (bad, "empty_audio")
    bot = turn_pb2.DetectRequest(bot_audio=turn_pb2.BotAudio(pcm=bytes(64)))
    assert await refused(service, config(), bot) == (bad, "no_bot_audio")
    long = turn_pb2.DetectRequest(words=turn_pb2.HeardWords(stable_text="word " * 20_000))
    assert await refused(service, config(), long) == (bad, "words_too_long")
    assert await refused(service, config(), turn_words("word " * 20_000)) == (bad, "words_too_long")
    assert service.admission.active == 0


async def test_a_turn_that_was_taken_is_told_in_samples_of_the_user(service: Served) -> None:
    audio = recording("goforward.wav")
    taken = turn_pb2.DetectRequest(turn_taken=turn_pb2.TurnTaken(at_sample=100))
    assert of(await detect(service, config(), taken, user(audio), FINISH), "speech_started")
    code, why = await refused(service, config(), turn_pb2.DetectRequest(turn_taken=turn_pb2.TurnTaken(at_sample=-1)))
    assert (code, why) == (grpc.StatusCode.INVALID_ARGUMENT, "wrong_at_sample")


async def test_a_full_service_refuses_and_a_loading_one_asks_to_wait(service: Served) -> None:
    calls = [service.stub.Detect() for _ in range(2)]
    for call in calls:
        await call.write(config())
        for request in user(recording("goforward.wav")):
            await call.write(request)
        assert (await call.read()).HasField("speech_started")
    assert await refused(service, config()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
    service.admission.ready = False
    assert await refused(service, config()) == (grpc.StatusCode.UNAVAILABLE, "loading")
    for call in calls:
        call.cancel()


async def test_an_abandoned_stream_gets_no_last_words(service: Served) -> None:
    events = await detect(service, config(), user(recording("kws_whatstheweatherlike.wav")[: 3 * RATE // 2]))
    assert [e.WhichOneof("response") for e in events] == ["speech_started"]
    assert service.admission.active == 0


async def test_the_promised_metrics_are_emitted(service: Served) -> None:
    await detect(service, config(), user(np.concatenate([recording("goforward.wav"), noise(3)])), FINISH)
    emitted = {metric.name for metric in service.metrics.registry.collect()}
    assert {name.removesuffix("_total") for name in SERVED["turn"] | SERVED_BY_ALL} <= emitted
    info = (await service.stub.GetInfo(turn_pb2.GetInfoRequest())).info
    labels = {"service": "turn", "engine": info.engine, "stage": ""}
    assert service.metrics.registry.get_sample_value("vivant_end_of_turn_seconds_count", labels) >= 1


@pytest.mark.parametrize("name", ["fusion", "silence"])
def test_a_missing_or_damaged_model_says_what_to_run(name: str, tmp_path: Path) -> None:
    spec = registry.find(ENGINES, name, "TURN_ENGINE")
    with pytest.raises(Unusable, match="make models") as caught:
        registry.load(spec, SharedSettings(models_dir=tmp_path)).load()
    assert caught.value.reason == "model_missing"
    (tmp_path / "silero-vad").mkdir()
    (tmp_path / "silero-vad" / "silero_vad.onnx").write_bytes(b"not a model")
    with pytest.raises(Unusable, match="make models") as caught:
        registry.load(spec, SharedSettings(models_dir=tmp_path)).load()
    assert caught.value.reason == "model_unusable"


# What follows is about the default engine.


def test_speech_of_a_meeting_is_found(engines: dict[str, TurnEngine]) -> None:
    """Against the speaker turns of the corpus, which include the short pauses inside a turn."""
    audio = recording("ami_trn09.flac")
    session = engines["fusion"].open(StreamConfig(RATE))
    events = [e for at in range(0, len(audio), 640) for e in session.push_user(audio[at : at + 640], at, "")]
    events += session.finish()
    heard, labelled = np.zeros(3_000, bool), np.zeros(3_000, bool)
    starts = [e.sample for e in events if isinstance(e, SpeechStarted)]
    stops = [e.last_speech for e in events if isinstance(e, SpeechStopped)]
    for start, stop in zip(starts, stops, strict=True):
        heard[start // 160 : stop // 160] = True
    for line in (SPEECH / "ami_trn09.rttm").read_text().splitlines():
        begin, length = (float(field) for field in line.split()[3:5])
        labelled[int(begin * 100) : int((begin + length) * 100)] = True
    assert (heard & labelled).sum() / heard.sum() > 0.97
    assert (heard & labelled).sum() / labelled.sum() > 0.9


def silence_after_a_command() -> tuple[Audio, Audio]:
    """Up to 0.4 s after its end, and the rest."""
    command = np.concatenate([recording("goforward.wav"), noise(0.4)])
    return command, noise(3)


async def test_words_of_the_turn_are_read_and_answered_at_once(service: Served) -> None:
    command, rest = silence_after_a_command()
    spoken = [turn_words("So let me tell you what", 1), user(command)]
    told = [turn_words("So let me tell you what happened.", 2), turn_words("Go forward ten meters.", 3)]
    events = await detect(service, config(), *spoken, *told, user(rest, len(command)), FINISH)
    first, *ends = of(events, "end_of_turn")
    assert (first.words_id, first.reading.tells_a_story, first.reading.asks) == (1, 1.0, 0.0)
    story, command_read = [next(end for end in ends if end.words_id == each) for each in (2, 3)]
    assert (story.reading.tells_a_story, story.reading.asks) == (1.0, 0.0)
    assert (command_read.reading.tells_a_story, command_read.reading.asks, command_read.reading.begins) == (0.0, 1.0, 1.0)
    assert story.detected_at_sample == command_read.detected_at_sample <= len(command)
    assert [end.words_id for end in ends] == sorted(end.words_id for end in ends)


async def test_words_that_come_when_the_turn_is_over_are_still_read(service: Served) -> None:
    command, rest = silence_after_a_command()
    late = [user(command), user(rest, len(command)), turn_words("I, um", 7), FINISH]
    before, after = of(await detect(service, config(), *late), "end_of_turn")[-2:]
    assert (before.probability, before.HasField("words_id")) == (1, False)
    assert (after.probability, after.words_id, after.reading.looks_for_words) == (1, 7, 1)


async def test_of_no_words_and_of_speech_that_goes_on_nothing_is_said(service: Served) -> None:
    command, rest = silence_after_a_command()
    speech = command[: int(1.2 * RATE)]
    events = await detect(service, config(), user(speech), turn_words("go forward", 1), turn_words("", 2), FINISH)
    assert of(events, "end_of_turn")[0].words_id == 2
    assert not any(end.HasField("reading") for end in of(events, "end_of_turn"))
    silent = [user(command), turn_words("", 3), turn_words("", 4), user(rest, len(command)), FINISH]
    once = await detect(service, config(), *silent)
    assert len(of(once, "end_of_turn")) == len(
        of(await detect(service, config(), user(command), user(rest, len(command)), FINISH), "end_of_turn")
    )


async def test_words_of_another_language_are_known_and_not_read(service: Served) -> None:
    info = (await service.stub.GetInfo(turn_pb2.GetInfoRequest())).info
    assert list(info.turn.word_languages) == ["en"]
    command, _ = silence_after_a_command()
    for language, read in (("de", False), ("en-GB", True)):
        events = await detect(service, config(language=language), user(command), turn_words("Was kostet das?", 5), FINISH)
        ends = of(events, "end_of_turn")
        assert {end.HasField("reading") for end in ends if end.words_id == 5} == {read}
        assert any(end.words_id == 5 for end in ends)


async def test_the_sound_of_a_complete_command_ends_the_turn_early(fusion: Served) -> None:
    command = np.concatenate([recording("goforward.wav"), noise(1)])
    ends = of(await detect(fusion, config(), user(command), FINISH), "end_of_turn")
    assert ends[0].probability > 0.5


async def test_words_and_how_they_end_move_the_end_of_the_turn(fusion: Served) -> None:
    question = recording("whatstheweatherlike.wav")[: int(1.3 * RATE)]
    audio = np.concatenate([question, noise(2)])

    async def decided(text: str, ending: common_pb2.Ending | None = None) -> float:
        heard = turn_pb2.HeardWords(stable_text=text, end_sample=len(question), ending=ending)
        told = [turn_pb2.DetectRequest(words=heard), turn_words(text, 1)]
        events = await detect(fusion, config(), user(question), *told, user(audio[len(question) :], len(question)), FINISH)
        end = next(e for e in of(events, "end_of_turn") if e.waiting_cost_s >= 5)
        return float(end.detected_at_sample - end.last_speech_sample) / RATE

    asked = "What's the weather like?"
    assert await decided(asked) < await decided("what's the weather and the")
    whole, broken_off = common_pb2.Ending(question_mark=0.97), common_pb2.Ending(dots=0.97)
    assert await decided(asked, whole) < await decided(asked, broken_off)


async def the_last_silence(service: Served) -> list[Any]:
    """What is said of the silence after a command, up to the end of the turn."""
    command = np.concatenate([recording("goforward.wav"), noise(3)])
    ends = of(await detect(service, config(), user(command), FINISH), "end_of_turn")
    return [end for end in ends if end.last_speech_sample == ends[-1].last_speech_sample]


async def test_waiting_costs_infinitely_much_when_the_turn_is_over_and_not_before(service: Served) -> None:
    *before, over = await the_last_silence(service)
    assert before
    assert all(math.isfinite(end.waiting_cost_s) for end in before)
    assert (over.probability, over.waiting_cost_s) == (1, math.inf)


async def test_waiting_costs_more_in_a_longer_silence(fusion: Served) -> None:
    *before, _ = await the_last_silence(fusion)
    assert 0 < before[0].waiting_cost_s < before[-1].waiting_cost_s


def speaking_persona() -> Audio:
    """Five seconds of somebody else's voice as the persona's."""
    voice = recording("chat_input_1.wav")
    return np.concatenate([noise(0.2), voice[: 2 * RATE], voice[int(2.6 * RATE) : int(4.6 * RATE)], voice[: 2 * RATE]])


def over(sound: Audio, at: float, total: int) -> Audio:
    mine = noise(total / RATE)[:total].copy()
    begin = int(at * RATE)
    mine[begin : begin + len(sound)] += sound[: total - begin]
    return mine


async def overlaps(service: Served, mine: Audio, words: dict[int, str] | None = None) -> list[Any]:
    """The verdicts that are more than a guess; the first of all falls within 500 ms."""
    bot = speaking_persona()
    found = of(await detect(service, config(bot_rate=24_000), both(mine, bot, words), FINISH), "overlap")
    for overlap in found[:1]:
        assert (overlap.detected_at_sample - overlap.start_sample) / RATE <= 0.5
    return [overlap for overlap in found if overlap.probability >= SURE]


async def test_speech_over_the_persona_is_an_interruption(fusion: Served) -> None:
    mine = over(recording("kws_whatstheweatherlike.wav"), 1.0, len(speaking_persona()))
    found = await overlaps(fusion, mine)
    assert found[0].kind == turn_pb2.OVERLAP_KIND_INTERRUPTION


async def test_a_short_word_over_the_persona_is_a_backchannel_until_its_meaning_is_known(fusion: Served) -> None:
    question = recording("whatstheweatherlike.wav")
    word = question[int(0.1 * RATE) : int(0.45 * RATE)] * np.concatenate([np.ones(4_800), np.linspace(1, 0, 800)])
    mine = over(word.astype(np.float32), 1.2, len(speaking_persona()))
    assert [o.kind for o in await overlaps(fusion, mine)] == [turn_pb2.OVERLAP_KIND_BACKCHANNEL]
    acknowledged = await overlaps(fusion, mine, {int(1.65 * RATE): "mm-hm"})
    assert [o.kind for o in acknowledged] == [turn_pb2.OVERLAP_KIND_BACKCHANNEL]
    stopped = await overlaps(fusion, mine, {int(2.2 * RATE): "stop"})
    assert [o.kind for o in stopped] == [turn_pb2.OVERLAP_KIND_BACKCHANNEL, turn_pb2.OVERLAP_KIND_INTERRUPTION]


async def test_the_personas_own_voice_coming_back_is_not_speech(fusion: Served) -> None:
    bot = speaking_persona()
    room = np.random.default_rng(4).standard_normal(800) * np.exp(-np.arange(800) / 200) * 0.1
    room[0] = 1
    mine = over((np.convolve(bot, room)[: len(bot)] * 0.2).astype(np.float32), 0.12, len(bot))
    events = await detect(fusion, config(bot_rate=24_000), both(mine, bot), FINISH)
    kinds = {overlap.kind for overlap in of(events, "overlap")}
    assert kinds == {turn_pb2.OVERLAP_KIND_NOT_SPEECH}
    assert of(events, "end_of_turn") == []


@pytest.mark.parametrize(("taken_s", "heard_s"), [(None, 5.95), (2.72, 2.48), (3.6, 5.95), (0.2, 5.95)])
def test_after_the_persona_took_the_floor_a_turn_is_heard_without_what_was_before(
    taken_s: float | None, heard_s: float
) -> None:
    """A question, and a second and a half later a command, at 3.9 s; of so much of it all its end is judged.

    At 0.2 s it is void: the question began so soon after it that the user had not finished.
    """
    question, command = recording("kws_whatstheweatherlike.wav")[: 2 * RATE], recording("goforward.wav")
    mine = np.concatenate([question, noise(1.5), command, noise(0.5)])
    lengths: list[int] = []

    def listen(audio: Audio) -> float:
        lengths.append(len(audio))
        return 0.5

    silero = VoiceActivity(Silero(SharedSettings().models_dir / "silero-vad" / "silero_vad.onnx"))
    session = TurnSession(StreamConfig(RATE), Segmenter(silero, 200), lambda audio: ByFusion(audio, listen, fitted(), 2.5))
    for at in range(0, len(mine), 640):
        list(session.push_user(mine[at : at + 640], at, ""))
        if taken_s is not None and at == round(taken_s * RATE):
            session.turn_taken(at)
    assert lengths[-1] / RATE == pytest.approx(heard_s, abs=0.1)


async def test_without_the_personas_audio_there_is_no_overlap(fusion: Served) -> None:
    events = await detect(fusion, config(), user(recording("kws_whatstheweatherlike.wav")), FINISH)
    assert of(events, "overlap") == []


async def test_a_model_beside_the_evidence_delays_and_moves_no_event(engines: dict[str, TurnEngine]) -> None:
    """Voice activity projection moves how likely the turn is over, and nothing else."""
    bot = speaking_persona()
    mine = over(recording("kws_whatstheweatherlike.wav"), 1.0, len(bot) + 3 * RATE)
    heard = []
    for name in ("fusion", "vap"):
        async with serving(engines[name]) as each:
            events = await detect(each, config(bot_rate=24_000), both(mine, bot), FINISH)
            labels = {"service": "turn", "engine": name, "stage": ""}
            steps = each.metrics.registry.get_sample_value("vivant_model_step_seconds_count", labels)
            assert bool(steps) == (name == "vap")
        kept = ("speech_suspected", "speech_started", "speech_stopped", "overlap")
        heard.append([event for event in events if event.WhichOneof("response") in kept])
        assert of(events, "end_of_turn")[-1].probability == 1
    assert heard[0] == heard[1] != []


async def test_a_long_story_has_room_for_backchannels(fusion: Served) -> None:
    events = await detect(fusion, config(), user(recording("ami_trn09.flac")), FINISH)
    found = of(events, "backchannel_opportunity")
    assert found
    for opportunity in found:
        assert opportunity.probability > 0.5
        last = max(
            s.last_speech_sample for s in of(events, "speech_stopped") if s.detected_at_sample <= opportunity.detected_at_sample
        )
        assert 0.2 <= (opportunity.detected_at_sample - last) / RATE <= 0.45


def test_a_minute_of_noise_is_cheap(engines: dict[str, TurnEngine]) -> None:
    """An hour at twenty times real time must leave most of a core free. Usual is 0.6 s of CPU; the bound is far above it."""
    session = engines["fusion"].open(StreamConfig(RATE, 24_000))
    minute = noise(60)
    began = time.process_time()
    for at in range(0, len(minute), 1_600):
        assert list(session.push_user(minute[at : at + 1_600], at, "")) == []
    assert time.process_time() - began < 10
