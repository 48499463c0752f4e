"""The asr contract over real gRPC, against every engine that ships."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import ctranslate2
import grpc
import jiwer
import numpy as np
import pytest
from numpy.typing import NDArray

from services.asr.engine import Engine, NoSpeech, StreamConfig
from services.asr.engines import ENGINES
from services.asr.engines.whisper import WhisperEngine
from services.asr.server import AsrServicer
from services.asr.settings import WhisperOptions
from services.common import registry
from services.common.audio import pcm_format, to_pcm
from services.common.engine import Model
from services.common.metrics import SERVED, SERVED_BY_ALL
from services.common.settings import SharedSettings
from tests.harness.data import BENCH, recording
from tests.harness.grpc_server import Served, admission_of, refusal, served
from tests.harness.riva_engines import connected, recogniser
from tests.harness.riva_server import riva_serving
from tests.harness.waiting import until
from tests.harness.whisper_model import random_whisper
from vivant.asr.v1 import asr_pb2, asr_pb2_grpc
from vivant.common.v1 import common_pb2
from vivant.errors import Unusable

RATE = 16_000
CHUNK = RATE // 50

Request = asr_pb2.TranscribeRequest
Samples = NDArray[np.float32]


@pytest.fixture(scope="session", params=[spec.name for spec in ENGINES])
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[Engine]:
    """Each engine once, loaded; riva with a stand-in for its server."""
    if request.param == "riva":
        async with riva_serving() as server, connected(recogniser(server)) as riva:
            yield riva
        return
    made: Engine = registry.load(registry.find(ENGINES, request.param, "ASR_ENGINE"), SharedSettings())
    made.load()
    yield made
    made.close()


@pytest.fixture(scope="session")
def whisper(request: pytest.FixtureRequest) -> Engine:
    made: Engine = registry.load(registry.find(ENGINES, "whisper", "ASR_ENGINE"), SharedSettings())
    made.load()
    request.addfinalizer(made.close)
    return made


class Recogniser(Served):
    """A service around an engine, and what can be asked of it."""

    async def ask(self, requests: Sequence[Request]) -> list[Any]:
        """All responses to these requests."""
        call = self.stub.Transcribe(iter(requests))
        return [getattr(response, response.WhichOneof("response")) async for response in call]

    async def refusal(self, requests: Sequence[Request]) -> tuple[grpc.StatusCode, str, str]:
        """Status, reason and sentence of the error that these requests end in."""
        return await refusal(self.ask(requests))


@asynccontextmanager
async def serving(engine: Engine, capacity: int = 4) -> AsyncIterator[Recogniser]:
    admission, metrics = admission_of("asr", engine.info.name, capacity)
    servicer = AsrServicer(engine, admission, metrics)
    async with served(lambda server: asr_pb2_grpc.add_AsrServiceServicer_to_server(servicer, server)) as channel:
        yield Recogniser(asr_pb2_grpc.AsrServiceStub(channel), admission, metrics)


def config(rate: int = RATE, **fields: Any) -> Request:
    return Request(config=asr_pb2.TranscribeConfig(audio=pcm_format(rate), **{"partials": True, **fields}))


def chunk(samples: Samples, start: int, speaker: str | None = None) -> Request:
    return Request(audio=asr_pb2.AudioChunk(pcm=to_pcm(samples), start_sample=start, participant_id=speaker))


def chunks(samples: Samples, start: int = 0, size: int = CHUNK, speaker: str | None = None) -> list[Request]:
    return [chunk(samples[at : at + size], start + at, speaker) for at in range(0, len(samples), size)]


def flush(flush_id: int) -> Request:
    return Request(flush=asr_pb2.Flush(flush_id=flush_id))


FINISH = Request(finish=asr_pb2.Finish())


def silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * RATE), np.float32)


async def test_a_flush_answers_one_final_with_word_times(engine: Engine) -> None:
    question = np.concatenate((recording("whatstheweatherlike.wav"), silence(0.3)))
    async with serving(engine) as served:
        answers = await served.ask([config(), *chunks(question, speaker="ann"), flush(7), FINISH])
    finals = [answer for answer in answers if isinstance(answer, asr_pb2.Final)]
    assert [final.flush_id for final in finals] == [7]
    assert isinstance(answers[-1], asr_pb2.NoSpeech)
    assert answers[-1].flush_id == 0
    final = finals[0]
    assert final.text == " ".join(word.text for word in final.words)
    assert final.participant_id == "ann"
    assert final.language == "en"
    times = [time for word in final.words for time in (word.start_sample, word.end_sample)]
    assert times == sorted(times)
    assert 0 <= final.start_sample < final.end_sample <= len(question)
    assert all(0 <= word.confidence <= 1 for word in final.words)


async def test_silence_is_no_speech(engine: Engine) -> None:
    async with serving(engine) as served:
        answers = await served.ask([config(), *chunks(silence(1.0)), flush(1), *chunks(silence(0.5), RATE), FINISH])
    assert [type(answer) for answer in answers] == [asr_pb2.NoSpeech, asr_pb2.NoSpeech]
    assert [(answer.flush_id, answer.start_sample, answer.end_sample) for answer in answers] == [
        (1, 0, RATE),
        (0, RATE, RATE * 3 // 2),
    ]


QUESTIONS = {
    "whatstheweatherlike.wav": "what's the weather like",
    "kws_whatstheweatherlike.wav": "computer what's the weather like",
    "chat_input_1.wav": "i really like animals let's talk about working dogs",
    "goforward.wav": "go forward 10 meters",
}


def plain(text: str) -> str:
    return "".join(char for char in text.lower() if char.isalnum() or char in " '")


async def test_real_speech_is_understood(whisper: Engine) -> None:
    async with serving(whisper) as served:
        for name, expected in QUESTIONS.items():
            *partials, final, end = await served.ask([config(), *chunks(recording(name)), flush(1), FINISH])
            assert jiwer.wer(expected, plain(final.text)) <= 0.1, final.text
            assert isinstance(end, asr_pb2.NoSpeech)
            assert all(isinstance(partial, asr_pb2.Partial) for partial in partials)


#: Somebody who stops after "so", and goes on: where the pause begins.
BROKEN_OFF, BROKEN_OFF_S = "021.opus", 1.95


async def ends(whisper: Engine, sound: Samples, **fields: Any) -> list[Any]:
    async with serving(whisper) as served:
        answers = await served.ask(
            [config(**{"endings": True, **fields}), *chunks(np.concatenate((sound, silence(0.3)))), flush(3), FINISH]
        )
    return [answer for answer in answers if isinstance(answer, asr_pb2.Ends)]


async def test_it_is_heard_whether_somebody_has_finished_asks_or_breaks_off(whisper: Engine) -> None:
    turn = recording(BROKEN_OFF, BENCH / "turn" / "made")
    [said], [asked], [unfinished], [finished] = [
        await ends(whisper, sound)
        for sound in (
            recording("goforward.wav"),
            recording("whatstheweatherlike.wav"),
            turn[: int(BROKEN_OFF_S * RATE)],
            turn,
        )
    ]
    assert {each.flush_id for each in (said, asked, unfinished, finished)} == {3}
    assert said.ending.full_stop > 0.5 > said.ending.dots
    assert asked.ending.question_mark > 0.5
    assert unfinished.ending.dots > 0.5 > finished.ending.dots


async def test_where_it_was_not_tried_or_not_asked_for_it_is_not_said(whisper: Engine) -> None:
    assert list(whisper.info.ending_languages) == ["en"]
    assert not await ends(whisper, recording("whatstheweatherlike.wav"), language="de")
    assert not await ends(whisper, recording("whatstheweatherlike.wav"), endings=False)


@pytest.mark.parametrize("rate", [8_000, 24_000, 48_000])
async def test_other_rates_are_understood_and_timed_at_their_own_rate(whisper: Engine, rate: int) -> None:
    audio = recording("whatstheweatherlike.wav")
    positions = np.arange(len(audio) * rate // RATE) * (RATE / rate)
    converted = np.interp(positions, np.arange(len(audio)), audio).astype(np.float32)
    async with serving(whisper) as served:
        (native,) = await served.ask([config(partials=False), *chunks(audio), FINISH])
        (other,) = await served.ask([config(rate, partials=False), *chunks(converted, size=rate // 50), FINISH])
    assert plain(other.text) == plain(native.text)
    for mine, theirs in zip(other.words, native.words, strict=True):
        assert abs(mine.start_sample / rate - theirs.start_sample / RATE) < 0.15


async def test_stable_text_only_grows(whisper: Engine) -> None:
    requests = [config(), *chunks(recording("chat_input_1.wav")), FINISH]
    async with serving(whisper) as served:

        async def paced() -> AsyncIterator[Request]:
            for request in requests:
                yield request
                # Four times the pace of speech: there is time for partial results.
                await asyncio.sleep(0.005)

        call = served.stub.Transcribe(paced())
        partials = [response.partial async for response in call if response.WhichOneof("response") == "partial"]
    stable = [partial.stable_text for partial in partials]
    assert any(stable)
    assert all(new.startswith(old) for old, new in pairwise(stable))
    assert [partial.end_sample for partial in partials] == sorted(partial.end_sample for partial in partials)


def hum(seconds: float) -> Samples:
    time = np.arange(int(seconds * RATE)) / RATE
    tones = 0.1 * np.sin(2 * np.pi * 50 * time) + 0.05 * np.sin(2 * np.pi * 150 * time)
    return tones.astype(np.float32)


def noise(seconds: float, level: float) -> Samples:
    return (np.random.default_rng(3).standard_normal(int(seconds * RATE)) * level).astype(np.float32)


def clicks(seconds: float) -> Samples:
    """Short bursts with a fast decay, like knocks or a dry cough, every 700 ms."""
    result = noise(seconds, 0.001)
    burst = noise(0.06, 0.5) * np.exp(-np.arange(int(0.06 * RATE)) / 200).astype(np.float32)
    for at in range(RATE // 2, len(result) - len(burst), RATE * 7 // 10):
        result[at : at + len(burst)] += burst
    return result.clip(-1, 1)


@pytest.mark.parametrize(
    "sound",
    [
        pytest.param(noise(4, 0.02), id="quiet noise"),
        pytest.param(noise(4, 0.3).clip(-1, 1), id="loud noise"),
        pytest.param(hum(4), id="hum"),
        pytest.param(clicks(4), id="clicks"),
        pytest.param(np.full(4 * RATE, 0.3, np.float32), id="constant"),
        pytest.param(np.sign(hum(4)), id="clipped"),
    ],
)
async def test_what_is_not_speech_is_no_speech(whisper: Engine, sound: Samples) -> None:
    async with serving(whisper) as served:
        answers = await served.ask([config(), *chunks(sound), flush(1), *chunks(silence(1), len(sound)), FINISH])
    assert [type(answer) for answer in answers] == [asr_pb2.NoSpeech, asr_pb2.NoSpeech]


async def test_words_lie_where_they_were_said(whisper: Engine) -> None:
    question = recording("whatstheweatherlike.wav")
    audio = np.concatenate((silence(3.0), question, silence(2.5), question, silence(0.5)))
    async with serving(whisper) as served:
        (final,) = await served.ask([config(partials=False), *chunks(audio), FINISH])
    texts = [plain(word.text) for word in final.words]
    assert texts == [*QUESTIONS["whatstheweatherlike.wav"].split()] * 2
    first, second = final.words[: len(texts) // 2], final.words[len(texts) // 2 :]
    offset = 3 * RATE
    assert offset <= first[0].start_sample
    assert first[-1].end_sample <= offset + len(question)
    for one, other in zip(first, second, strict=True):
        assert abs(other.start_sample - one.start_sample - len(question) - 2.5 * RATE) < 0.2 * RATE


async def test_each_flush_has_its_own_answer_and_speaker(engine: Engine) -> None:
    question = np.concatenate((recording("whatstheweatherlike.wav"), silence(0.5)))
    requests = [
        *chunks(question, speaker="ann"),
        flush(1),
        flush(2),
        *chunks(question, len(question), speaker="ben"),
        flush(3),
    ]
    async with serving(engine) as served:
        answers = await served.ask([config(partials=False), *requests, FINISH])
    assert [type(answer).__name__ for answer in answers] == ["Final", "NoSpeech", "Final", "NoSpeech"]
    assert [answers[0].participant_id, answers[2].participant_id] == ["ann", "ben"]
    assert answers[2].start_sample >= len(question)
    assert [answer.flush_id for answer in answers] == [1, 2, 3, 0]


def audio_format(**fields: Any) -> Request:
    fields = {"encoding": common_pb2.AUDIO_ENCODING_PCM_S16LE, "sample_rate_hz": RATE, "channels": 1} | fields
    return Request(config=asr_pb2.TranscribeConfig(audio=common_pb2.AudioFormat(**fields)))


QUIET = silence(0.02)
BAD_INPUT = {
    "no_config": [flush(1)],
    "second_config": [config(), config()],
    "empty_message": [config(), Request()],
    "wrong_encoding": [audio_format(encoding=common_pb2.AUDIO_ENCODING_UNSPECIFIED)],
    "wrong_channels": [audio_format(channels=2)],
    "wrong_sample_rate": [audio_format(sample_rate_hz=22_050)],
    "unknown_language": [config(language="tlh")],
    "wrong_flush_id": [config(), flush(0)],
    "empty_audio": [config(), Request(audio=asr_pb2.AudioChunk())],
    "odd_bytes": [config(), Request(audio=asr_pb2.AudioChunk(pcm=b"abc"))],
    "oversized_audio": [config(), chunk(silence(0.11), 0)],
    "audio_out_of_order": [config(), chunk(QUIET, 0), chunk(QUIET, 100)],
    "audio_gap": [config(), chunk(QUIET, 0), chunk(QUIET, 601 * RATE)],
}


@pytest.mark.parametrize("reason", BAD_INPUT)
async def test_bad_input_is_refused_with_the_rule_it_breaks(engine: Engine, reason: str) -> None:
    async with serving(engine) as served:
        assert (await served.refusal(BAD_INPUT[reason]))[:2] == (grpc.StatusCode.INVALID_ARGUMENT, reason)
        # The service goes on, and the place is free again.
        assert await served.ask([config(), FINISH])
        assert served.admission.active == 0


async def test_the_refusal_of_a_rate_names_the_choices(engine: Engine) -> None:
    async with serving(engine) as served:
        _, _, sentence = await served.refusal(BAD_INPUT["wrong_sample_rate"])
    assert all(str(rate) in sentence for rate in (8_000, 16_000, 24_000, 48_000, 22_050))


async def test_a_region_is_understood_as_its_language(engine: Engine) -> None:
    async with serving(engine) as served:
        assert await served.ask([config(language="en-GB"), FINISH])


async def test_a_full_service_refuses_before_it_reads_audio(engine: Engine) -> None:
    async with serving(engine, capacity=1) as served:
        first = served.stub.Transcribe()
        await first.write(config())
        await first.write(flush(1))
        await first.read()
        code, reason, _ = await served.refusal([config()])
        assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
        await first.write(FINISH)
        await first.read()
        assert await first.read() is grpc.aio.EOF
        assert await served.ask([config(), FINISH])


async def test_a_loading_service_says_so(engine: Engine) -> None:
    async with serving(engine) as served:
        served.admission.ready = False
        code, reason, _ = await served.refusal([config()])
        assert (code, reason) == (grpc.StatusCode.UNAVAILABLE, "loading")
        info = (await served.stub.GetInfo(asr_pb2.GetInfoRequest())).info
        assert not info.ready


@pytest.mark.parametrize("how", ["ended", "cancelled"])
async def test_an_abandoned_stream_frees_its_place_without_last_work(engine: Engine, how: str) -> None:
    async with serving(engine) as served:
        call = served.stub.Transcribe()
        await call.write(config(partials=False))
        for request in chunks(recording("whatstheweatherlike.wav")):
            await call.write(request)
        if how == "ended":
            await call.done_writing()
            assert await call.read() is grpc.aio.EOF
        else:
            call.cancel()
        await until(lambda: not served.admission.active)


async def test_info_says_what_the_engine_can_do(engine: Engine) -> None:
    async with serving(engine, capacity=3) as served:
        info = (await served.stub.GetInfo(asr_pb2.GetInfoRequest())).info
    assert (info.service, info.engine, info.ready, info.capacity, info.active) == ("asr", engine.info.name, True, 3, 0)
    assert info.WhichOneof("capabilities") == "asr"
    assert info.asr.partials and info.asr.word_times
    assert RATE in {audio.sample_rate_hz for audio in info.input_audio}
    assert "en" in info.languages
    assert all(model.name and model.licence for model in info.models)


async def test_every_metric_of_the_service_is_emitted(engine: Engine) -> None:
    async with serving(engine) as served:

        async def paced() -> AsyncIterator[Request]:
            for request in [config(), *chunks(recording("chat_input_1.wav")), flush(1), FINISH]:
                yield request
                await asyncio.sleep(0.005)

        async for _ in served.stub.Transcribe(paced()):
            pass
        await served.refusal([flush(1)])
        served.admission.capacity = 0
        await served.refusal([config()])
        emitted = {
            sample.name.removesuffix("_count")
            for family in served.metrics.registry.collect()
            for sample in family.samples
            if sample.labels.get("service") == "asr" and sample.labels.get("engine") == engine.info.name
            if not sample.name.endswith("_count") or sample.value
        }
    assert SERVED["asr"] | SERVED_BY_ALL <= emitted


async def test_a_silent_hour_is_cheap_and_ends_in_no_speech(whisper: Engine) -> None:
    hour = 3_600 * RATE
    piece = silence(0.1)
    session = whisper.open(StreamConfig(RATE, "en"))
    for start in range(0, hour, len(piece)):
        await session.push(piece, start)
    await session.finish()
    assert [event async for event in session.events()] == [NoSpeech(0, 0, hour)]


async def test_a_missing_model_is_said_at_the_start(tmp_path: Path) -> None:
    engine: Engine = registry.load(registry.find(ENGINES, "whisper", "ASR_ENGINE"), SharedSettings(models_dir=tmp_path))
    with pytest.raises(Unusable, match="make models") as caught:
        engine.load()
    assert caught.value.reason == "model_missing"
    engine.close()


async def test_a_broken_model_is_said_at_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "whisper-base"
    folder.mkdir()
    for name in ("model.bin", "config.json", "tokenizer.json"):
        (folder / name).write_text("{}")
    (tmp_path / "silero-vad").mkdir()
    (tmp_path / "silero-vad" / "silero_vad.onnx").write_text("")
    engine: Engine = registry.load(registry.find(ENGINES, "whisper", "ASR_ENGINE"), SharedSettings(models_dir=tmp_path))
    with pytest.raises(Unusable, match="whisper-base") as caught:
        engine.load()
    assert caught.value.reason == "model_unusable"
    engine.close()


async def test_a_model_that_is_asked_for_by_name_is_fetched_by_name(tmp_path: Path) -> None:
    engine = WhisperEngine(WhisperOptions(model="whisper-large-v3-turbo"), SharedSettings(models_dir=tmp_path))
    with pytest.raises(Unusable, match="models fetch whisper-large-v3-turbo"):
        engine.load()
    engine.close()


@pytest.mark.parametrize("where", ["name", "path"])
async def test_a_model_with_a_finer_spectrogram_is_used_by_name_or_path(tmp_path: Path, where: str) -> None:
    """As large-v3 and its turbo have it: 128 bands. The weights are random."""
    models = SharedSettings().models_dir
    for folder in ("silero-vad", "resemblyzer"):
        (tmp_path / folder).symlink_to(models / folder)
    folder = tmp_path / "whisper-random"
    random_whisper(folder, models / "whisper-base", bands=128)
    options = WhisperOptions(model=folder.name if where == "name" else str(folder))
    engine = WhisperEngine(options, SharedSettings(models_dir=tmp_path))
    engine.load()
    assert engine.info.models[0] == Model("whisper-random", "MIT" if where == "name" else "unknown")
    async with serving(engine) as served:
        answers = await served.ask([config(), *chunks(recording("whatstheweatherlike.wav")), flush(1), FINISH])
    engine.close()
    assert [answer.flush_id for answer in answers if not isinstance(answer, asr_pb2.Partial)] == [1, 0]


@pytest.mark.skipif(ctranslate2.get_cuda_device_count() > 0, reason="there is a GPU")
async def test_a_gpu_that_is_not_there_is_said_with_how_it_was_to_compute() -> None:
    engine = WhisperEngine(WhisperOptions(device="cuda"), SharedSettings())
    with pytest.raises(Unusable, match="ASR_WHISPER_DEVICE=cuda and ASR_WHISPER_COMPUTE_TYPE=float16") as caught:
        engine.load()
    assert caught.value.reason == "model_unusable"
    engine.close()


async def test_two_real_people_on_one_microphone_are_told_apart(whisper: Engine) -> None:
    requests = [config(voices=True)]
    position = 0
    for flush_id, name in enumerate(("checking", "crashes", "an_idea", "best_guess"), 1):
        spoken = np.concatenate((_scenario(name), silence(0.25)))
        requests += [*chunks(spoken, position), flush(flush_id)]
        position += len(spoken)
    async with serving(whisper) as served:
        answers = await served.ask([*requests, FINISH])
    finals = [answer for answer in answers if isinstance(answer, asr_pb2.Final) and answer.flush_id]
    first, second, *rest = (final.participant_id for final in finals)
    assert first and second and first != second
    assert rest == [first, second]
    voices = [answer for answer in answers if isinstance(answer, asr_pb2.Voice)]
    assert [voice.participant.id for voice in voices] == [first, second], "each is announced once"
    assert answers.index(voices[1]) < answers.index(finals[1]), "before anything refers to it"


async def test_what_the_caller_says_of_the_speaker_counts_more_than_the_voice(whisper: Engine) -> None:
    spoken = np.concatenate((_scenario("crashes"), silence(0.25)))
    async with serving(whisper) as served:
        answers = await served.ask([config(voices=True), *chunks(spoken, speaker="ann"), flush(1), FINISH])
    assert [answer.participant_id for answer in answers if isinstance(answer, asr_pb2.Final)][:1] == ["ann"]


def _scenario(name: str) -> Samples:
    return recording(f"{name}.flac", BENCH / "scenarios")
