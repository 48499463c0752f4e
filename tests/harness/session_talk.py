"""Conversations over the session contract itself, message by message, against an orchestrator in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
import pytest

from services.common.audio import pcm_format
from services.orchestrator.settings import OrchestratorSettings
from tests.harness.grpc_server import Served, refusal
from tests.harness.scripted_engines import orchestrating
from tests.harness.waiting import PATIENCE_S
from vivant.channel import open_channel
from vivant.common.v1 import common_pb2
from vivant.session.v1 import session_pb2 as pb
from vivant.session.v1 import session_pb2_grpc

RATE: Final = 16_000
CHUNK: Final = RATE // 50
VP8: Final = common_pb2.VideoFormat(codec=common_pb2.VIDEO_CODEC_VP8, size_px=256, frames_per_second=25)
Request = pb.ConverseRequest
Response = pb.ConverseResponse


@dataclass
class Talk:
    """One call, and what has been answered so far."""

    call: Any
    answers: list[Response] = field(default_factory=list)

    async def send(self, **request: Any) -> None:
        await self.call.write(Request(**request))

    async def until(self, kind: str, timeout_s: float = PATIENCE_S) -> Any:
        """Reads up to the first answer of a kind."""
        async with asyncio.timeout(timeout_s):
            while (answer := await self.call.read()) is not grpc.aio.EOF:
                self.answers.append(answer)
                if answer.WhichOneof("response") == kind:
                    return getattr(answer, kind)
        pytest.fail(f"the stream ended ({await self.call.details()}) without {kind}")

    async def comes_to(self, state: Any) -> None:
        """Reads until the session is in a state."""
        while (await self.until("state")).state != state:
            pass

    async def rest(self) -> None:
        """Reads to the end."""
        async with asyncio.timeout(PATIENCE_S):
            while (answer := await self.call.read()) is not grpc.aio.EOF:
                self.answers.append(answer)

    def of(self, kind: str) -> list[Any]:
        return [getattr(answer, kind) for answer in self.answers if answer.HasField(kind)]


@asynccontextmanager
async def serving(settings: OrchestratorSettings) -> AsyncIterator[Served]:
    """The orchestrator, served."""
    async with orchestrating(settings) as made, open_channel(made.address) as channel:
        yield Served(session_pb2_grpc.SessionServiceStub(channel), made.admission, made.metrics)


def config(**fields: Any) -> pb.ConverseConfig:
    return pb.ConverseConfig(**({"input_audio": pcm_format(RATE)} | fields))


async def opened(door: Served, **fields: Any) -> Talk:
    """A conversation up to `ready`."""
    talk = Talk(door.stub.Converse())
    await talk.send(config=config(**fields))
    await talk.until("ready")
    return talk


def audio(start_sample: int = 0, samples: int = CHUNK, **fields: Any) -> pb.AudioChunk:
    return pb.AudioChunk(pcm=bytes(2 * samples), start_sample=start_sample, **fields)


async def joined(door: Served, conversation_id: str, **fields: Any) -> Talk:
    """A second client of a conversation, up to `ready`."""
    talk = Talk(door.stub.Converse())
    await talk.send(join=pb.Join(conversation_id=conversation_id, **fields))
    await talk.until("ready")
    return talk


async def refusal_of(door: Served, *requests: Request) -> tuple[grpc.StatusCode, str, str]:
    """How a call with these requests is refused."""
    talk = Talk(door.stub.Converse())
    for request in requests:
        await talk.call.write(request)
    return await refusal(talk.rest())
