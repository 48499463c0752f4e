"""The containers of the CPU default, built and started once, on ports that are free here."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

import pytest

from deploy.addresses import free_port
from environment import ROOT
from tests.harness.containers import Containers, start_engine, stop_engine

#: A first build fetches all packages.
BUILD_S: Final = 1800


@pytest.fixture(scope="session")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    """Built and started; an engine that was started for it is stopped again."""
    engine = start_engine()
    personas = tmp_path_factory.mktemp("personas")
    shutil.copytree(ROOT / "personas" / "june", personas / "june", ignore=shutil.ignore_patterns("embeddings.npz"))
    for folder in (personas, *personas.parents[:2]):
        folder.chmod(0o755)
    with ExitStack() as stack:
        if engine:
            stack.callback(stop_engine)
        ports = [stack.enter_context(free_port()) for _ in range(3)]
        here = Containers(engine, personas, ports)
        here.compose("build", timeout_s=BUILD_S)
        stack.callback(here.compose, "down", "--volumes", "--timeout", "10")
        began = time.monotonic()
        here.compose("up", "--detach", "--no-build")
        asyncio.run(here.until_ready())
        here.up_s = time.monotonic() - began
        yield here
