"""Two running systems for the tests of this folder: scripted engines, which are fast, and the real models."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from deploy.addresses import ROOT
from tests.integration.system import System, running

#: About 2 s of voice, in several clauses, and nothing in it that the persona would have to know.
REPLY: Final = (
    "Well, the lake is lovely in the winter, and the snow is soft and deep, and the evenings are long and quiet, "
    "so there is time for a song or a story."
)
FAKES: Final = {
    "ASR_ENGINE": "fake",
    "TURN_ENGINE": "fake",
    "LLM_ENGINE": "fake",
    "TTS_ENGINE": "fake",
    "FACE_ENGINE": "fake",
    "TTS_FAKE_LETTER_MS": "16",
    "ASR_FAKE_SCRIPT": json.dumps(["where did you grow up in those days"]),
    "LLM_OPENING": "model",
    "LLM_FAKE_REPLIES": json.dumps([REPLY]),
    "LLM_FAKE_TOKEN_DELAY_S": "0.05",
}


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
