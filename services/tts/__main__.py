"""Starts the tts service: `python -m services.tts`."""

from __future__ import annotations

import asyncio
from functools import partial

from services.common import registry, serving
from services.common.settings import SharedSettings
from services.tts.engine import VoiceEngine
from services.tts.engines import ENGINES
from services.tts.server import FULL_NAME, TtsServicer
from services.tts.settings import TtsSettings
from vivant.tts.v1 import tts_pb2_grpc


def service() -> serving.Service:
    """The service as its environment asks for it."""
    settings = TtsSettings()
    engine: VoiceEngine = registry.choose(ENGINES, settings, SharedSettings())
    return serving.engine_service(
        name="tts",
        full_name=FULL_NAME,
        settings=settings,
        engine=engine,
        servicer=partial(TtsServicer, engine),
        add=tts_pb2_grpc.add_TtsServiceServicer_to_server,
        close=lambda: asyncio.to_thread(engine.close),
    )


if __name__ == "__main__":
    serving.run(service, "tts")
