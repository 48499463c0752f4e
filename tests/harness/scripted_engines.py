"""The five services with scripted engines in this process, and an orchestrator in front of them."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import grpc
import pytest

from deploy.addresses import NOTHING_KEPT
from services.common.metrics import Metrics
from services.common.serving import Service
from services.common.streams import Admission
from services.orchestrator.links.clients import Peers
from services.orchestrator.server import SessionServicer
from services.orchestrator.settings import OrchestratorSettings
from tests.harness.grpc_server import admission_of, listening
from vivant.session.v1 import session_pb2_grpc

NAMES: Final = ("asr", "turn", "llm", "tts", "face")


@dataclass
class Engines:
    """All five services on one port, by name."""

    address: str
    services: dict[str, Service]

    def ready(self, *names: str) -> None:
        """These, all by default, say from now on that they have loaded."""
        for name in names or NAMES:
            self.services[name].admission.ready = True


@dataclass
class Orchestrator:
    """An orchestrator that is served, and its insides."""

    address: str
    admission: Admission
    metrics: Metrics
    peers: Peers


@asynccontextmanager
async def scripted_engines(**settings: str) -> AsyncIterator[Engines]:
    """The services with these settings. They could answer, and say that they are still loading."""
    with pytest.MonkeyPatch.context() as environment:
        # What tests say is not kept among the conversations of whoever runs them.
        usual = {f"{name.upper()}_ENGINE": "fake" for name in NAMES} | NOTHING_KEPT
        for name, value in (usual | settings).items():
            environment.setenv(name, value)
        services: dict[str, Service] = {name: importlib.import_module(f"services.{name}.__main__").service() for name in NAMES}

    def add_to(server: grpc.aio.Server) -> None:
        for service in services.values():
            service.add_to(server)

    try:
        async with listening(add_to) as address:
            for service in services.values():
                await service.warm()
            yield Engines(address, services)
    finally:
        for service in services.values():
            if service.close:
                await service.close()


def addresses(address: str, **elsewhere: str) -> dict[str, Any]:
    """The settings of an orchestrator whose services are all at one address, but those that are `elsewhere`."""
    return {f"{name}_address": elsewhere.get(name, address) for name in NAMES}


@asynccontextmanager
async def orchestrating(settings: OrchestratorSettings) -> AsyncIterator[Orchestrator]:
    """An orchestrator that has just asked its services whether they are ready."""
    admission, metrics = admission_of("session", "orchestrator", settings.capacity)
    admission.ready = False
    peers = Peers(settings)
    servicer = SessionServicer(settings, peers, admission, metrics)
    async with listening(lambda server: session_pb2_grpc.add_SessionServiceServicer_to_server(servicer, server)) as address:
        await peers.watch()
        admission.ready = True
        try:
            yield Orchestrator(address, admission, metrics, peers)
        finally:
            await peers.close()
