"""The device of these checks, and the table at their end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from typing import Any, Final

import pytest
import torch

#: `cpu` runs the same lines without a GPU, to see that they run; their figures mean nothing then.
DEVICE: Final = os.environ.get("GPU_CHECK_DEVICE", "cuda")
_rows: list[tuple[str, str, str, str]] = []

Report = Callable[..., None]


@pytest.fixture(scope="session")
def device() -> str:
    """Fails where there is none: a check of GPUs that passes without one is none."""
    if DEVICE.startswith("cuda") and not torch.cuda.is_available():
        pytest.fail("torch sees no GPU here; GPU_CHECK_DEVICE=cpu runs the same lines on the CPU", pytrace=False)
    return DEVICE


@pytest.fixture
def report(device: str) -> Report:
    """Keeps one row: engine, whose weights, what was found; and the memory that is in use on the device then."""

    def report(engine: str, weights: str, found: str) -> None:
        _rows.append((engine, weights, found, _memory(device)))

    return report


def _memory(device: str) -> str:
    if not device.startswith("cuda"):
        return "-"
    command = ["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
    lines = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.splitlines()
    return f"{sum(int(line.split(',')[1]) for line in lines if int(line.split(',')[0]) == os.getpid())} MB"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The table."""
    if not _rows:
        return
    named = torch.cuda.get_device_name() if DEVICE.startswith("cuda") else "the CPU"
    terminalreporter.section(f"engines on {named}")
    rows = [("engine", "weights", "found", "memory of the process"), *_rows]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        terminalreporter.write_line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
