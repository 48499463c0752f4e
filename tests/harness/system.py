"""All six services as processes of their own on free ports, for tests that kill them and start them again.

Unlike `deploy.system` nobody here starts a dead service again: a test decides when it comes back.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from deploy.addresses import NAMES, ROOT, environment, on_free_ports, settings_of, with_addresses

READY_S: Final = 90.0
STOP_S: Final = 10.0
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


class System:
    """Services by name: "asr", "turn", "llm", "tts", "face", "orchestrator". What is logged and said goes to `logs`."""

    def __init__(self, logs: Path, env: Mapping[str, str], names: Iterable[str] = NAMES) -> None:
        self.names = tuple(names)
        self.settings = {name: settings_of(name, env) for name in self.names}
        self.env = with_addresses(env, self.settings)
        self._logs = logs
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def address(self) -> str:
        """host:port that applications connect to."""
        return f"127.0.0.1:{self.settings['orchestrator'].port}"

    def start(self, *names: str) -> None:
        """Starts services, all by default; does not wait for them."""
        for name in names or self.names:
            with self._log_path(name).open("ab") as log:
                command = [sys.executable, "-m", f"services.{name}"]
                self._processes[name] = subprocess.Popen(command, cwd=ROOT, env=self.env, stdout=log, stderr=log)

    def kill(self, name: str) -> None:
        """Ends a service as `kill -9` does."""
        process = self._processes[name]
        process.send_signal(signal.SIGKILL)
        process.wait()

    def wait_ready(self, *names: str, timeout_s: float = READY_S) -> None:
        """Returns when these services, all by default, say that they are ready."""
        deadline = time.monotonic() + timeout_s
        for name in names or self.names:
            while not self.is_ready(name):
                assert self._processes[name].poll() is None, f"{name} has ended:\n{self.log(name)[-2000:]}"
                assert time.monotonic() < deadline, f"{name} is not ready after {timeout_s:.0f} s:\n{self.log(name)[-2000:]}"
                time.sleep(0.05)

    def is_ready(self, name: str) -> bool:
        """What /readyz says now."""
        try:
            return httpx.get(self.url(name, "readyz"), timeout=1.0, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def restart(self, name: str) -> None:
        """Starts a dead service and waits until it is ready again."""
        self.start(name)
        self.wait_ready(name)

    def restore(self) -> None:
        """Starts what is dead and waits until all is ready."""
        dead = [name for name in self.names if self._processes[name].poll() is not None]
        if dead:
            self.start(*dead)
        self.wait_ready()

    def url(self, name: str, path: str) -> str:
        """A page of the service's side door."""
        return f"http://127.0.0.1:{self.settings[name].metrics_port}/{path}"

    def log(self, name: str) -> str:
        """All that the service has logged."""
        path = self._log_path(name)
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def records(self, name: str) -> list[dict[str, Any]]:
        """The service's log as records."""
        return [json.loads(line) for line in self.log(name).splitlines() if line.startswith("{")]

    def stop(self) -> None:
        """Ends what still runs."""
        for process in self._processes.values():
            process.terminate()
        deadline = time.monotonic() + STOP_S
        for process in self._processes.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _log_path(self, name: str) -> Path:
        return self._logs / f"{name}.log"


@contextmanager
def running(logs: Path, changes: Mapping[str, str], names: Iterable[str] = NAMES) -> Iterator[System]:
    """A system that is ready, with `changes` to the environment; stopped at the end of the block."""
    kept = {"LLM_CONVERSATIONS": str(logs / "conversations.sqlite3")}
    names = tuple(names)
    with on_free_ports(environment() | kept | dict(changes), names) as env:
        system = System(logs, env, names)
        try:
            system.start()
            system.wait_ready()
            yield system
        finally:
            system.stop()
