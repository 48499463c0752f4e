"""The models folder: which files are there, whole and verified.

Hashing half a gigabyte at each start would be slow, so `.verified.json` in each model's folder notes size, time of change and
hash of what was once verified; a file that was touched since is hashed again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from models.download import disk_errors
from models.errors import FetchError
from models.manifest import Model, ModelFile

_NOTES: Final = ".verified.json"


@dataclass(frozen=True)
class Problem:
    """One file that cannot be used as it is."""

    model: Model
    file: ModelFile
    what: str


class Store:
    """Model files below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.downloads = folder / ".downloads"

    def path(self, model: Model, file: ModelFile) -> Path:
        """Where the file belongs."""
        return self.folder / model.id / file.path

    def problems(self, model: Model, *, thorough: bool = False) -> Iterator[Problem]:
        """What is missing or differs. Files untouched since they were verified are not read again unless `thorough`."""
        notes = self._notes(model)
        for file in model.files:
            path = self.path(model, file)
            note = notes.get(file.path, {})
            pin = file.sha256 or note.get("sha256")
            if not path.is_file():
                yield Problem(model, file, "is missing")
            elif pin is None:
                yield Problem(model, file, "was never verified")
            elif thorough or note != _note(path, pin):
                found = hash_file(path)
                if found != pin:
                    yield Problem(model, file, f"has SHA-256 {found} instead of {pin}")
                else:
                    self.note_verified(model, file, pin)

    def note_verified(self, model: Model, file: ModelFile, sha256: str) -> None:
        """Remembers that the file as it is now hashes to `sha256`."""
        notes = self._notes(model)
        notes[file.path] = _note(self.path(model, file), sha256)
        target = self.folder / model.id / _NOTES
        part = target.with_name(f"{_NOTES}.part")
        with disk_errors(part):
            part.write_text(json.dumps(notes, indent=1), "utf-8")
            part.replace(target)

    def require_space(self, size: int) -> None:
        """Raises FetchError when `size` more bytes do not fit."""
        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.folder).free
        if free < size:
            raise FetchError(
                f"{self.folder} has {free / 1e6:,.0f} MB free, and {size / 1e6:,.0f} MB are needed. "
                "Free some space, or choose another folder with VIVANT_MODELS_DIR"
            )

    def _notes(self, model: Model) -> dict[str, Any]:
        """What was noted; nothing when the note is unreadable, which only means that the files are hashed again."""
        try:
            notes = json.loads((self.folder / model.id / _NOTES).read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return notes if isinstance(notes, dict) else {}


def hash_file(path: Path) -> str:
    """SHA-256 of a file, lower-case hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _note(path: Path, sha256: str) -> dict[str, Any]:
    state = path.stat()
    return {"sha256": sha256, "size": state.st_size, "mtime_ns": state.st_mtime_ns}
