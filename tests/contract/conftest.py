"""The orchestrator with scripted engines, and a gateway to it."""

from __future__ import annotations

import importlib
import json
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc
import pytest

from services.common.metrics import Metrics
from services.common.serving import Service
from services.common.streams import Admission
from services.orchestrator.links.clients import Peers
from services.orchestrator.server import SessionServicer
from services.orchestrator.settings import OrchestratorSettings
from tests.gateway_door import Door, gateway_to
from tests.realtime_client import HEARD, REPLY, until
from vivant.channel import SERVER_OPTIONS
from vivant.session.v1 import session_pb2_grpc

NAMES: Final = ("asr", "turn", "llm", "tts", "face")


@pytest.fixture(scope="module")
async def orchestrator() -> AsyncIterator[tuple[str, Admission]]:
    """The orchestrator and five scripted engines on one port: its address, and who is served."""
    server = grpc.aio.server(options=SERVER_OPTIONS)
    services: list[Service] = []
    with pytest.MonkeyPatch.context() as environment:
        for name in NAMES:
            environment.setenv(f"{name.upper()}_ENGINE", "fake")
        environment.setenv("LLM_OPENING", "model")
        environment.setenv("LLM_FAKE_REPLIES", json.dumps([REPLY]))
        environment.setenv("ASR_FAKE_SCRIPT", json.dumps([HEARD]))
        for name in NAMES:
            service: Service = importlib.import_module(f"services.{name}.__main__").service()
            service.add_to(server)
            services.append(service)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    addresses: dict[str, Any] = {f"{name}_address": address for name in NAMES}
    settings = OrchestratorSettings(capacity=4, **addresses)
    metrics = Metrics("session", "orchestrator")
    admission, peers = Admission("session", settings.capacity, metrics), Peers(settings)
    servicer = SessionServicer(settings, peers, admission, metrics)
    session_pb2_grpc.add_SessionServiceServicer_to_server(servicer, server)
    await server.start()
    try:
        for service in services:
            await service.warm()
            service.admission.ready = True
        await peers.watch()
        admission.ready = True
        yield address, admission
    finally:
        await peers.close()
        await server.stop(None)
        for service in services:
            if service.close:
                await service.close()


@pytest.fixture
async def door(orchestrator: tuple[str, Admission]) -> AsyncIterator[Door]:
    """A gateway to the orchestrator. When it is gone, so are its sessions."""
    address, admission = orchestrator
    async with gateway_to(address) as each:
        yield each
    await until(lambda: not admission.active)
