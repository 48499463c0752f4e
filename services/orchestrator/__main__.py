"""Starts the orchestrator: `python -m services.orchestrator`."""

from __future__ import annotations

from services.common import serving
from services.common.metrics import Metrics
from services.common.streams import Admission
from services.orchestrator.links.clients import Peers
from services.orchestrator.server import SessionServicer
from services.orchestrator.session.recorder import require_writable
from services.orchestrator.settings import OrchestratorSettings
from vivant.session.v1 import session_pb2, session_pb2_grpc


def service() -> serving.Service:
    """The service as its environment asks for it."""
    settings = OrchestratorSettings()
    if settings.decisions_dir is not None:
        require_writable(settings.decisions_dir)
    metrics = Metrics("session", "orchestrator")
    admission = Admission("session", settings.capacity, metrics)
    peers = Peers(settings)
    servicer = SessionServicer(settings, peers, admission, metrics)
    return serving.Service(
        name="session",
        full_name=session_pb2.DESCRIPTOR.services_by_name["SessionService"].full_name,
        settings=settings,
        metrics=metrics,
        admission=admission,
        add_to=lambda server: session_pb2_grpc.add_SessionServiceServicer_to_server(servicer, server),
        warm=peers.watch,
        close=peers.close,
        problems=lambda: peers.problems,
    )


if __name__ == "__main__":
    serving.run(service, "session")
