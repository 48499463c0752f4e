"""Starts the asr service: `python -m services.asr`."""

from __future__ import annotations

import asyncio
from functools import partial

from services.asr.engine import Engine
from services.asr.engines import ENGINES
from services.asr.server import FULL_NAME, AsrServicer
from services.asr.settings import AsrSettings
from services.common import registry, serving
from services.common.settings import SharedSettings
from vivant.asr.v1 import asr_pb2_grpc


def service() -> serving.Service:
    """The service as its environment asks for it."""
    settings = AsrSettings()
    engine: Engine = registry.choose(ENGINES, settings, SharedSettings())
    return serving.engine_service(
        name="asr",
        full_name=FULL_NAME,
        settings=settings,
        engine=engine,
        servicer=partial(AsrServicer, engine),
        add=asr_pb2_grpc.add_AsrServiceServicer_to_server,
        close=lambda: asyncio.to_thread(engine.close),
    )


if __name__ == "__main__":
    serving.run(service, "asr")
