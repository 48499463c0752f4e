"""Sentence embeddings by all-MiniLM-L6-v2 (a BERT with 6 layers).

Vectors have 384 numbers and length 1, so their dot product is the cosine similarity. Source of the model:
https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2, Apache-2.0; mean pooling over all tokens, then normalisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from services.common.engine import Model
from services.common.onnx import open_model
from vivant.errors import Unusable

Array = NDArray[np.float32]

MODEL: Final = Model("all-MiniLM-L6-v2", "Apache-2.0")
SIZE: Final = 384
_MAX_TOKENS: Final = 128
#: Texts computed together. With more of them one text takes no less time, and a short one waits for longer ones.
_BATCH: Final = 4
_EPSILON: Final = 1e-12


class Embedder:
    """The loaded model. Thread safe; `embed` computes in the thread that calls it, for about 3 ms a question."""

    def __init__(self, folder: Path) -> None:
        model, pieces, tokenizer = folder / "model.onnx", folder / "pieces.npy", folder / "tokenizer.json"
        for path in (pieces, tokenizer):
            if not path.is_file():
                raise Unusable(f"no model file {path}; run: make models", reason="model_missing")
        self._model = open_model(model)
        self._pieces = _read_pieces(pieces)
        self._tokenizer = _read_tokenizer(tokenizer)
        self._common = self._pieces.mean(axis=0)
        self.fingerprint = f"{MODEL.name} {model.stat().st_size}"
        """Tells embeddings of this model from those of another."""

    def embed(self, texts: Sequence[str]) -> Array:
        """`[len(texts), 384]` float32, one unit vector for each text."""
        vectors = np.zeros((len(texts), SIZE), np.float32)
        encoded = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        # Texts of similar length together, so that little is padded.
        order = sorted(range(len(texts)), key=lambda index: len(encoded[index]))
        for start in range(0, len(order), _BATCH):
            batch = order[start : start + _BATCH]
            vectors[batch] = self._run([encoded[index] for index in batch])
        return vectors

    def embed_words(self, words: Sequence[str]) -> Array:
        """`[len(words), 384]` float32, one unit vector for each word by itself, from the model's table: takes no time.

        The mean of a word's pieces, less what all words have in common.
        """
        vectors = np.zeros((len(words), SIZE), np.float32)
        for row, encoding in enumerate(self._tokenizer.encode_batch(list(words), add_special_tokens=False)):
            if encoding.ids:
                vectors[row] = self._pieces[encoding.ids].mean(axis=0) - self._common
        return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), _EPSILON), np.float32)

    def _run(self, tokens: Sequence[Sequence[int]]) -> Array:
        """`[len(tokens), 384]`, one unit vector for each row of tokens."""
        shape = len(tokens), max(map(len, tokens))
        padded, given = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
        for row, line in enumerate(tokens):
            padded[row, : len(line)] = line
            given[row, : len(line)] = 1
        (sentences,) = self._model.run(["sentences"], {"pieces": self._pieces[padded], "given": given})
        return np.asarray(sentences, np.float32)


def _read_pieces(path: Path) -> Array:
    try:
        pieces = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as exc:
        raise _broken(path) from exc
    if pieces.dtype != np.float32 or pieces.ndim != 2 or pieces.shape[1] != SIZE:
        raise _broken(path)
    return np.asarray(pieces, np.float32)


def _read_tokenizer(path: Path) -> Tokenizer:
    try:
        tokenizer: Tokenizer = Tokenizer.from_str(path.read_text("utf-8"))
    except Exception as exc:
        # The library raises bare Exceptions; whatever one says, the file cannot be used.
        raise _broken(path) from exc
    tokenizer.enable_truncation(_MAX_TOKENS)
    tokenizer.no_padding()
    return tokenizer


def _broken(path: Path) -> Unusable:
    return Unusable(f"{path} is not a usable model file; run: make models", reason="model_unusable")
