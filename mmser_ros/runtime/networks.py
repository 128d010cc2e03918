"""A model's graphs with their weights inside, in single or half precision, for TensorRT.

TensorRT computes in the types that a graph declares. The graphs of a model folder declare single
precision, so for half precision types are rewritten: a value is half as soon as half is mixed in,
weights are half, and what half is too coarse for stays single. Model folders hold their weights
in half precision already, so that no weight loses a bit. Needs the package onnx, no torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mmser_ros.model.config import BadModel, load_config
from mmser_ros.runtime.bound import Weights, with_weights
from mmser_ros.runtime.engine import EngineError
from mmser_ros.runtime.graphs import DECODE, ENCODE, Graph, Shapes
from mmser_ros.runtime.weights import EMBEDDING, WEIGHTS

PRECISIONS = ("fp16", "fp32")
REVISION = b"2"
"""To be raised when the same graph becomes another network: kept plans are then built anew."""
SINGLE = {"LayerNormalization", "Softmax"}
"""Operators that compute in single precision in every graph: sums of squares and exponentials."""
FROM_HOST = {"pixels", "places"}
"""Inputs that come in single precision; geometry computed from places alone stays so."""
TO_HOST = {"things", "pooled", "logits", "choices"}
"""Outputs that go out in single precision."""


def network(folder: Path, graph: Graph, needed: Shapes, weights: Weights, precision: str) -> Any:
    """One graph of a model folder as an onnx.ModelProto that holds its weights.

    ``encode`` also gives ``pooled`` (B, m d): the levels averaged over their tokens, so that
    the levels themselves can stay on the device. For the same reason ``decode`` also gives
    ``choices`` (n - first, 2), the most probable tokens and their chances, and ``next``
    (n - first, D), what to append for each. Raises BadModel where a weight is missing, of
    another shape or too large for half precision, EngineError where onnx is missing or the
    graph cannot be used.
    """
    if precision not in PRECISIONS:
        raise EngineError(
            f"TensorRT does not run in the precision '{precision}'; choose from "
            f"{', '.join(PRECISIONS)}."
        )
    proto = with_weights(folder, graph, weights, needed)
    import onnx  # there, or the line above has said that it is not

    if graph is ENCODE:
        _add_pooled(onnx, proto)
    if graph is DECODE:  # whose cache lies at one place, whole
        (cache,) = (value for value in proto.graph.input if value.name == "cache")
        positions = load_config(folder / "config.json").decoder.positions
        cache.type.tensor_type.shape.dim[2].dim_value = positions
    if precision == "fp16":
        bare = onnx.load(graph.path(folder), load_external_data=False).graph.initializer
        constants = {t.name for t in bare if t.data_location != onnx.TensorProto.EXTERNAL}
        too_large = _Halving(onnx, proto, constants | {"pooled.axis", "pooled.shape"}).run()
        if too_large:
            raise BadModel(
                f"{folder / WEIGHTS}: '{too_large[0]}' holds values too large for half "
                "precision; build in fp32."
            )
    if graph is DECODE:
        _add_choices(onnx, proto)
    return proto


def _add_pooled(onnx: Any, proto: Any) -> None:
    """Append levels (B, m, N, d) -> pooled (B, m d)."""
    graph, helper = proto.graph, onnx.helper
    _, taps, _, width = (axis.dim_value for axis in graph.output[0].type.tensor_type.shape.dim)
    for name, value in (("pooled.axis", [2]), ("pooled.shape", [0, taps * width])):
        graph.initializer.append(onnx.numpy_helper.from_array(np.array(value, np.int64), name))
    mean = helper.make_node("ReduceMean", ["levels", "pooled.axis"], ["pooled.mean"], keepdims=0)
    flat = helper.make_node("Reshape", ["pooled.mean", "pooled.shape"], ["pooled"])
    graph.node.extend([mean, flat])
    shape = ["B", taps * width]
    graph.output.append(helper.make_tensor_value_info("pooled", onnx.TensorProto.FLOAT, shape))


def _add_choices(onnx: Any, proto: Any) -> None:
    """Append logits (n, V) -> choices (n, 2), next (n, D).

    Ids go out among chances: single precision holds those of every vocabulary there is.
    """
    graph, helper, single = proto.graph, onnx.helper, onnx.TensorProto.FLOAT
    (embedding,) = (tensor for tensor in graph.initializer if tensor.name == EMBEDDING)
    axis = onnx.numpy_helper.from_array(np.array([1], np.int64), "choices.axis")
    graph.initializer.append(axis)
    graph.node.extend(
        [
            helper.make_node("ArgMax", ["logits"], ["choices.ids"], axis=1, keepdims=1),
            helper.make_node("Cast", ["choices.ids"], ["choices.tokens"], to=single),
            helper.make_node("Softmax", ["logits"], ["choices.all"], axis=1),
            helper.make_node("ReduceMax", ["choices.all", "choices.axis"], ["choices.chances"]),
            helper.make_node("Concat", ["choices.tokens", "choices.chances"], ["choices"], axis=1),
            helper.make_node("Squeeze", ["choices.ids", "choices.axis"], ["choices.flat"]),
            helper.make_node("Gather", [EMBEDDING, "choices.flat"], ["next"], axis=0),
        ]
    )
    rows = graph.output[0].type.tensor_type.shape.dim[0].dim_param
    for name, kind, columns in (
        ("choices", single, 2),
        ("next", embedding.data_type, embedding.dims[1]),
    ):
        graph.output.append(helper.make_tensor_value_info(name, kind, [rows, columns]))


class _Halving:
    """Rewrites one graph in place; nodes stand in the order in which they are computed."""

    def __init__(self, onnx: Any, proto: Any, constants: set[str]) -> None:
        self._onnx, self._graph, self._constants = onnx, proto.graph, constants
        self._single = onnx.TensorProto.FLOAT
        self._half = onnx.TensorProto.FLOAT16
        self._floats = self._find_floats(proto)
        self._types: dict[str, int] = {}
        """Of every floating point value that is known by now."""
        self._nodes: list[Any] = []
        self._casts: set[str] = set()

    def run(self) -> list[str]:
        """Rewrite; gives the names of weights that half precision cannot hold."""
        too_large = self._halve_weights()
        for value in self._graph.input:
            if value.name in self._floats:
                kind = self._single if value.name in FROM_HOST else self._half
                value.type.tensor_type.elem_type = self._types[value.name] = kind
        for node in self._graph.node:
            self._rewrite(node)
        for value in self._graph.output:
            self._finish(value)
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)
        return too_large

    def _find_floats(self, proto: Any) -> set[str]:
        graph = self._onnx.shape_inference.infer_shapes(proto).graph
        values = (*graph.input, *graph.output, *graph.value_info)
        kinds = {value.name: value.type.tensor_type.elem_type for value in values}
        kinds |= {tensor.name: tensor.data_type for tensor in graph.initializer}
        return {name for name, kind in kinds.items() if kind == self._single}

    def _halve_weights(self) -> list[str]:
        helper, too_large = self._onnx.numpy_helper, []
        for tensor in self._graph.initializer:
            if tensor.name in self._floats and tensor.name not in self._constants:
                with np.errstate(over="ignore"):
                    value = helper.to_array(tensor).astype(np.float16)
                if not np.isfinite(value).all():
                    too_large.append(tensor.name)
                tensor.CopyFrom(helper.from_array(value, tensor.name))
            if tensor.name in self._floats:
                self._types[tensor.name] = tensor.data_type
        return too_large

    def _rewrite(self, node: Any) -> None:
        given = [name for name in node.input if name in self._types]
        mixed = any(self._types[name] == self._half for name in given)
        kind = self._half if mixed and node.op_type not in SINGLE else self._single
        for place, name in enumerate(node.input):
            if name in self._types:
                node.input[place] = self._cast(name, kind)
        self._nodes.append(node)
        for place, name in enumerate(node.output):
            if name not in self._floats:
                continue
            self._types[name] = kind
            if mixed and kind == self._single:  # on in half what was computed in single
                node.output[place] = f"{name}.single"
                self._append_cast(f"{name}.single", name, self._half)
                self._types[name] = self._half

    def _cast(self, name: str, kind: int) -> str:
        """A value in the wanted type; each is cast once."""
        if self._types[name] == kind:
            return name
        cast = f"{name}.{'half' if kind == self._half else 'float'}"
        if cast not in self._casts:
            self._casts.add(cast)
            self._append_cast(name, cast, kind)
        return cast

    def _append_cast(self, name: str, cast: str, kind: int) -> None:
        self._nodes.append(self._onnx.helper.make_node("Cast", [name], [cast], to=kind))

    def _finish(self, output: Any) -> None:
        """Give an output the type that it goes out in."""
        wanted = self._single if output.name in TO_HOST else self._half
        output.type.tensor_type.elem_type = wanted
        if self._types[output.name] == wanted:
            return
        inner = f"{output.name}.inner"
        for node in self._nodes:
            for names in (node.input, node.output):
                for place, name in enumerate(names):
                    if name == output.name:
                        names[place] = inner
        self._append_cast(inner, output.name, wanted)
