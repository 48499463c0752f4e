"""Adds internal tensors of an ONNX graph to its outputs by appending a few bytes, the same bytes on every machine.

A serialized protobuf message may be continued: a second `graph` field is merged into the first, and its repeated `output` field
is concatenated. So a suffix of `ModelProto{graph{output{name}}}` for each tensor is all it takes; the runtime infers the types.
Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_MODEL_GRAPH: Final = 7
_GRAPH_OUTPUT: Final = 12
_VALUE_NAME: Final = 1


def suffix(tensors: Iterable[str]) -> bytes:
    """What to append to a serialized model so that `tensors` become outputs, after those it has."""
    return b"".join(
        _field(_MODEL_GRAPH, _field(_GRAPH_OUTPUT, _field(_VALUE_NAME, tensor.encode("utf-8")))) for tensor in tensors
    )


def _field(number: int, payload: bytes) -> bytes:
    """A length-delimited protobuf field."""
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
