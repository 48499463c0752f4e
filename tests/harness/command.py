"""The `vivant` command as a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Result:
    status: int
    out: str
    err: str


async def start(*arguments: str | bytes | Path, **environment: str) -> asyncio.subprocess.Process:
    # A shell that runs the tests in its background has Ctrl-C ignored, and a child would inherit that. Set here and not
    # in a preexec_fn: a fork runs gRPC's fork handlers, and they broke one child in six (1,500 tried); without
    # a preexec_fn it is a vfork, which runs none.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "vivant.cli", *map(os.fsencode, arguments),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": ":".join(sys.path), "COLUMNS": "140", **environment},
    )  # fmt: skip


async def vivant(*arguments: str | bytes | Path, stdin: str | bytes = "", **environment: str) -> Result:
    """Runs the command to its end."""
    process = await start(*arguments, **environment)
    out, err = await process.communicate(stdin.encode() if isinstance(stdin, str) else stdin)
    assert process.returncode is not None
    return Result(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))
