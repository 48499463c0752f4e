"""The llm service on a real gRPC server, with Pip as its persona, and a conversation with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import grpc
import pytest

from services.common.settings import SharedSettings
from services.llm.engine import Engine
from services.llm.persona.library import Personas
from services.llm.persona.preparing import LINGER_S
from services.llm.server import LlmServicer
from services.llm.settings import LlmSettings
from tests.harness.data import PERSONAS
from tests.harness.grpc_server import admission_of, served
from vivant.llm.v1 import llm_pb2 as pb
from vivant.llm.v1 import llm_pb2_grpc

#: As they are before a test gives this process another home.
MODELS: Final = SharedSettings().models_dir


@asynccontextmanager
async def serving(
    engine: Engine, personas_dir: Path = PERSONAS, *, linger_s: float = LINGER_S, **settings: Any
) -> AsyncIterator[Any]:
    """A stub of the service, with its `metrics`, `admission` and `personas` as attributes. The model makes the replies."""
    made = LlmSettings(**{"persona": "pip", "capacity": 2, "opening": "model"} | settings)
    personas = Personas(personas_dir, MODELS / "minilm-l6-v2", engine, made, linger_s)
    await asyncio.to_thread(personas.load)
    admission, metrics = admission_of("llm", "test", made.capacity)
    servicer = LlmServicer(engine, personas, admission, metrics)
    try:
        async with served(lambda server: llm_pb2_grpc.add_LlmServiceServicer_to_server(servicer, server)) as channel:
            stub: Any = llm_pb2_grpc.LlmServiceStub(channel)
            stub.metrics, stub.admission, stub.personas = metrics, admission, personas
            yield stub
    finally:
        await personas.close()


class Call:
    """One conversation."""

    def __init__(self, stub: Any, **config: Any) -> None:
        self._call = stub.Generate()
        self._config = config

    async def __aenter__(self) -> Call:
        await self.send(config=pb.GenerateConfig(persona="pip", session_id="test", **self._config))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._call.cancel()

    async def send(self, **request: Any) -> None:
        await self._call.write(pb.GenerateRequest(**request))

    async def commit(self, turn_id: int, text: str, speaker: str = "Spk1") -> None:
        await self.send(commit=pb.Commit(turn_id=turn_id, utterance=pb.HistoryItem(speaker=speaker, text=text)))

    async def read(self) -> tuple[str, Any]:
        message = await asyncio.wait_for(self._call.read(), 60)
        assert message is not grpc.aio.EOF
        kind = message.WhichOneof("response")
        return kind, getattr(message, kind)

    async def reply(self, turn_id: int) -> tuple[str, list[str], Any]:
        """The text of a turn, the kinds of its messages, and the last of them."""
        text, kinds = "", []
        while True:
            kind, message = await self.read()
            assert message.turn_id == turn_id, "output of a turn that is over"
            kinds.append(kind)
            text += message.text if kind == "text" else ""
            if kind in ("done", "failed"):
                return text, kinds, message

    async def refused(self) -> grpc.aio.AioRpcError:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            while await asyncio.wait_for(self._call.read(), 10) is not grpc.aio.EOF:
                pass
        return caught.value

    async def finish(self) -> None:
        await self.send(finish=pb.Finish())
        await self._call.done_writing()
