"""A file that has its name only when it is complete."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

from vivant.errors import Unusable


class Part:
    """What is written beside its place, at `path`, until `keep` moves it there.

    A link leads to the file that is replaced; a file that may not be written to is not replaced either. Raises OSError.
    """

    def __init__(self, place: Path) -> None:
        self._place = Path(os.path.realpath(place))
        if self._place.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if self._place.exists() and not self._place.is_file():
            raise OSError(errno.EINVAL, "it is a device or a pipe, not a file")
        if self._place.exists() and not os.access(self._place, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        self.path = self._place.with_name(f".vivant-{secrets.token_hex(4)}.part{place.suffix}")
        self.path.open("xb").close()

    def keep(self) -> None:
        """It is complete."""
        self.path.replace(self._place)

    def drop(self) -> None:
        """Nothing is left of it."""
        self.path.unlink(missing_ok=True)


def cannot_write(path: Path, exc: Exception) -> Unusable:
    """The error for people."""
    return Unusable(f"{path} cannot be written: {getattr(exc, 'strerror', '') or exc}", reason="cannot_write")


def require_writable(path: Path) -> None:
    """Tries whether a file can be written there, before anything is done for it; raises Unusable (`cannot_write`)."""
    try:
        trial = Part(path)
        try:
            trial.path.write_bytes(b"trial")
        finally:
            trial.drop()
    except OSError as exc:
        raise cannot_write(path, exc) from exc


def save(path: Path, data: bytes) -> None:
    """Writes a whole file, or leaves what was there; raises Unusable (`cannot_write`)."""
    try:
        part = Part(path)
        try:
            part.path.write_bytes(data)
            part.keep()
        finally:
            part.drop()
    except OSError as exc:
        raise cannot_write(path, exc) from exc
