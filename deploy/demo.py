"""Starts the system on free ports, asks it a recorded question and a typed one, and stops it: `python -m deploy.demo`."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rich.console import Console

from deploy.addresses import NOTHING_KEPT, CannotStart, environment, misspelt, on_free_ports
from deploy.system import running
from environment import ROOT

RECORDING: Final = Path("tests/data/speech/whatstheweatherlike.wav")
TYPED: Final = "Where did you grow up?"
OUT: Final = Path("out")
_READY_S: Final = 180.0


def main() -> int:
    """Status 0 when both answers were written to `out/`."""
    console = Console(highlight=False, soft_wrap=True)
    started = time.monotonic()
    try:
        usual = environment() | NOTHING_KEPT
        for sentence in misspelt():
            console.print(f"demo: {sentence}", style="yellow", markup=False)
        console.print("Starting the services (the first time takes the longest) ...")
        with on_free_ports(usual) as env, running(env, ROOT / OUT / "logs", _READY_S) as system:
            console.print(f"Ready after {time.monotonic() - started:.0f} s.\n")
            where = ("--address", system.address)
            _ask(console, env, str(RECORDING), "-o", str(OUT / "answer.mp4"), *where)
            _ask(console, env, "--text", TYPED, "-o", str(OUT / "answer-typed.mp4"), *where)
    except CannotStart as exc:
        console.print(f"demo: {exc}", style="red", markup=False)
        return exc.status
    except subprocess.CalledProcessError as exc:
        console.print(f"demo: the question was not answered (status {exc.returncode}); logs: out/logs", style="red")
        return 1
    except KeyboardInterrupt:
        console.print("demo: stopped")
        return 130
    console.print(f"Watch {OUT}/answer.mp4 and {OUT}/answer-typed.mp4. Next: make up, then .venv/bin/vivant chat")
    return 0


def _ask(console: Console, env: Mapping[str, str], *arguments: str) -> None:
    console.print(f"$ vivant ask {shlex.join(arguments)}", style="bold", markup=False)
    subprocess.run([sys.executable, "-m", "vivant.cli", "ask", *arguments], cwd=ROOT, env=env, check=True)
    console.print()


if __name__ == "__main__":
    sys.exit(main())
