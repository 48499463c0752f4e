"""all-MiniLM-L6-v2, a BERT with 6 layers, from the safetensors of its authors.

The table of word pieces is a file of its own, since single words are looked up in it: float32 `[30522, 384]`. The rest is the
ONNX model. In: `pieces` float32 `[texts, length, 384]`, the rows of the tokens, and `given` float32 `[texts, length]`, 1 for a
token and 0 after the end of a text. Out: `sentences` float32 `[texts, 384]`, the mean over all tokens, of length 1.
Source: https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2; Devlin et al., "BERT" (2018).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from models.conversion.graph import Graph
from models.errors import FetchError

_LAYERS: Final = 6
_HEADS: Final = 12
_SIZE: Final = 384
_EPSILON: Final = 1e-12
#: Added to the scores of what comes after the end of a text.
_NEVER: Final = -1e4


def model(path: Path) -> bytes:
    """The model as ONNX; raises FetchError when the file holds another one."""
    with _understood(path) as weights:
        return _Bert(weights).model()


def pieces(path: Path) -> bytes:
    """The table of word pieces as an .npy file; raises FetchError as `model` does."""
    file = BytesIO()
    with _understood(path) as weights:
        np.save(file, weights["embeddings.word_embeddings.weight"], allow_pickle=False)
    return file.getvalue()


@contextmanager
def _understood(path: Path) -> Iterator[dict[str, NDArray[Any]]]:
    try:
        yield load_file(path)
    except (SafetensorError, KeyError) as exc:
        raise FetchError(f"{path} does not hold the weights of all-MiniLM-L6-v2: {exc}") from exc


class _Bert:
    def __init__(self, weights: dict[str, NDArray[Any]]) -> None:
        self._weights = weights
        self._graph = Graph()

    def model(self) -> bytes:
        graph, node, constant = self._graph, self._graph.node, self._graph.constant
        hidden = self._embedded(graph.input("pieces", np.float32, ("texts", "length", _SIZE)))
        given = graph.input("given", np.float32, ("texts", "length"))
        past_end = node("Mul", node("Sub", constant(np.float32(1)), given), constant(np.float32(_NEVER)))
        past_end = node("Unsqueeze", past_end, constant(np.array([1, 2])))
        for layer in range(_LAYERS):
            hidden = self._layer(hidden, past_end, f"encoder.layer.{layer}")
        counted = node("Mul", hidden, node("Unsqueeze", given, constant(np.array([2]))))
        # The length of the sum is that of the mean but for a factor, and becomes 1.
        summed = node("ReduceSum", counted, constant(np.array([1])), keepdims=0)
        node("LpNormalization", summed, name="sentences", axis=-1, p=2)
        return graph.model({"sentences": ("texts", _SIZE)})

    def _embedded(self, pieces: str) -> str:
        node, constant = self._graph.node, self._graph.constant
        length = node("Slice", node("Shape", pieces), constant(np.array([1])), constant(np.array([2])))
        places = node("Slice", self._weight("embeddings.position_embeddings"), constant(np.array([0])), length)
        kind = constant(self._weights["embeddings.token_type_embeddings.weight"][0])
        return self._normalised(node("Add", node("Add", pieces, places), kind), "embeddings.LayerNorm")

    def _layer(self, hidden: str, past_end: str, name: str) -> str:
        node = self._graph.node
        attended = self._dense(self._attention(hidden, past_end, f"{name}.attention.self"), f"{name}.attention.output.dense")
        hidden = self._normalised(node("Add", attended, hidden), f"{name}.attention.output.LayerNorm")
        inner = node("Gelu", self._dense(hidden, f"{name}.intermediate.dense"))
        return self._normalised(node("Add", self._dense(inner, f"{name}.output.dense"), hidden), f"{name}.output.LayerNorm")

    def _attention(self, hidden: str, past_end: str, name: str) -> str:
        node, constant = self._graph.node, self._graph.constant

        def heads(part: str, order: list[int]) -> str:
            shape = constant(np.array([0, 0, _HEADS, _SIZE // _HEADS]))
            return node("Transpose", node("Reshape", self._dense(hidden, f"{name}.{part}"), shape), perm=order)

        scores = node("MatMul", heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1]))
        scores = node("Div", scores, constant(np.float32(np.sqrt(_SIZE // _HEADS))))
        shares = node("Softmax", node("Add", scores, past_end), axis=-1)
        mixed = node("Transpose", node("MatMul", shares, heads("value", [0, 2, 1, 3])), perm=[0, 2, 1, 3])
        return node("Reshape", mixed, constant(np.array([0, 0, _SIZE])))

    def _dense(self, values: str, name: str) -> str:
        # Stored as [out, in].
        weight = self._graph.constant(self._weights[f"{name}.weight"].T)
        return self._graph.node("Add", self._graph.node("MatMul", values, weight), self._weight(name, "bias"))

    def _normalised(self, values: str, name: str) -> str:
        scale, bias = self._weight(name), self._weight(name, "bias")
        return self._graph.node("LayerNormalization", values, scale, bias, axis=-1, epsilon=_EPSILON)

    def _weight(self, name: str, part: str = "weight") -> str:
        return self._graph.constant(self._weights[f"{name}.{part}"])
