"""The settings and ports of the services on one machine: from `.env` and the environment, checked before anything starts."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from deploy.names import unread
from environment import ROOT, WrongSetting, read, written
from services.common import registry
from services.common.settings import ServiceSettings, SharedSettings
from vivant.addresses import join

NAMES: Final = ("asr", "turn", "llm", "tts", "face", "orchestrator", "gateway")
#: Those that the usual system goes without; they are started when they are named.
MORE_NAMES: Final = ("speech",)

#: For a system that is only tried out or measured: what is said there is not written to the disk.
NOTHING_KEPT: Final = {"LLM_CONVERSATIONS_DAYS": "0"}


class CannotStart(Exception):
    """The system cannot be started. The message says why and what to do."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status
        """What the program ends with: 2 for a wrong setting."""


@contextlib.contextmanager
def settings_checked() -> Iterator[None]:
    """Turns a WrongSetting into CannotStart."""
    try:
        yield
    except WrongSetting as exc:
        raise CannotStart(str(exc), status=2) from exc


def environment(root: Path = ROOT) -> dict[str, str]:
    """The environment of the services: `.env`, outweighed by the environment of this process. Raises CannotStart."""
    with settings_checked():
        return read(root)


def misspelt(root: Path = ROOT) -> list[str]:
    """Sentences about variables that only look like settings."""
    with settings_checked():
        return unread(os.environ, written(root))


@contextlib.contextmanager
def on_free_ports(env: Mapping[str, str], names: Iterable[str] = NAMES) -> Iterator[dict[str, str]]:
    """`env` with ports that are free, and stay so in the block: a second system can run beside the usual one."""
    changed = dict(env)
    with contextlib.ExitStack() as kept:
        for name in names:
            for setting in ("PORT", "METRICS_PORT"):
                changed[f"{name.upper()}_{setting}"] = str(kept.enter_context(free_port()))
            changed.pop(f"ORCHESTRATOR_{name.upper()}_ADDRESS", None)
        changed.pop("GATEWAY_ORCHESTRATOR_ADDRESS", None)
        yield changed


@contextlib.contextmanager
def free_port() -> Iterator[int]:
    """A port on which nobody listens, kept for a server that is told its number, also while that is started again.

    A socket is bound to it which does not listen. While it is there, the kernel gives the port to nobody who wants any port,
    and to no connection on its way out; a server may bind it by its number, for both have SO_REUSEADDR (socket(7)).
    """
    with socket.socket() as keeper:
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.bind(("127.0.0.1", 0))
        yield keeper.getsockname()[1]


def settings_of(name: str, env: Mapping[str, str]) -> ServiceSettings:
    """What the service will read from `env`; raises CannotStart when that, or what its engine will read, cannot be used."""
    found: type[ServiceSettings] = getattr(importlib.import_module(f"services.{name}.settings"), f"{name.capitalize()}Settings")
    with settings_checked():
        SharedSettings.of(env)
        settings = found.of(env)
        engine = getattr(settings, "engine", None)
        if engine is not None:
            engines = importlib.import_module(f"services.{name}.engines").ENGINES
            registry.find(engines, engine, found.variable("engine")).options.of(env)
    return settings


def with_addresses(env: Mapping[str, str], settings: Mapping[str, ServiceSettings]) -> dict[str, str]:
    """Tells the orchestrator where the services are, and the gateway where it is, unless somebody has."""
    found = {f"ORCHESTRATOR_{name.upper()}_ADDRESS": join(reachable(each.host), each.port) for name, each in settings.items()}
    if "orchestrator" in settings:
        door = settings["orchestrator"]
        found["GATEWAY_ORCHESTRATOR_ADDRESS"] = join(reachable(door.host), door.port)
    return found | {name: value for name, value in env.items() if value or name not in found}


def reachable(host: str) -> str:
    """An address at which something that listens on `host` can be reached from this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def require_free(name: str, host: str, port: int, setting: str) -> None:
    """Raises CannotStart when somebody listens there already. `setting` is what to change."""
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as exc:
        raise CannotStart(f"{name.upper()}_HOST={host!r} cannot be used: {exc.strerror}", status=2) from exc
    failures = [failure for family, kind, _, _, place in places if (failure := _why_not(family, kind, place))]
    # A name may stand for an address that this machine does not have, as localhost does where there is no IPv6.
    absent = [failure for failure in failures if failure.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)]
    if failures and (len(absent) < len(failures) or len(absent) == len(places)):
        worst = next((failure for failure in failures if failure not in absent), failures[0])
        raise _not_free(name, host, port, setting, worst) from worst


def _why_not(family: int, kind: int, place: Any) -> OSError | None:
    """What stands against listening there, or None."""
    try:
        with socket.socket(family, kind) as probe:
            # As servers do: a port that lingers after its last connection is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as exc:
        return exc
    return None


def _not_free(name: str, host: str, port: int, setting: str, exc: OSError) -> CannotStart:
    where = f"{name}: cannot listen on {join(host, port)} ({exc.strerror})"
    if exc.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        return CannotStart(f"{where}; set {name.upper()}_HOST to an address of this machine", status=2)
    if exc.errno == errno.EACCES:
        return CannotStart(f"{where}; set {name.upper()}_{setting} to a port from 1024 on", status=2)
    return CannotStart(f"{where}. Is Vivant running already? Stop the other program, or set {name.upper()}_{setting} in .env")


def require_different(settings: Mapping[str, ServiceSettings]) -> None:
    """Raises CannotStart when two servers of ours would listen on one port."""
    taken: dict[tuple[str, int], str] = {}
    for name, each in settings.items():
        for setting, port in (("PORT", each.port), ("METRICS_PORT", each.metrics_port)):
            variable = f"{name.upper()}_{setting}"
            if (each.host, port) in taken:
                rule = f"{taken[each.host, port]} is the same; each needs a port of its own"
                raise CannotStart(f"{variable}={str(port)!r} cannot be used: {rule}", status=2)
            taken[each.host, port] = variable
