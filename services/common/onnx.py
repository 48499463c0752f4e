"""Opening an ONNX model file on the CPU, the same way everywhere. Imported only where onnxruntime is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as errors

from vivant.errors import Unusable

_UNUSABLE: Final = (
    errors.Fail,
    errors.InvalidArgument,
    errors.InvalidGraph,
    errors.InvalidProtobuf,
    errors.NotImplemented,
    errors.RuntimeException,
)


def open_model(path: Path, *, threads: int = 1, fetch: str = "make models") -> Any:
    """An onnxruntime.InferenceSession, whose `run` may be called from several threads.

    Raises Unusable when the file is missing or broken; `fetch` is the command that brings it.
    One thread a call is the default: sessions run beside each other, and small models only lose by being split.
    """
    if not path.is_file():
        raise Unusable(f"no model file {path}; run: {fetch}", reason="model_missing")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except _UNUSABLE as exc:
        raise Unusable(f"{path} is not a usable ONNX model; run: {fetch}", reason="model_unusable") from exc
