"""Keeping embeddings of a story next to it, so that only the first start has to make them."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from services.common.logs import get_logger
from services.llm.embedding import Array, Embedder

_log = get_logger(__name__)


def embed_kept(texts: Sequence[str], embedder: Embedder, path: Path) -> Array:
    """`[len(texts), 384]` float32, from `path` when it holds the vectors of these very texts, else made and kept there.

    A folder that cannot be written to costs the time at the next start, nothing else.
    """
    key = hashlib.sha256("\0".join((embedder.fingerprint, *texts)).encode()).hexdigest()
    kept = _read(path, key)
    if kept is not None:
        return kept
    vectors = embedder.embed(texts).astype(np.float16)
    partial = path.with_suffix(".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            np.savez(file, key=np.array(key), vectors=vectors)
        partial.replace(path)
    except OSError as exc:
        _log.info("embeddings_not_kept", path=str(path), error=exc.strerror)
    return vectors.astype(np.float32)


def _read(path: Path, key: str) -> Array | None:
    try:
        with path.open("rb") as opened, np.load(opened) as file:
            return file["vectors"].astype(np.float32) if str(file["key"]) == key else None
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        # Not there yet, or cut short: it is made again.
        return None
