"""The speaker encoder of Resemblyzer: three LSTM layers and a linear one, from its PyTorch checkpoint.

In: `mels` float32 `[pieces, frames, 40]`. Out: `prints` `[pieces, 256]`: what the last layer is at the last frame, of length 1.
Source: Wan et al., "Generalized End-to-End Loss for Speaker Verification" (2018).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.conversion.graph import Graph
from models.conversion.torch_file import read_tensors
from models.errors import FetchError

_LAYERS: Final = 3
_BANDS: Final = 40
_HIDDEN: Final = 256


def model(path: Path) -> bytes:
    """The model as ONNX; raises FetchError when the file holds another one."""
    weights = read_tensors(path, "model_state")
    try:
        return _model(weights)
    except KeyError as exc:
        raise FetchError(f"{path} does not hold the weights of Resemblyzer: it has no {exc}") from exc


def _model(weights: dict[str, NDArray[np.float32]]) -> bytes:
    graph = Graph()
    hidden = graph.node("Transpose", graph.input("mels", np.float32, ("pieces", "frames", _BANDS)), perm=[1, 0, 2])
    for layer in range(_LAYERS):
        into, within = (graph.constant(_gates(weights[f"lstm.weight_{kind}_l{layer}"])[None]) for kind in ("ih", "hh"))
        biases = [_gates(weights[f"lstm.bias_{kind}_l{layer}"]) for kind in ("ih", "hh")]
        outputs = 1 if layer < _LAYERS - 1 else 2
        hidden = graph.node(
            "LSTM", hidden, into, within, graph.constant(np.concatenate(biases)[None]), outputs=outputs, hidden_size=_HIDDEN
        )
        # All frames of a layer are [frames, 1, pieces, 256], the last one alone is [1, pieces, 256].
        hidden = graph.node("Squeeze", hidden, graph.constant(np.array([2 - outputs])))
    linear = (graph.constant(weights[f"linear.{part}"]) for part in ("weight", "bias"))
    positive = graph.node("Relu", graph.node("Gemm", hidden, *linear, transB=1))
    graph.node("LpNormalization", positive, name="prints", axis=-1, p=2)
    return graph.model({"prints": ("pieces", _HIDDEN)})


def _gates(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """PyTorch has the gates in the order input, forget, cell, output; ONNX input, output, forget, cell."""
    entry, forget, cell, output = np.split(rows, 4)
    return np.concatenate((entry, output, forget, cell))
