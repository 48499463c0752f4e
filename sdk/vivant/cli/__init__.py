"""The `vivant` command: ask, chat, info, enroll.

Exit status: 0 for success, 1 for a failure with one clear line on standard error, 2 for a command line that cannot be meant,
130 after Ctrl-C.
"""

from __future__ import annotations

from vivant.cli.app import app


def main() -> None:
    """The entry point of the installed command."""
    app()
