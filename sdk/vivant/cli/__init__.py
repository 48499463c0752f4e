"""The `vivant` command: ask, chat, info, enroll.

Exit status: 0 for success, 1 for a failure with one clear line on standard error, 2 for a command line that cannot be meant,
130 after Ctrl-C, 143 when it was told to stop.
"""

from __future__ import annotations

import os
import sys

# Lines of gRPC's own log would stand beside the one line for people. It reads this when it is imported.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def main() -> None:
    """The entry point of the installed command."""
    if sys.stdout is not None:
        # File names may hold bytes that are no text, and terminals may lack a letter: neither ends a conversation.
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # it is a TextIOWrapper
    try:
        from vivant.cli.app import app

        app()
    except KeyboardInterrupt:
        sys.exit(130)
