"""Starts the asr service: `python -m services.asr`."""

from __future__ import annotations

import asyncio

from services.asr.engine import Engine
from services.asr.engines import ENGINES
from services.asr.server import FULL_NAME, AsrServicer
from services.asr.settings import AsrSettings
from services.common import registry, serving
from services.common.metrics import Metrics
from services.common.settings import SharedSettings
from services.common.streams import Admission
from vivant.asr.v1 import asr_pb2_grpc


def service() -> serving.Service:
    """The service as its environment asks for it."""
    settings = AsrSettings()
    engine: Engine = registry.load(registry.find(ENGINES, settings.engine, "ASR_ENGINE"), SharedSettings())
    metrics = Metrics("asr", settings.engine)
    admission = Admission("asr", settings.capacity, metrics)
    servicer = AsrServicer(engine, admission, metrics)

    async def close() -> None:
        engine.close()

    return serving.Service(
        name="asr",
        full_name=FULL_NAME,
        settings=settings,
        metrics=metrics,
        admission=admission,
        add_to=lambda server: asr_pb2_grpc.add_AsrServiceServicer_to_server(servicer, server),
        warm=lambda: asyncio.to_thread(engine.load),
        close=close,
    )


if __name__ == "__main__":
    serving.run(service, "asr")
