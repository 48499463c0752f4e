"""All services of Vivant on this machine, kept by supervisor: start, watch, stop.

Each service is `python -m services.<name>` with a log of its own. One that dies is started again; one that keeps dying is given
up and reported. Stopping leaves no process behind.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from supervisor.xmlrpc import SupervisorTransport

from deploy.addresses import (
    NAMES,
    CannotStart,
    reachable,
    require_different,
    require_free,
    settings_of,
    with_addresses,
)
from deploy.logs import last_error, last_words
from deploy.supervision import STOP_S, configuration, require_logs, run_folder
from environment import ROOT
from vivant.addresses import join

#: The log of supervisor's own last words.
_SUPERVISOR: Final = "supervisor"


@dataclass(frozen=True)
class Status:
    """One service as it is now."""

    name: str
    port: int
    state: str
    """`starting`, `loading`, `ready`, `restarting` or `failed`."""
    detail: str = ""
    """Why it is not ready, in the service's own words."""


class System:
    """The services called `names`, with `env` as their environment. Logs go to `logs`, one file each."""

    def __init__(self, env: Mapping[str, str], logs: Path, names: Sequence[str] = NAMES) -> None:
        self.logs = logs
        self.settings = {name: settings_of(name, env) for name in names}
        self.env = with_addresses(env, self.settings)
        self._run = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._log_starts = {name: _size(logs / f"{name}.log") for name in (*names, _SUPERVISOR)}
        self._http = httpx.Client(timeout=1.0, trust_env=False)
        self.pids: dict[str, int] = {}
        """Process of each service, as of the last `status`; that of one that has ended until it has a new one."""

    @property
    def address(self) -> str:
        """host:port that applications connect to."""
        settings = self.settings["orchestrator"]
        return join(reachable(settings.host), settings.port)

    def start(self) -> None:
        """Starts supervisor and with it the services; raises CannotStart when a port or a folder cannot be used."""
        require_different(self.settings)
        for name, settings in self.settings.items():
            for setting, port in (("PORT", settings.port), ("METRICS_PORT", settings.metrics_port)):
                require_free(name, settings.host, port, setting)
        require_logs(self.logs)
        self._run = run_folder()
        config = self._run / "supervisord.conf"
        config.write_text(configuration(self.settings), "utf-8")
        (self._run / "logs").symlink_to(self.logs.absolute())
        with (self.logs / f"{_SUPERVISOR}.log").open("ab") as words:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "deploy.keeper", str(config)],
                cwd=ROOT,
                env=self.env | {"SUPERVISED_ROOT": str(ROOT), "SUPERVISED_PYTHON": sys.executable},
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                # Ctrl-C belongs to us; supervisor stops the services in its own order when it is told to.
                start_new_session=True,
            )

    def status(self) -> list[Status]:
        """Every service as it is now; raises CannotStart when supervisor itself has ended."""
        if self._process is None or self._process.poll() is not None:
            log = self.logs / f"{_SUPERVISOR}.log"
            why = last_words(log, self._log_starts[_SUPERVISOR])
            raise CannotStart(f"supervisor has ended: {why or 'it said nothing'}; see {log}")
        known = {info["name"]: info for info in self._processes()}
        self.pids |= {name: info["pid"] for name, info in known.items() if info["pid"]}
        return [self._status(name, known.get(name)) for name in self.settings]

    def stop(self) -> None:
        """Ends all services and supervisor; returns when none of their processes is left."""
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(CannotStart):
                self.status()
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=STOP_S + 5)
        for pid in filter(_alive, self.pids.values()):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            shutil.rmtree(self._run, ignore_errors=True)
        self._http.close()

    def _status(self, name: str, info: Mapping[str, Any] | None) -> Status:
        settings = self.settings[name]
        state = info["statename"] if info else "STARTING"
        error = last_error(self.logs / f"{name}.log", self._log_starts[name])
        if state == "FATAL":
            return Status(name, settings.port, "failed", error or "it ended without a word")
        if state in ("BACKOFF", "EXITED", "STOPPED", "UNKNOWN"):
            return Status(name, settings.port, "restarting", error or "it ended without a word")
        try:
            answer = self._http.get(f"http://{join(reachable(settings.host), settings.metrics_port)}/readyz")
        except httpx.ConnectError:
            return Status(name, settings.port, "starting", error)
        except httpx.TransportError:
            return Status(name, settings.port, "loading", "busy")
        found = answer.json()
        problems, activities = found["problems"], found.get("activities", [])
        return Status(name, settings.port, "loading" if problems else "ready", "; ".join((*problems, *activities)))

    def _processes(self) -> list[dict[str, Any]]:
        """What supervisor knows of each service; nothing while it is not listening yet, or no more."""
        address = self._run / "supervisor.sock"
        if not address.exists():
            return []
        transport = SupervisorTransport(None, None, f"unix://{address}")
        try:
            found: Any = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor.getAllProcessInfo()
        except (OSError, xmlrpc.client.Error):
            return []
        finally:
            transport.close()
        return list(found)


@contextlib.contextmanager
def running(env: Mapping[str, str], logs: Path, timeout_s: float, names: Sequence[str] = NAMES) -> Iterator[System]:
    """A system that is ready, and stopped at the end of the block. Raises CannotStart when it does not get ready."""
    system = System(env, logs, names)
    try:
        system.start()
        wait_ready(system, timeout_s)
        yield system
    finally:
        system.stop()


def wait_ready(system: System, timeout_s: float) -> None:
    """Returns when all services are ready; raises CannotStart when one has failed, or after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = system.status()
        if all(status.state == "ready" for status in found):
            return
        failed = [f"{status.name}: {status.detail}" for status in found if status.state == "failed"]
        if failed:
            raise CannotStart("\n".join(failed))
        if time.monotonic() > deadline:
            waiting = ", ".join(f"{s.name} ({s.state}) {s.detail}".strip() for s in found if s.state != "ready")
            raise CannotStart(f"not ready after {timeout_s:.0f} s: {waiting}; logs: {system.logs}")
        time.sleep(0.2)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
