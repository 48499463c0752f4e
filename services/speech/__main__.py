"""Starts the speech service: `python -m services.speech`."""

from __future__ import annotations

from functools import partial

from services.common import registry, serving
from services.common.settings import SharedSettings
from services.speech.engine import SpeechEngine
from services.speech.engines import ENGINES
from services.speech.server import FULL_NAME, SpeechServicer
from services.speech.settings import SpeechSettings
from vivant.speech.v1 import speech_pb2_grpc


def service() -> serving.Service:
    """The service as its environment asks for it."""
    settings = SpeechSettings()
    engine: SpeechEngine = registry.choose(ENGINES, settings, SharedSettings())
    return serving.engine_service(
        name="speech",
        full_name=FULL_NAME,
        settings=settings,
        engine=engine,
        servicer=partial(SpeechServicer, engine),
        add=speech_pb2_grpc.add_SpeechServiceServicer_to_server,
    )


if __name__ == "__main__":
    serving.run(service, "speech")
