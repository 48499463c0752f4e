"""Starts all services and keeps them until Ctrl-C: `python -m deploy.up`."""

from __future__ import annotations

import argparse
import re
import select
import shlex
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from deploy.addresses import MORE_NAMES, NAMES, CannotStart, environment, misspelt, reachable
from deploy.system import Status, System
from vivant.addresses import join

_LOGS: Final = Path("out/logs")
#: Where the command line looks when it is told nothing, as `up` has it.
_ADDRESS: Final = "127.0.0.1:50050"
_COLOURS: Final = {"ready": "green", "failed": "red", "restarting": "yellow"}
_NEXT: Final = """\
Vivant is ready after {seconds:.0f} s. Open this page and talk:

  {page}

Or in another terminal:

  .venv/bin/vivant ask{at} --text "Where did you grow up?" -o out/answer.mp4    a typed question, answered as a video
  .venv/bin/vivant ask{at} question.wav -o out/answer.mp4                       a recorded one
  .venv/bin/vivant chat{at}                                                     a conversation in the terminal
  .venv/bin/vivant info{at}                                                     engines, models and licences

Applications connect to {address} (gRPC). Logs: {logs}/<service>.log. Metrics: http://{metrics}/metrics
Ctrl-C stops everything."""


class Stop:
    """Set by signals. No threading.Event: a handler would wait for its lock in the very thread that holds it."""

    def __init__(self) -> None:
        self._ear, self._bell = socket.socketpair()
        self._bell.setblocking(False)
        self._set = False

    def set(self) -> None:
        """May be called in a signal handler, again and again."""
        if not self._set:
            self._set = True
            self._bell.send(b"!")

    def is_set(self) -> bool:
        return self._set

    def wait(self, timeout_s: float) -> bool:
        """Waits for so long at most; whether it is set."""
        select.select([self._ear], [], [], timeout_s)
        return self._set


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs until SIGINT or SIGTERM. Status 0 after a clean stop, 1 when the system did not start, 2 for wrong settings."""
    parser = argparse.ArgumentParser(prog="python -m deploy.up", description="Start the services and keep them running.")
    known = (*NAMES, *MORE_NAMES)
    parser.add_argument("services", nargs="*", metavar="service", help=f"only these of: {', '.join(known)}")
    names = tuple(parser.parse_args(arguments).services) or NAMES
    console = Console(highlight=False)
    if unknown := [name for name in names if name not in known]:
        console.print(f"[bold red]up:[/] no service called {', '.join(unknown)}; there are: {', '.join(known)}")
        return 1
    stop = Stop()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        for sentence in misspelt():
            console.print(f"[yellow]up:[/] {escape(sentence)}", soft_wrap=True)
        return _run(System(environment(), _LOGS, names), console, stop)
    except CannotStart as exc:
        console.print(f"[bold red]up:[/] {escape(str(exc))}", soft_wrap=True)
        return exc.status


def _run(system: System, console: Console, stop: Stop) -> int:
    started = time.monotonic()
    system.start()
    try:
        failed = _await_ready(system, console, stop)
        if failed:
            for status in failed:
                console.print(f"[bold red]{status.name}[/] has failed: {escape(status.detail)}", soft_wrap=True)
                console.print(f"  its log: {system.logs / status.name}.log", style="dim")
            return 1
        if not stop.is_set():
            console.print(_next(system, time.monotonic() - started), soft_wrap=True, markup=False)
            _watch(system, console, stop)
    finally:
        console.print("Stopping ...")
        system.stop()
        console.print("All services have stopped.")
    return 0


def _await_ready(system: System, console: Console, stop: Stop) -> list[Status]:
    """Shows the services until all are ready, one has failed, or `stop`; returns those that have failed."""
    started = time.monotonic()
    seen: dict[str, str] = {}
    with Live(console=console, refresh_per_second=8, transient=True) as live:
        while not stop.wait(0.2):
            found = system.status()
            live.update(_table(found, time.monotonic() - started))
            for status in found:
                if not console.is_terminal and seen.get(status.name) != status.state:
                    console.print(f"{status.name:<14}{status.state:<12}{status.detail}", soft_wrap=True, markup=False)
                    seen[status.name] = status.state
            failed = [status for status in found if status.state == "failed"]
            if failed or all(status.state == "ready" for status in found):
                return failed
    return []


def _watch(system: System, console: Console, stop: Stop) -> None:
    """Reports every change until `stop`."""
    before = {status.name: ("ready", "") for status in system.status()}
    while not stop.wait(1.0):
        for status in system.status():
            # What is done in the background is told when it changes, not with each per cent.
            now = (status.state, re.sub(r"\d+\s*%", "", status.detail) if status.state == "ready" else "")
            if now != before[status.name]:
                colour = _COLOURS.get(status.state, "default")
                note = " It is given up; the others go on." if status.state == "failed" else ""
                console.print(
                    f"{time.strftime('%H:%M:%S')} {status.name} is [{colour}]{status.state}[/]. {escape(status.detail)}{note}"
                )
                before[status.name] = now


def _table(found: Sequence[Status], seconds: float) -> RenderableType:
    table = Table(
        "service", "port", "state", "", box=None, header_style="bold", title=f"starting, {seconds:.0f} s", title_justify="left"
    )
    for status in found:
        colour = _COLOURS.get(status.state, "default")
        table.add_row(status.name, str(status.port), f"[{colour}]{status.state}[/]", escape(status.detail[:100]))
    return table


def _next(system: System, seconds: float) -> str:
    if "orchestrator" not in system.settings:
        return f"{', '.join(system.settings)} ready after {seconds:.0f} s. Ctrl-C stops."
    settings = system.settings["orchestrator"]
    return _NEXT.format(
        seconds=seconds,
        page=page_url(system),
        address=system.address,
        logs=system.logs,
        metrics=join(reachable(settings.host), settings.metrics_port),
        at="" if system.address == _ADDRESS else f" --address {shlex.quote(system.address)}",
    )


def page_url(system: System) -> str:
    """What to open in a browser: http://localhost may use the microphone, plain http elsewhere may not."""
    gateway = system.settings.get("gateway")
    if gateway is None:
        return "(the gateway was not started)"
    # "::" is every address, IPv4 too.
    name = "localhost" if gateway.host in ("127.0.0.1", "0.0.0.0", "::") else gateway.host
    return f"{'https' if system.env.get('GATEWAY_TLS_CERTIFICATE') else 'http'}://{join(name, gateway.port)}"


if __name__ == "__main__":
    sys.exit(main())
