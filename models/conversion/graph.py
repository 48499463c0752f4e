"""A graph of ONNX operators, written down one call after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, ValueInfoProto, checker, helper, numpy_helper

#: What onnxruntime reads for years already, and has all that is used here (GELU came last).
_OPSET: Final = 20
_IR_VERSION: Final = 9


class Graph:
    """Tensors are called by their names, which each call gives back for the next ones."""

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, TensorProto] = {}
        self._inputs: list[ValueInfoProto] = []

    def input(self, name: str, dtype: type[np.generic], shape: Sequence[int | str]) -> str:
        """A tensor that comes from outside; sizes that differ from call to call have a name."""
        self._inputs.append(_value(name, dtype, shape))
        return name

    def constant(self, values: NDArray[Any] | np.generic) -> str:
        """A tensor that is part of the model."""
        name = f"constant{len(self._constants)}"
        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(values).reshape(np.shape(values)), name)
        return name

    def node(self, operator: str, *inputs: str, outputs: int = 1, name: str = "", **attributes: Any) -> str:
        """The last output of an operator of https://onnx.ai/onnx/operators; it is called `name`, or by a number."""
        name = name or f"{operator}{len(self._nodes)}"
        unused = [""] * (outputs - 1)
        self._nodes.append(helper.make_node(operator, inputs, [*unused, name], **attributes))
        return name

    def model(self, outputs: Mapping[str, Sequence[int | str]]) -> bytes:
        """The model with these float32 tensors as outputs, checked."""
        graph = helper.make_graph(
            self._nodes,
            "network",
            self._inputs,
            [_value(name, np.float32, shape) for name, shape in outputs.items()],
            list(self._constants.values()),
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
        checker.check_model(model)
        serialized: bytes = model.SerializeToString(deterministic=True)
        return serialized


def _value(name: str, dtype: type[np.generic], shape: Sequence[int | str]) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
