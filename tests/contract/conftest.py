"""The orchestrator with scripted engines, and a gateway to it; a real vLLM, for the tests that are marked so."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from bench.llm.vllm import Vllm
from services.orchestrator.settings import OrchestratorSettings
from tests.harness.gateway_door import Door, gateway_to
from tests.harness.realtime_client import HEARD, REPLY
from tests.harness.scripted_engines import Orchestrator, addresses, orchestrating, scripted_engines
from tests.harness.vllm import serving_with_adapter
from tests.harness.waiting import until


@pytest.fixture(scope="module")
async def orchestrator() -> AsyncIterator[Orchestrator]:
    """The orchestrator in front of five scripted engines."""
    script = {"LLM_OPENING": "model", "LLM_FAKE_REPLIES": json.dumps([REPLY]), "ASR_FAKE_SCRIPT": json.dumps([HEARD])}
    async with scripted_engines(**script) as engines:
        engines.ready()
        async with orchestrating(OrchestratorSettings(capacity=4, **addresses(engines.address))) as made:
            yield made


@pytest.fixture
async def door(orchestrator: Orchestrator) -> AsyncIterator[Door]:
    """A gateway to the orchestrator. When it is gone, so are its sessions."""
    async with gateway_to(orchestrator.address) as each:
        yield each
    await until(lambda: not orchestrator.admission.active)


@pytest.fixture(scope="session")
async def vllm(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Vllm]:
    """One server for all tests."""
    async with serving_with_adapter(tmp_path_factory.mktemp("lora")) as server:
        yield server
