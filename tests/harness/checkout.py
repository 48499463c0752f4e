"""The repository under another name, for tests of where it lies and what its `.env` says."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from environment import ROOT

_PARTS: Final = ("environment", "services", "deploy", "models", "bench", "sdk", "personas", "tests")
#: What a variable of ours begins with.
_OURS: Final = ("VIVANT_", "ASR_", "TURN_", "LLM_", "TTS_", "FACE_", "ORCHESTRATOR_", "GATEWAY_")


def _has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


needs_ipv6: Final = pytest.mark.skipif(not _has_ipv6(), reason="this machine has no ::1")


class Checkout:
    """All of the repository but `.env`, as links in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        for name in _PARTS:
            (folder / name).symlink_to(ROOT / name)
        (folder / ".venv").symlink_to(sys.prefix)

    def environment(self, changes: Mapping[str, str]) -> dict[str, str]:
        """That of this process without settings of ours, and with `changes`."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        return kept | {"PYTHONPATH": str(self.folder / "sdk"), "COLUMNS": "200"} | dict(changes)

    def command(self, *arguments: str) -> list[str]:
        """Its own Python with these arguments."""
        return [str(self.folder / ".venv" / "bin" / "python"), "-u", *arguments]

    def run(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Runs Python with these arguments there to its end."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(changes),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
