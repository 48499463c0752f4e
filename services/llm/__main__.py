"""Starts the llm service: `python -m services.llm`."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from services.common import registry, serving
from services.common.settings import SharedSettings
from services.llm.engine import Engine
from services.llm.engines import ENGINES
from services.llm.memory.sqlite import SqliteStore
from services.llm.persona.library import Personas
from services.llm.server import FULL_NAME, LlmServicer
from services.llm.settings import LlmSettings
from vivant.llm.v1 import llm_pb2_grpc

_EMBEDDING_FOLDER: Final = "minilm-l6-v2"
#: Conversations that are kept in memory alone: long enough to come back from a walk.
_IN_MEMORY_S: Final = 3600.0


def service() -> serving.Service:
    """The service as its environment asks for it."""
    settings, shared = LlmSettings(), SharedSettings()
    engine: Engine = registry.choose(ENGINES, settings, shared)
    if not settings.opening:
        settings = settings.model_copy(update={"opening": engine.info.opening})
    personas = Personas(shared.personas_dir, shared.models_dir / _EMBEDDING_FOLDER, engine, settings)

    store = _store(settings)

    async def prepare_engine() -> None:
        await asyncio.to_thread(engine.load)
        await engine.connect()

    async def warm() -> None:
        await asyncio.gather(asyncio.to_thread(store.load), prepare_engine(), asyncio.to_thread(personas.load))
        await personas.warm()
        personas.begin()

    async def close() -> None:
        await personas.close()
        await engine.close()
        await store.close()

    return serving.engine_service(
        name="llm",
        full_name=FULL_NAME,
        settings=settings,
        engine=engine,
        servicer=partial(LlmServicer, engine, personas, store),
        add=llm_pb2_grpc.add_LlmServiceServicer_to_server,
        warm=warm,
        close=close,
        problems=engine.problems,
        activities=personas.activities,
    )


def _store(settings: LlmSettings) -> SqliteStore:
    if not settings.conversations_days:
        return SqliteStore(None, _IN_MEMORY_S)
    return SqliteStore(settings.conversations, settings.conversations_days * 24 * 3600)


if __name__ == "__main__":
    serving.run(service, "llm")
