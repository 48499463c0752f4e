"""What is taken out of an ONNX graph computes what it did inside it, and a norm with its own figures is the norm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from models.conversion import kokoro
from models.conversion.surgery import figures, freeze, norms, part
from models.errors import FetchError

Array = NDArray[np.float32]
EPSILON = 1e-5


def doubled_and_normed() -> ModelProto:
    """`given` [1, 3, n], twice as much, is the tensor `inside`; it is normed over n, scaled and shifted, and comes out."""

    def node(kind: str, *inputs: str, **attributes: Any) -> Any:
        *of, out = inputs
        return helper.make_node(kind, of, [out], **attributes)

    nodes = [
        node("Add", "given", "given", "inside"),
        node("ReduceMean", "inside", "axes", "mean"),
        node("Sub", "inside", "mean", "centred"),
        node("Mul", "centred", "centred", "squared"),
        node("ReduceMean", "squared", "axes", "variance"),
        node("Add", "variance", "epsilon", "positive"),
        node("Sqrt", "positive", "deviation"),
        node("Div", "centred", "deviation", "normed"),
        node("Mul", "scale", "normed", "scaled"),
        node("Add", "scaled", "shift", "out"),
        node("Relu", "given", "unused"),
    ]
    constants = {
        "axes": np.array([2]),
        "epsilon": np.array(EPSILON, np.float32),
        "scale": np.array([2, 3, 4], np.float32).reshape(1, 3, 1),
        "shift": np.array([1, 0, -1], np.float32).reshape(1, 3, 1),
    }
    given, out = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, None]) for name in ("given", "out"))
    values = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "whole", [given], [out], values)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def run(model: ModelProto, **inputs: Array) -> list[Array]:
    found: list[Array] = onnxruntime.InferenceSession(model.SerializeToString()).run(None, inputs)
    return found


@pytest.fixture
def given() -> Array:
    return np.random.default_rng(3).standard_normal((1, 3, 50)).astype(np.float32)


def test_both_parts_together_are_the_whole(given: Array) -> None:
    whole = doubled_and_normed()
    before, after = part(whole, {}, {"inside": "between"}), part(whole, {"inside": "between"}, {"out": "result"})
    assert [node.op_type for node in before.graph.node] == ["Add"]
    assert [value.name for value in after.graph.input] == ["between"]
    (between,) = run(before, given=given)
    np.testing.assert_array_equal(run(after, between=between)[0], run(whole, given=given)[0])


def test_a_tensor_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError, match="nowhere"):
        part(doubled_and_normed(), {}, {"nowhere": "x"})


def test_a_norm_that_is_given_its_own_figures_is_the_norm_of_the_whole_also_in_a_piece(given: Array) -> None:
    model = doubled_and_normed()
    expected = run(model, given=given)[0]
    (norm,) = norms(model.graph)
    assert (norm.x, norm.mean, norm.scale, norm.shift, norm.result) == ("inside", "mean", "scale", "shift", "out")
    names = figures([norm])
    assert names == {"mean": "mean0", "deviation": "deviation0"}
    own = dict(zip(names.values(), run(part(model, {}, names), given=given), strict=True))
    inside = 2 * given
    np.testing.assert_allclose(own["mean0"], inside.mean(2, keepdims=True), atol=1e-6)
    np.testing.assert_allclose(own["deviation0"], np.sqrt(inside.var(2, keepdims=True) + EPSILON), atol=1e-5)
    freeze(model.graph)
    frozen = part(model, {}, {"out": "out"})
    assert "ReduceMean" not in {node.op_type for node in frozen.graph.node}
    np.testing.assert_allclose(run(frozen, given=given, **own)[0], expected, atol=1e-5)
    np.testing.assert_allclose(run(frozen, given=given[:, :, 10:20], **own)[0], expected[:, :, 10:20], atol=1e-5)


def test_a_file_that_is_no_kokoro_is_refused(tmp_path: Path) -> None:
    (tmp_path / "nothing").write_bytes(b"nothing at all")
    (tmp_path / "other").write_bytes(doubled_and_normed().SerializeToString())
    for name in ("nothing", "other"):
        with pytest.raises(FetchError, match="does not hold Kokoro-82M"):
            kokoro.front(tmp_path / name)
