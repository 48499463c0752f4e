"""Keeping embeddings of a story next to it, so that each text is embedded once."""

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
    """`[len(texts), 384]` float32; what `path` does not hold is embedded and kept there.

    A folder that cannot be written to costs the time at the next start, nothing else.
    """
    keys = [hashlib.sha256(f"{embedder.fingerprint}\0{text}".encode()).hexdigest() for text in texts]
    kept = _read(path)
    new = {key: text for key, text in zip(keys, texts, strict=True) if key not in kept}
    if new:
        kept |= zip(new, embedder.embed(list(new.values())).astype(np.float16), strict=True)
        _write(path, {key: kept[key] for key in keys})
    return np.stack([kept[key] for key in keys]).astype(np.float32)


def _write(path: Path, vectors: dict[str, Array]) -> None:
    partial = path.with_suffix(".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            np.savez(file, keys=np.array(list(vectors)), vectors=np.stack(list(vectors.values())))
        partial.replace(path)
    except OSError as exc:
        _log.info("embeddings_not_kept", path=str(path), error=exc.strerror)


def _read(path: Path) -> dict[str, Array]:
    try:
        with path.open("rb") as opened, np.load(opened) as file:
            return dict(zip(map(str, file["keys"]), file["vectors"], strict=True))
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        # Not there yet, or cut short: all is made again.
        return {}
