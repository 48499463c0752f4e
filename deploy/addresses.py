"""The settings and ports of the services on one machine: from `.env` and the environment, checked before anything starts."""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from dotenv import dotenv_values
from pydantic import ValidationError

from services.common.settings import ServiceSettings

ROOT: Final = Path(__file__).parent.parent
NAMES: Final = ("asr", "turn", "llm", "tts", "face", "orchestrator", "gateway")


class CannotStart(Exception):
    """The system cannot be started. The message says why and what to do."""


def environment(root: Path = ROOT) -> dict[str, str]:
    """The environment of the services: `.env`, outweighed by the environment of this process."""
    written = {name: value for name, value in dotenv_values(root / ".env").items() if value is not None}
    return written | dict(os.environ)


def on_free_ports(env: Mapping[str, str], names: Iterable[str] = NAMES) -> dict[str, str]:
    """`env` with ports that were free a moment ago, so that a second system can run beside the usual one."""
    changed = dict(env)
    with contextlib.ExitStack() as held:
        for name in names:
            for setting in ("PORT", "METRICS_PORT"):
                taken = held.enter_context(socket.socket())
                taken.bind(("127.0.0.1", 0))
                changed[f"{name.upper()}_{setting}"] = str(taken.getsockname()[1])
            changed.pop(f"ORCHESTRATOR_{name.upper()}_ADDRESS", None)
    changed.pop("GATEWAY_ORCHESTRATOR_ADDRESS", None)
    return changed


def settings_of(name: str, env: Mapping[str, str]) -> ServiceSettings:
    """The service's own settings with the host and ports that it will read from `env`."""
    found: type[ServiceSettings] = getattr(importlib.import_module(f"services.{name}.settings"), f"{name.capitalize()}Settings")
    places = ("host", "port", "metrics_port")
    values: dict[str, Any] = {field: env[variable] for field in places if (variable := f"{name}_{field}".upper()) in env}
    try:
        return found(**values)
    except ValidationError as exc:
        first = exc.errors()[0]
        variable = "_".join((name, *map(str, first["loc"]))).upper()
        raise CannotStart(f"{variable}={first['input']!r} cannot be used: {first['msg']}") from exc


def with_addresses(env: Mapping[str, str], settings: Mapping[str, ServiceSettings]) -> dict[str, str]:
    """Tells the orchestrator where the services are, and the gateway where it is, unless somebody has."""
    addresses = {
        f"ORCHESTRATOR_{name.upper()}_ADDRESS": f"{reachable(each.host)}:{each.port}" for name, each in settings.items()
    }
    if "orchestrator" in settings:
        door = settings["orchestrator"]
        addresses["GATEWAY_ORCHESTRATOR_ADDRESS"] = f"{reachable(door.host)}:{door.port}"
    return addresses | dict(env)


def reachable(host: str) -> str:
    """An address at which something that listens on `host` can be reached from this machine."""
    return "127.0.0.1" if host in ("0.0.0.0", "::") else host


def require_free(name: str, host: str, port: int, setting: str) -> None:
    """Raises CannotStart when somebody listens there already. `setting` is what to change."""
    with socket.socket() as probe:
        # As servers do: a port that lingers after its last connection is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as exc:
            raise CannotStart(
                f"{name}: cannot listen on {host}:{port} ({exc.strerror}). Is Vivant running already? "
                f"Stop the other program, or set {name.upper()}_{setting} in .env"
            ) from exc
