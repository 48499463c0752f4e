"""Starts the face service: `python -m services.face`."""

from __future__ import annotations

import asyncio

from services.common import registry, serving
from services.common.metrics import Metrics
from services.common.settings import SharedSettings
from services.common.streams import Admission
from services.face.engine import FaceEngine
from services.face.engines import ENGINES
from services.face.enrolment.enroller import Enroller
from services.face.enrolment.finder import Finder
from services.face.server import FULL_NAME, FaceServicer
from services.face.settings import FaceSettings
from vivant.face.v1 import face_pb2_grpc


def service() -> serving.Service:
    """The service as its environment asks for it."""
    settings = FaceSettings()
    shared = SharedSettings()
    engine: FaceEngine = registry.load(registry.find(ENGINES, settings.engine, "FACE_ENGINE"), shared)
    enroller = Enroller(engine, Finder(settings.enroll_python, settings.enroll_timeout_s), shared.personas_dir)
    metrics = Metrics("face", settings.engine)
    admission = Admission("face", settings.capacity, metrics)
    servicer = FaceServicer(engine, enroller, admission, metrics, settings.lead_ms)

    return serving.Service(
        name="face",
        full_name=FULL_NAME,
        settings=settings,
        metrics=metrics,
        admission=admission,
        add_to=lambda server: face_pb2_grpc.add_FaceServiceServicer_to_server(servicer, server),
        warm=lambda: asyncio.to_thread(engine.load),
    )


if __name__ == "__main__":
    serving.run(service, "face")
