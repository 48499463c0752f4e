"""The asr contract over real gRPC, against every engine that ships."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from services.asr.engine import Engine
from services.asr.engines import ENGINES
from services.asr.server import AsrServicer
from services.common import registry
from services.common.audio import pcm_format, to_pcm
from services.common.metrics import SERVED, SERVED_BY_ALL, Metrics
from services.common.settings import SharedSettings
from services.common.streams import Admission
from vivant.asr.v1 import asr_pb2, asr_pb2_grpc
from vivant.channel import SERVER_OPTIONS, open_channel
from vivant.common.v1 import common_pb2
from vivant.errors import REASON_KEY

SPEECH = Path(__file__).parent.parent / "data" / "speech"
RATE = 16_000
CHUNK = RATE // 50

Request = asr_pb2.TranscribeRequest
Samples = NDArray[np.float32]


@pytest.fixture(scope="session", params=[spec.name for spec in ENGINES])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine once, loaded."""
    made: Engine = registry.load(registry.find(ENGINES, request.param, "ASR_ENGINE"), SharedSettings())
    made.load()
    request.addfinalizer(made.close)
    return made


@pytest.fixture(scope="session")
def whisper(request: pytest.FixtureRequest) -> Engine:
    made: Engine = registry.load(registry.find(ENGINES, "whisper", "ASR_ENGINE"), SharedSettings())
    made.load()
    request.addfinalizer(made.close)
    return made


class Served:
    """A server around an engine, and a client to it."""

    def __init__(self, stub: asr_pb2_grpc.AsrServiceAsyncStub, admission: Admission, metrics: Metrics) -> None:
        self.stub = stub
        self.admission = admission
        self.metrics = metrics

    async def ask(self, requests: Sequence[Request]) -> list[Any]:
        """All responses to these requests."""
        call = self.stub.Transcribe(iter(requests))
        return [getattr(response, response.WhichOneof("response")) async for response in call]

    async def refusal(self, requests: Sequence[Request]) -> tuple[grpc.StatusCode, str, str]:
        """Status, reason and sentence of the error that these requests end in."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.ask(requests)
        reason = dict(caught.value.trailing_metadata() or ()).get(REASON_KEY, "")
        return caught.value.code(), str(reason), caught.value.details() or ""


@asynccontextmanager
async def serving(engine: Engine, capacity: int = 4) -> AsyncIterator[Served]:
    metrics = Metrics("asr", engine.info.name)
    admission = Admission("asr", capacity, metrics)
    admission.ready = True
    server = grpc.aio.server(options=SERVER_OPTIONS)
    asr_pb2_grpc.add_AsrServiceServicer_to_server(AsrServicer(engine, admission, metrics), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with open_channel(f"127.0.0.1:{port}") as channel:
            yield Served(asr_pb2_grpc.AsrServiceStub(channel), admission, metrics)
    finally:
        await server.stop(0)


def config(rate: int = RATE, **fields: Any) -> Request:
    return Request(config=asr_pb2.TranscribeConfig(audio=pcm_format(rate), **{"partials": True, **fields}))


def chunk(samples: Samples, start: int, speaker: str = "") -> Request:
    return Request(audio=asr_pb2.AudioChunk(pcm=to_pcm(samples), start_sample=start, speaker=speaker))


def chunks(samples: Samples, start: int = 0, size: int = CHUNK, speaker: str = "") -> list[Request]:
    return [chunk(samples[at : at + size], start + at, speaker) for at in range(0, len(samples), size)]


def flush(flush_id: int) -> Request:
    return Request(flush=asr_pb2.Flush(flush_id=flush_id))


FINISH = Request(finish=asr_pb2.Finish())


def recording(name: str) -> Samples:
    samples, rate = soundfile.read(SPEECH / name, dtype="float32")
    assert rate == RATE
    result: Samples = samples
    return result


def silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * RATE), np.float32)


async def test_a_flush_answers_one_final_with_word_times(engine: Engine) -> None:
    question = np.concatenate((recording("whatstheweatherlike.wav"), silence(0.3)))
    async with serving(engine) as served:
        answers = await served.ask([config(), *chunks(question, speaker="Spk1"), flush(7), FINISH])
    finals = [answer for answer in answers if isinstance(answer, asr_pb2.Final)]
    assert [final.flush_id for final in finals] == [7]
    assert isinstance(answers[-1], asr_pb2.NoSpeech)
    assert answers[-1].flush_id == 0
    final = finals[0]
    assert final.text == " ".join(word.text for word in final.words)
    assert final.speaker == "Spk1"
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
