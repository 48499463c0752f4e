"""Starts the tts service: `python -m services.tts`."""

from __future__ import annotations

import asyncio

from services.common import registry, serving
from services.common.metrics import Metrics
from services.common.settings import SharedSettings
from services.common.streams import Admission
from services.tts.engine import VoiceEngine
from services.tts.engines import ENGINES
from services.tts.server import FULL_NAME, TtsServicer
from services.tts.settings import TtsSettings
from vivant.tts.v1 import tts_pb2_grpc


def service() -> serving.Service:
    """The service as its environment asks for it."""
    settings = TtsSettings()
    engine: VoiceEngine = registry.load(registry.find(ENGINES, settings.engine, "TTS_ENGINE"), SharedSettings())
    metrics = Metrics("tts", settings.engine)
    admission = Admission("tts", settings.capacity, metrics)
    servicer = TtsServicer(engine, admission, metrics)

    async def close() -> None:
        engine.close()

    return serving.Service(
        name="tts",
        full_name=FULL_NAME,
        settings=settings,
        metrics=metrics,
        admission=admission,
        add_to=lambda server: tts_pb2_grpc.add_TtsServiceServicer_to_server(servicer, server),
        warm=lambda: asyncio.to_thread(engine.load),
        close=close,
    )


if __name__ == "__main__":
    serving.run(service, "tts")
