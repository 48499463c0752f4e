"""Arrays that are kept in a file because making them anew takes time."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: What reading a file can end in whose bytes are not those that were written.
_DAMAGED: Final = (
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    MemoryError,
    OverflowError,
    SyntaxError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)


class Damaged(ValueError):
    """The file is not what was written."""


def write(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Beside its place first, so that the file is whole whenever the machine stops; raises OSError."""
    partial = path.with_suffix(f".{os.getpid()}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with partial.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read(path: Path) -> dict[str, NDArray[Any]]:
    """What was written, by name. Raises OSError, and Damaged; no code in a file is run."""
    try:
        with path.open("rb") as opened, zipfile.ZipFile(opened):
            opened.seek(0)
            with np.load(opened) as file:
                return {name: file[name] for name in file.files}
    except _DAMAGED as exc:
        raise Damaged(str(exc)) from exc
