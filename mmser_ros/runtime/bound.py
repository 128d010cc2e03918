"""A model's graphs with their weights inside, for what cannot be handed weights by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmser_ros.model.config import BadModel
from mmser_ros.runtime.engine import EngineError
from mmser_ros.runtime.graphs import Graph, Shapes
from mmser_ros.runtime.weights import WEIGHTS

Weights = Mapping[str, NDArray[np.float32]]

LARGEST = 2**31 - 2**20
"""Bytes of weights that a graph can hold: protobuf ends at 2 GiB."""


def check_weights(folder: Path, graph: Graph, weights: Weights, needed: Shapes) -> None:
    """Raise BadModel if a weight that a graph needs is missing or of another shape."""
    for name, shape in needed.items():
        if name not in weights:
            raise BadModel(f"{folder / WEIGHTS} lacks the tensor '{name}'.")
        if weights[name].shape != tuple(shape):
            raise BadModel(
                f"{folder / WEIGHTS}: '{name}' is {weights[name].shape}, "
                f"but {graph.path(folder)} needs {tuple(shape)}."
            )


def with_weights(folder: Path, graph: Graph, weights: Weights, needed: Shapes) -> Any:
    """A graph as an onnx.ModelProto whose weights lie inside, ready for use.

    Weights that the graph transposes first are transposed here, so that a matrix product has a
    constant operand. Raises BadModel for weights or a graph that cannot be used, EngineError if
    the package onnx is missing or the graph would be too large.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise EngineError(
            "Putting weights into a graph needs the package onnx, which is not installed: "
            "pip install onnx"
        ) from error

    check_weights(folder, graph, weights, needed)
    size = sum(weights[name].nbytes for name in needed)
    path = graph.path(folder)
    if size > LARGEST:
        raise EngineError(
            f"{path} needs {size / 2**30:.1f} GiB of weights, more than a graph can hold; run the "
            "model by the engine onnx in the precision fp32."
        )
    try:
        proto = onnx.load(path, load_external_data=False)
    except DecodeError as error:
        raise EngineError(f"{path} is no ONNX graph: {error}.") from error
    inside = {
        tensor.name: tensor
        for tensor in proto.graph.initializer
        if tensor.data_location != onnx.TensorProto.EXTERNAL
    }
    values = {name: weights[name] for name in needed}
    _transpose(proto.graph, values)
    del proto.graph.initializer[:]
    used = {name for node in proto.graph.node for name in node.input}
    proto.graph.initializer.extend(inside.values())
    proto.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.ascontiguousarray(value), name)
        for name, value in values.items()
        if name in used
    )
    return proto


def _transpose(graph: Any, values: dict[str, NDArray[np.float32]]) -> None:
    """Replace every Transpose of a weight by a weight of its output's name."""
    kept = []
    for node in graph.node:
        if node.op_type == "Transpose" and node.input[0] in values:
            (order,) = (list(item.ints) for item in node.attribute if item.name == "perm")
            values[node.output[0]] = values[node.input[0]].transpose(order)
        else:
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)
