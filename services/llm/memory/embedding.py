"""Sentence embeddings by all-MiniLM-L6-v2 (a BERT with 6 layers), in plain numpy.

Vectors have 384 numbers and length 1, so their dot product is the cosine similarity. Source of the model:
https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2, Apache-2.0; mean pooling over all tokens, then normalisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer

from services.common.engine import Model
from vivant.errors import Unusable

Array = NDArray[np.float32]

MODEL: Final = Model("all-MiniLM-L6-v2", "Apache-2.0")
SIZE: Final = 384
_LAYERS: Final = 6
_HEADS: Final = 12
_MAX_TOKENS: Final = 128
#: Texts computed together. With more of them what is computed leaves the processor's caches: 16 are a quarter slower a text.
_BATCH: Final = 4
_EPSILON: Final = 1e-12


class Embedder:
    """The loaded model. Thread safe; `embed` computes in the thread that calls it, for about 4 ms a question."""

    def __init__(self, folder: Path) -> None:
        weights, tokenizer = folder / "model.safetensors", folder / "tokenizer.json"
        for path in (weights, tokenizer):
            if not path.is_file():
                raise Unusable(
                    f"the text embedding model is not complete, {path} is missing; run: make models", reason="model_missing"
                )
        self._weights = _read_weights(weights)
        self._tokenizer = _read_tokenizer(tokenizer)
        self._common = self._weights["embeddings.word_embeddings.weight"].mean(axis=0)
        self.fingerprint = f"{MODEL.name} {weights.stat().st_size}"
        """Tells embeddings of this model from those of another."""

    def embed(self, texts: Sequence[str]) -> Array:
        """`[len(texts), 384]` float32, one unit vector for each text."""
        vectors = np.zeros((len(texts), SIZE), np.float32)
        encoded = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        # Texts of similar length together, so that little is padded.
        order = sorted(range(len(texts)), key=lambda index: len(encoded[index]))
        for start in range(0, len(order), _BATCH):
            batch = order[start : start + _BATCH]
            vectors[batch] = self._forward([encoded[index] for index in batch])
        return vectors

    def embed_words(self, words: Sequence[str]) -> Array:
        """`[len(words), 384]` float32, one unit vector for each word by itself, from the model's table: takes no time.

        The mean of a word's pieces, less what all words have in common.
        """
        table = self._weights["embeddings.word_embeddings.weight"]
        vectors = np.zeros((len(words), SIZE), np.float32)
        for row, encoding in enumerate(self._tokenizer.encode_batch(list(words), add_special_tokens=False)):
            if encoding.ids:
                vectors[row] = table[encoding.ids].mean(axis=0) - self._common
        return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), _EPSILON), np.float32)

    def _forward(self, ids: list[list[int]]) -> Array:
        longest = max(map(len, ids))
        tokens = np.zeros((len(ids), longest), np.int64)
        mask = np.zeros((len(ids), longest), np.float32)
        for row, line in enumerate(ids):
            tokens[row, : len(line)] = line
            mask[row, : len(line)] = 1
        weights = self._weights
        hidden = (
            weights["embeddings.word_embeddings.weight"][tokens]
            + weights["embeddings.position_embeddings.weight"][:longest]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        hidden = self._normalise(hidden, "embeddings.LayerNorm")
        bias = ((mask - 1) * 1e4)[:, None, None, :]
        for layer in range(_LAYERS):
            hidden = self._layer(hidden, bias, f"encoder.layer.{layer}")
        summed = np.einsum("bth,bt->bh", hidden, mask) / mask.sum(axis=1, keepdims=True)
        return np.asarray(summed / np.linalg.norm(summed, axis=1, keepdims=True), np.float32)

    def _layer(self, hidden: Array, bias: Array, name: str) -> Array:
        batch, length, _ = hidden.shape

        def heads(part: str) -> Array:
            projected = self._linear(hidden, f"{name}.attention.self.{part}")
            return projected.reshape(batch, length, _HEADS, SIZE // _HEADS).transpose(0, 2, 1, 3)

        scores = heads("query") @ heads("key").transpose(0, 1, 3, 2) / np.float32(np.sqrt(SIZE // _HEADS)) + bias
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        mixed = (scores @ heads("value")).transpose(0, 2, 1, 3).reshape(batch, length, SIZE)
        hidden = self._normalise(
            hidden + self._linear(mixed, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm"
        )
        inner = _gelu(self._linear(hidden, f"{name}.intermediate.dense"))
        return self._normalise(hidden + self._linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _linear(self, hidden: Array, name: str) -> Array:
        return np.asarray(hidden @ self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"], np.float32)

    def _normalise(self, hidden: Array, name: str) -> Array:
        centred = hidden - hidden.mean(axis=-1, keepdims=True)
        scale = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + _EPSILON)
        return np.asarray(centred / scale * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"], np.float32)


def _read_weights(path: Path) -> dict[str, Array]:
    weights: dict[str, Array] = {}
    try:
        with safe_open(path, "np") as file:
            for name in file.keys():  # noqa: SIM118 - not a mapping
                array = file.get_tensor(name)
                if array.dtype.kind == "f":
                    weights[name] = np.ascontiguousarray(_transposed(name, array), dtype=np.float32)
    except SafetensorError as exc:
        raise _broken(path) from exc
    if f"encoder.layer.{_LAYERS - 1}.output.dense.weight" not in weights:
        raise _broken(path)
    return weights


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
    return Unusable(f"the text embedding model is damaged, {path} cannot be read; run: make models", reason="model_broken")


def _transposed(name: str, array: Array) -> Array:
    """Linear layers are stored as [out, in] and used as [in, out]."""
    return array.T if array.ndim == 2 and "embeddings" not in name else array


def _gelu(x: Array) -> Array:
    """GELU with the error function by Abramowitz and Stegun 7.1.26, exact to 1.5e-7."""
    z = np.abs(x) * np.float32(0.70710678)
    t = 1 / (1 + np.float32(0.3275911) * z)
    poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    erf = np.sign(x) * (1 - poly * np.exp(-z * z))
    return np.asarray(0.5 * x * (1 + erf), np.float32)
