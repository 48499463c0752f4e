"""Keeping the embeddings of a story, so that each text is embedded once.

They are kept by the text that they belong to: of a story that was changed only what is new is embedded.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np

from services.common import arrays
from services.common.logs import get_logger
from services.llm.memory.embedding import SIZE, Array, Embedder

_log = get_logger(__name__)

#: Texts that are embedded in one go: no work lasts longer once it is not wanted any more.
_PIECE: Final = 16


class Vectors:
    """The embeddings of one story's texts, in memory and in a file. `embed` may be called from several threads."""

    def __init__(self, embedder: Embedder, path: Path, spare: Path | None = None) -> None:
        """They are in the file `path`, or in `spare` where `path` cannot be written."""
        self._embedder = embedder
        self._places = (path,) if spare is None else (path, spare)
        self._vectors: dict[str, Array] | None = None

    def missing(self, texts: Sequence[str]) -> list[str]:
        """Those of `texts` that are not embedded yet, each once; such of one length together, so that little is padded."""
        known = self._known()
        return sorted({text for text in texts if self._key(text) not in known}, key=lambda text: (len(text), text))

    def embed(self, texts: Sequence[str]) -> None:
        """Embeds `texts`; blocks for about 5 ms each."""
        vectors = self._embedder.embed(texts).astype(np.float16)
        self._known().update(zip(map(self._key, texts), vectors, strict=True))

    def keep(self, texts: Sequence[str]) -> None:
        """Writes those of `texts` that are embedded, and no others.

        Where nothing can be written they are made anew at the next start; nothing else is lost.
        """
        known = self._known()
        kept = {key: known[key] for key in map(self._key, texts) if key in known}
        for place in self._places:
            try:
                _write(place, kept)
            except OSError as exc:
                _log.info("embeddings_not_kept", path=str(place), error=exc.strerror)
            else:
                return

    def of(self, texts: Sequence[str]) -> Array:
        """`[len(texts), 384]` float32; what is missing is embedded and kept."""
        if missing := self.missing(texts):
            with ThreadPoolExecutor(os.cpu_count()) as threads:
                list(threads.map(self.embed, pieces(missing)))
            self.keep(texts)
        known = self._known()
        return np.stack([known[self._key(text)] for text in texts]).astype(np.float32)

    def _known(self) -> dict[str, Array]:
        """What there is, read from the files at first."""
        if self._vectors is None:
            self._vectors = {}
            for place in reversed(self._places):
                self._vectors |= _read(place)
        return self._vectors

    def _key(self, text: str) -> str:
        return hashlib.sha256(f"{self._embedder.fingerprint}\0{text}".encode()).hexdigest()


def pieces(texts: Sequence[str]) -> list[Sequence[str]]:
    """`texts` in pieces, each of which is embedded in about 0.3 s."""
    return [texts[start : start + _PIECE] for start in range(0, len(texts), _PIECE)]


def embed_kept(texts: Sequence[str], embedder: Embedder, kept: Path | Vectors) -> Array:
    """`[len(texts), 384]` float32; what `kept`, or the file of that name, does not hold is embedded and kept there."""
    return (Vectors(embedder, kept) if isinstance(kept, Path) else kept).of(texts)


def _write(path: Path, vectors: Mapping[str, Array]) -> None:
    """Raises OSError."""
    arrays.write(path, {"keys": np.array(list(vectors)), "vectors": np.stack(list(vectors.values()))})


def _read(path: Path) -> dict[str, Array]:
    try:
        file = arrays.read(path)
        if file.keys() != {"keys", "vectors"}:
            raise arrays.Damaged("not the embeddings of a story")
        keys, vectors = file["keys"], file["vectors"]
        if vectors.shape != (*keys.shape, SIZE) or vectors.dtype != np.float16 or not np.isfinite(vectors).all():
            raise arrays.Damaged("not the embeddings of a story")
        return dict(zip(map(str, keys), vectors, strict=True))
    except FileNotFoundError:
        return {}
    except OSError as exc:
        _log.warning("embeddings_not_read", path=str(path), error=exc.strerror)
    except arrays.Damaged as exc:
        _log.warning("embeddings_damaged", path=str(path), error=str(exc), detail="they are made anew")
    return {}
