"""Two running systems for the tests of this folder: scripted engines, which are fast, and the real models."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.addresses import ROOT
from tests.harness.system import FAKES, System, running


@pytest.fixture(scope="session")
def personas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the personas that ship, to add broken ones to."""
    folder = tmp_path_factory.mktemp("personas")
    shutil.copytree(ROOT / "personas" / "june", folder / "june")
    return folder


@pytest.fixture(scope="session")
def scripted(tmp_path_factory: pytest.TempPathFactory, personas: Path) -> Iterator[System]:
    """All processes, with scripted engines."""
    changes = FAKES | {"VIVANT_PERSONAS_DIR": str(personas)}
    with running(tmp_path_factory.mktemp("scripted"), changes) as system:
        yield system


@pytest.fixture
def fakes(scripted: System) -> Iterator[System]:
    """The scripted system, whole again after the test."""
    yield scripted
    scripted.restore()


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """All processes, with the real models. Pages that were closed are not waited for as long as usual."""
    changes = {"GATEWAY_RESUME_S": "5", "ORCHESTRATOR_CAPACITY": "8"}
    with running(tmp_path_factory.mktemp("real"), changes) as system:
        yield system
