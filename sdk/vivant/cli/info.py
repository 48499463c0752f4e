"""`vivant info`: what runs, and under which terms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from rich.console import Console

from vivant.cli import screen
from vivant.cli.waiting import connected
from vivant.client import connect
from vivant.directory import ask_services
from vivant.errors import VivantError
from vivant.info import Component, SystemInfo


async def run_info(address: str, services: Mapping[str, str], *, as_json: bool, wait_s: float = 0.0) -> int:
    """Prints the tables; the status is 0 if the orchestrator answers and, when that was waited for, is ready."""
    try:
        if wait_s:
            async with connected(address, wait_s) as client:
                system = await client.info()
        else:
            async with connect(address) as client:
                system = await client.info()
    except VivantError as exc:
        if exc.reason == "not_ready":
            raise
        return await _without_orchestrator(exc, services, as_json=as_json)
    if as_json:
        print(json.dumps(asdict(system), ensure_ascii=False))
        return 0
    console = screen.console()
    info = system.orchestrator
    own = Component(info.service, address, ready=info.ready, reason=None if info.ready else "not ready", info=info)
    _print(console, (own, *system.components), system)
    return 0


async def _without_orchestrator(error: VivantError, services: Mapping[str, str], *, as_json: bool) -> int:
    components = await ask_services(services)
    if as_json:
        print(json.dumps({"error": error.message, "components": [asdict(item) for item in components]}, ensure_ascii=False))
        return 1
    screen.failure(error.message)
    if not any(item.info for item in components):
        return 1
    console = screen.console()
    console.print("Without the orchestrator there is no conversation. These services answer by themselves:\n")
    _print(console, tuple(components), None)
    return 1


def _print(console: Console, components: tuple[Component, ...], system: SystemInfo | None) -> None:
    console.print(screen.components(components))
    models = screen.models(components)
    if models is not None:
        console.print(models)
    for item in components:
        if item.info and item.info.voices:
            console.print(f"Voices: {', '.join(item.info.voices)}. The first is for personas that name none.", markup=False)
    if system is not None and system.personas:
        console.print(screen.personas(system))
    for item in components:
        for activity in item.info.activities if item.info else ():
            console.print(f"{item.service} is {activity}.", markup=False)
    reasons = [f"{item.service}: {item.reason}" for item in components if item.reason]
    if reasons:
        console.print("Not ready:", *reasons, sep="\n  ", markup=False)
