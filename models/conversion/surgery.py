"""Parts taken out of an ONNX graph, and norms in it that are given their figures from outside."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper


def part(model: ModelProto, begins: Mapping[str, str], ends: Mapping[str, str]) -> ModelProto:
    """What leads from the tensors `begins`, and the inputs of the model, to the tensors `ends`, which become its outputs.

    They are called as on the right-hand side from then on; all are float32. Raises KeyError for a tensor that is not there.
    """
    nodes = model.graph.node
    makers = {name: at for at, node in enumerate(nodes) for name in node.output}
    wanted: set[int] = set()
    todo = [makers[name] for name in ends]
    while todo:
        at = todo.pop()
        if at not in wanted:
            wanted.add(at)
            todo += [makers[name] for name in nodes[at].input if name in makers and name not in begins]
    kept = [_renamed(nodes[at], {**begins, **ends}) for at in sorted(wanted)]
    used = {name for node in kept for name in node.input}
    inputs = [value for value in model.graph.input if value.name in used]
    inputs += [_float(name) for name in begins.values() if name in used]
    constants = [value for value in model.graph.initializer if value.name in used]
    graph = helper.make_graph(kept, "part", inputs, [_float(name) for name in ends.values()], constants)
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


@dataclass(frozen=True)
class Norm:
    """One normalisation over time that is written out in operators: (x - mean) / deviation * scale + shift."""

    x: str
    mean: str
    deviation: str
    scale: str
    shift: str
    result: str


def norms(graph: GraphProto) -> list[Norm]:
    """All of them, in the order of the graph. Those of the same tensor have the same mean and deviation."""
    makers, users = _makers(graph), _users(graph)
    found = []
    for node in graph.node:
        # x - mean, over the root of the variance, which has a ReduceMean of its own.
        if node.op_type != "Div" or [_kind(makers, name) for name in node.input] != ["Sub", "Sqrt"]:
            continue
        x, mean = makers[node.input[0]].input
        for scaled in users[node.output[0]]:
            (shifted,) = users[scaled.output[0]]
            scale, shift = _other(scaled, node.output[0]), _other(shifted, scaled.output[0])
            found.append(Norm(x, mean, node.input[1], scale, shift, shifted.output[0]))
    return found


def figures(found: Iterable[Norm]) -> dict[str, str]:
    """The means and deviations of these norms, each once, and what they are called where they go in or out of a model."""
    names: dict[str, str] = {}
    for norm in found:
        names.setdefault(norm.mean, f"mean{len(names) // 2}")
        names.setdefault(norm.deviation, f"deviation{len(names) // 2}")
    return names


def freeze(graph: GraphProto) -> None:
    """Makes the means and deviations of all norms inputs, [1, channels, 1], called as in `figures`: a part is as in the whole.

    The graph is changed; what the norms took their own figures from stays behind in it, and `part` leaves it out.
    """
    found = norms(graph)
    given = figures(found)
    frozen: dict[str, list[NodeProto]] = {}
    for at, norm in enumerate(found):
        mean, deviation = given[norm.mean], given[norm.deviation]
        gain, moved, offset, scaled = (f"norm{at}_{step}" for step in ("gain", "moved", "offset", "scaled"))
        frozen[norm.result] = [
            helper.make_node("Div", [norm.scale, deviation], [gain]),
            helper.make_node("Mul", [mean, gain], [moved]),
            helper.make_node("Sub", [norm.shift, moved], [offset]),
            helper.make_node("Mul", [norm.x, gain], [scaled]),
            helper.make_node("Add", [scaled, offset], [norm.result]),
        ]
    _replace(graph, frozen)
    graph.input.extend(_float(name) for name in given.values())


def _replace(graph: GraphProto, new: Mapping[str, list[NodeProto]]) -> None:
    """Puts these nodes in the place of those that make these tensors."""
    nodes = [each for node in graph.node for each in new.get(node.output[0], [node])]
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    graph.ClearField("node")
    graph.node.extend(copies)


def _makers(graph: GraphProto) -> dict[str, NodeProto]:
    return {name: node for node in graph.node for name in node.output}


def _users(graph: GraphProto) -> dict[str, list[NodeProto]]:
    users: dict[str, list[NodeProto]] = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            users[name].append(node)
    return users


def _renamed(node: NodeProto, names: Mapping[str, str]) -> NodeProto:
    copy = NodeProto.FromString(node.SerializeToString())
    copy.input[:] = [names.get(name, name) for name in node.input]
    copy.output[:] = [names.get(name, name) for name in node.output]
    return copy


def _float(name: str) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, None)


def _kind(makers: Mapping[str, NodeProto], name: str) -> str:
    return makers[name].op_type if name in makers else ""


def _other(node: NodeProto, name: str) -> str:
    (other,) = (each for each in node.input if each != name)
    return str(other)
