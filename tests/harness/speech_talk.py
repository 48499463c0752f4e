"""A client of the speech service that notes what it hears, for tests of its contract."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

import numpy as np

from services.common.audio import pcm_format
from services.speech.engine import SpeechEngine
from services.speech.server import SpeechServicer
from tests.harness.grpc_server import Served, admission_of, served
from tests.harness.waiting import PATIENCE_S
from vivant.common.v1 import common_pb2
from vivant.persona.v1 import persona_pb2
from vivant.speech.v1 import speech_pb2, speech_pb2_grpc

RATE_HZ: Final = 16_000
SPEECH_HZ: Final = 24_000
CHUNK_MS: Final = 40
PERSONA: Final = persona_pb2.Persona(card=persona_pb2.Card(id="june", name="June", languages=["en"]))
FINISH: Final = speech_pb2.ConverseRequest(finish=speech_pb2.Finish())


@asynccontextmanager
async def serving(engine: SpeechEngine, capacity: int = 2) -> AsyncIterator[Served]:
    """An engine behind a real gRPC server."""
    admission, metrics = admission_of("speech", engine.info.name, capacity)
    servicer = SpeechServicer(engine, admission, metrics)
    async with served(lambda server: speech_pb2_grpc.add_SpeechServiceServicer_to_server(servicer, server)) as channel:
        yield Served(speech_pb2_grpc.SpeechServiceStub(channel), admission, metrics)


def config(rate: int = RATE_HZ, **fields: Any) -> speech_pb2.ConverseRequest:
    """What a stream begins with."""
    usual = {
        "persona": PERSONA,
        "instructions": "You are June, a piano tuner.",
        "input_audio": pcm_format(rate),
        "output_audio": pcm_format(SPEECH_HZ),
    }
    return speech_pb2.ConverseRequest(config=speech_pb2.ConverseConfig(**usual | fields))


def tone(seconds: float, rate: int = RATE_HZ) -> bytes:
    """What scripted models take for speech."""
    return (np.sin(np.arange(round(seconds * rate)) * 0.1) * 8000).astype("<i2").tobytes()


def silence(seconds: float, rate: int = RATE_HZ) -> bytes:
    """Sound in which nobody speaks."""
    return bytes(2 * round(seconds * rate))


def audio(pcm: bytes, start: int = 0) -> speech_pb2.ConverseRequest:
    """One message of sound."""
    return speech_pb2.ConverseRequest(audio=speech_pb2.Audio(pcm=pcm, start_sample=start))


def utterance(text: str, participant_id: str = "p1") -> speech_pb2.ConverseRequest:
    """What somebody has said, as a recognition has heard it."""
    return speech_pb2.ConverseRequest(utterance=common_pb2.Utterance(id="u1", participant_id=participant_id, text=text))


class Talk:
    """One stream. `heard` has all that came, in order."""

    def __init__(self, call: Any, rate: int = RATE_HZ) -> None:
        self._call = call
        self._rate = rate
        self.position = 0
        self.heard: list[Any] = []

    async def say(self, *sounds: bytes, paced: bool = False) -> None:
        """Sound, in messages of 40 ms, all at once or as it is spoken."""
        size = 2 * self._rate * CHUNK_MS // 1000
        due = asyncio.get_running_loop().time()
        for sound in sounds:
            for at in range(0, len(sound), size):
                chunk = sound[at : at + size]
                await self._call.write(audio(chunk, self.position))
                self.position += len(chunk) // 2
                if paced:
                    due += CHUNK_MS / 1000
                    await asyncio.sleep(due - asyncio.get_running_loop().time())

    async def send(self, request: Any = None, **fields: Any) -> None:
        await self._call.write(request or speech_pb2.ConverseRequest(**fields))

    async def clear(self, newest_turn_id: int) -> None:
        await self.send(clear=speech_pb2.Clear(newest_turn_id=newest_turn_id))

    async def played(self, turn_id: int, position_samples: int) -> None:
        await self.send(played=speech_pb2.Played(turn_id=turn_id, position_samples=position_samples))

    async def until(self, kind: str, test: Callable[[Any], bool] = lambda _: True) -> Any:
        """Reads up to the next message of a kind that passes the test."""
        async with asyncio.timeout(PATIENCE_S):
            async for message in self.more():
                if message.WhichOneof("response") == kind and test(getattr(message, kind)):
                    return getattr(message, kind)
        raise AssertionError(f"the stream has ended without {kind}: {self.kinds()}")

    async def more(self) -> AsyncIterator[Any]:
        """What comes, up to the end of the stream; raises what it ends with."""
        async for message in self._call:
            self.heard.append(message)
            yield message

    async def end(self) -> None:
        """Finishes, and reads to the end."""
        await self.send(FINISH)
        await self._call.done_writing()
        async with asyncio.timeout(PATIENCE_S):
            async for _ in self.more():
                pass

    def of(self, kind: str, turn_id: int | None = None) -> list[Any]:
        found = [getattr(message, kind) for message in self.heard if message.WhichOneof("response") == kind]
        return [each for each in found if turn_id in (None, each.turn_id)]

    def kinds(self) -> list[str]:
        """What came, in order, repetitions left out."""
        kinds = [str(message.WhichOneof("response")) for message in self.heard]
        return [kind for kind, before in zip(kinds, ["", *kinds], strict=False) if kind != before]

    def text(self, turn_id: int) -> str:
        return "".join(each.text for each in self.of("text", turn_id))

    def samples(self, turn_id: int) -> int:
        """The length of a reply, whose messages follow each other without gaps."""
        at = 0
        for each in self.of("speech", turn_id):
            assert each.start_sample == at
            at += len(each.pcm) // 2
            assert 0 < len(each.pcm) <= 2 * SPEECH_HZ // 10
        return at


@asynccontextmanager
async def talking(service: Served, rate: int = RATE_HZ, **fields: Any) -> AsyncIterator[Talk]:
    """A conversation that has begun."""
    call = service.stub.Converse()
    try:
        await call.write(config(rate, **fields))
        # The stream is taken: the model is there.
        await call.initial_metadata()
        yield Talk(call, rate)
    finally:
        call.cancel()


def requests(*parts: Any) -> Iterator[speech_pb2.ConverseRequest]:
    """Requests, one behind the other."""
    for part in parts:
        yield from [part] if isinstance(part, speech_pb2.ConverseRequest) else part


async def conversed(service: Served, *parts: Any) -> list[Any]:
    """All that is answered to these requests."""
    return [message async for message in service.stub.Converse(requests(*parts))]
