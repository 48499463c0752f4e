"""What a command of a service tells on its standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable


def tell(lines: Iterable[str]) -> None:
    """Writes these lines. Ends the program with status 1, and quietly, when nobody reads on, as after `| head -1`."""
    try:
        sys.stdout.writelines(f"{line}\n" for line in lines)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python writes what is left once more at its end, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
