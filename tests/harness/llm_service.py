"""The llm service on a real gRPC server, with Pip as its persona, and a conversation with it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import grpc
import pytest

from services.common.settings import SharedSettings
from services.llm.engine import Engine
from services.llm.memory.sqlite import SqliteStore
from services.llm.memory.store import ConversationStore
from services.llm.persona.library import Personas
from services.llm.persona.preparing import LINGER_S
from services.llm.server import LlmServicer
from services.llm.settings import LlmSettings
from tests.harness.data import PERSONAS
from tests.harness.grpc_server import admission_of, served
from tests.harness.waiting import PATIENCE_S
from vivant.common.v1 import common_pb2
from vivant.llm.v1 import llm_pb2 as pb
from vivant.llm.v1 import llm_pb2_grpc

#: Looked up at once: tests give the process another home.
MODELS: Final = SharedSettings().models_dir


@asynccontextmanager
async def serving(
    engine: Engine,
    personas_dir: Path = PERSONAS,
    *,
    linger_s: float = LINGER_S,
    store: ConversationStore | None = None,
    **settings: Any,
) -> AsyncIterator[Any]:
    """A stub of the service, with its `metrics`, `admission` and `personas` as attributes. The model makes the replies.

    Conversations are kept in memory, unless a store that is loaded is given.
    """
    made = LlmSettings(**{"persona": "pip", "capacity": 2, "opening": "model"} | settings)
    personas = Personas(personas_dir, MODELS / "minilm-l6-v2", engine, made, linger_s)
    await asyncio.to_thread(personas.load)
    admission, metrics = admission_of("llm", "test", made.capacity)
    keeping = store or SqliteStore(None, 3600)
    if store is None:
        keeping.load()
    servicer = LlmServicer(engine, personas, keeping, admission, metrics)
    try:
        async with served(lambda server: llm_pb2_grpc.add_LlmServiceServicer_to_server(servicer, server)) as channel:
            stub: Any = llm_pb2_grpc.LlmServiceStub(channel)
            stub.metrics, stub.admission, stub.personas = metrics, admission, personas
            yield stub
    finally:
        await personas.close()
        if store is None:
            await keeping.close()


_NUMBERS: Final = itertools.count(1)


def utterance(text: str, speaker: str = "ana", *addressees: str, utterance_id: str = "") -> common_pb2.Utterance:
    """What somebody says, with an id that no other has unless one is given."""
    return common_pb2.Utterance(
        id=utterance_id or f"utterance-{next(_NUMBERS)}",
        participant_id=speaker,
        text=text,
        addressees=[common_pb2.Addressee(participant_id=each) for each in addressees],
    )


class Call:
    """One conversation."""

    def __init__(self, stub: Any, **config: Any) -> None:
        self._call = stub.Generate()
        self._config = config

    async def __aenter__(self) -> Call:
        await self.send(config=pb.GenerateConfig(**{"persona_id": "pip", "session_id": "test"} | self._config))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._call.cancel()

    async def send(self, **request: Any) -> None:
        await self._call.write(pb.GenerateRequest(**request))

    async def commit(self, turn_id: int, text: str, speaker: str = "ana", utterance_id: str = "") -> None:
        said = utterance(text, speaker, utterance_id=utterance_id)
        await self.send(commit=pb.Commit(turn_id=turn_id, utterance=said))

    async def heard(self, turn_id: int, text: str, *, utterance_id: str = "", **message: Any) -> None:
        """Of a reply; by default the only report of it."""
        said = utterance_id or f"reply-{turn_id}"
        await self.send(heard=pb.Heard(turn_id=turn_id, utterance_id=said, text=text, **message))

    async def read(self) -> tuple[str, Any]:
        message = await asyncio.wait_for(self._call.read(), PATIENCE_S)
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
            while await asyncio.wait_for(self._call.read(), PATIENCE_S) is not grpc.aio.EOF:
                pass
        return caught.value

    async def finish(self) -> None:
        await self.send(finish=pb.Finish())
        await self._call.done_writing()
