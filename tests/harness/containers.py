"""The whole system in containers, as a user starts it: `docker compose --profile cpu up`."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

import environment
import vivant
from environment import ROOT

ENGINE: Final = ROOT / "deploy" / "docker_engine.sh"
UP_S: Final = 300


class Containers:
    """One project of Docker Compose."""

    def __init__(self, engine: dict[str, str], personas: Path, ports: Sequence[int]) -> None:
        self.port, self.page_port, metrics = ports
        self._settings = {
            "COMPOSE_PROJECT_NAME": "vivant-test",
            "ORCHESTRATOR_PORT": str(self.port),
            "ORCHESTRATOR_METRICS_PORT": str(metrics),
            "GATEWAY_PORT": str(self.page_port),
            # What was fetched for the other tests is not fetched again.
            "MODELS_VOLUME": str(environment.models_dir(environment.read())),
            "PERSONAS": str(personas),
        }
        self._env = os.environ | engine | self._settings
        self.up_s = 0.0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def compose(self, *arguments: str, timeout_s: float = UP_S, profile: str = "cpu", **settings: str) -> str:
        """One command of Compose; returns what it printed. A failure shows what it complained of."""
        command = ["docker", "compose", "--progress", "plain", "--profile", profile, *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self._env | settings, capture_output=True, text=True, timeout=timeout_s, check=False
        )
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr[-4000:]}"
        return done.stdout

    def docker(self, *arguments: str) -> str:
        done = subprocess.run(["docker", *arguments], env=self._env, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout

    def inspect(self, service: str) -> dict[str, Any]:
        """What the engine says of a service's container."""
        (found,) = json.loads(self.docker("inspect", self.compose("ps", "--all", "--quiet", service).strip()))
        return dict(found)

    async def until_ready(self) -> None:
        """Waits until all services answer; a failure shows what they have logged."""
        try:
            async with vivant.connect(self.address) as client:
                info = await client.wait_ready(UP_S)
            problems = [f"{item.service}: {item.reason}" for item in info.components if not item.ready]
        except vivant.VivantError as exc:
            problems = [exc.message]
        if problems:
            pytest.fail(f"{'; '.join(problems)}\n{self.compose('logs', '--tail', '30')}")


def start_engine() -> dict[str, str]:
    """What leads to the Docker Engine that was started; nothing where one was running."""
    done = subprocess.run([str(ENGINE), "start"], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"no Docker Engine can be started here: {done.stderr[-3000:]}"
    return dict(re.findall(r"(\w+)=(\S+)", done.stdout))


def stop_engine() -> None:
    """Of those that `start_engine` has started."""
    subprocess.run([str(ENGINE), "stop"], timeout=60, check=True)
