"""Starts the face service: `python -m services.face`."""

from __future__ import annotations

from functools import partial

from services.common import registry, serving
from services.common.settings import SharedSettings
from services.face.engine import FaceEngine
from services.face.engines import ENGINES
from services.face.enrolment.enroller import Enroller
from services.face.enrolment.finder import Finder
from services.face.server import FULL_NAME, FaceServicer
from services.face.settings import FaceSettings
from vivant.face.v1 import face_pb2_grpc


def service() -> serving.Service:
    """The service as its environment asks for it."""
    settings, shared = FaceSettings(), SharedSettings()
    engine: FaceEngine = registry.choose(ENGINES, settings, shared)
    enroller = Enroller(engine, Finder(settings.enroll_python, settings.enroll_timeout_s), shared.personas_dir)
    return serving.engine_service(
        name="face",
        full_name=FULL_NAME,
        settings=settings,
        engine=engine,
        servicer=partial(FaceServicer, engine, enroller, lead_ms=settings.lead_ms),
        add=face_pb2_grpc.add_FaceServiceServicer_to_server,
    )


if __name__ == "__main__":
    serving.run(service, "face")
