"""Supervisor as a child that ends with its parent, however that goes: `python -m deploy.keeper supervisord.conf`."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Final

from supervisor import supervisord

_PR_SET_PDEATHSIG: Final = 1


def main(config: str) -> None:
    """Runs until SIGTERM, which the kernel sends when the parent is gone; the services end first, then the folder goes."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    folder = Path(config).parent
    try:
        os.chdir(folder)
        supervisord.main(["--configuration", config])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
