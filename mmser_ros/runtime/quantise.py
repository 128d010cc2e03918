"""Dynamic int8: matrix products by weights are done in eight bits, all else as before.

The weights get one scale a column, the activations of each call one scale and zero point. The
same as onnxruntime.quantization writes (MatMulInteger), without its start-up time of seconds.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVELS = 127
"""Largest value of a weight in eight bits."""
FEWER = 63
"""The same where the processor would saturate sums of two products: x86 without VNNI."""


def quantise(proto: Any) -> None:
    """Change every product by a constant matrix in a graph that holds its weights.

    ``proto`` is an onnx.ModelProto; its MatMul and Gemm nodes are replaced in place.
    """
    graph = proto.graph
    matrices = {item.name: item for item in graph.initializer if len(item.dims) == 2}
    nodes: list[Any] = []
    activations: set[str] = set()
    levels = FEWER if _saturates() else LEVELS
    for node in graph.node:
        weight = matrices.get(node.input[1]) if _is_product(node) else None
        if weight is None:
            nodes.append(node)
            continue
        if node.input[0] not in activations:
            activations.add(node.input[0])
            nodes.append(_quantised_input(node.input[0]))
        nodes += _integer_product(graph, node, weight, levels)
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    kept = [item for item in graph.initializer if item.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _is_product(node: Any) -> bool:
    """Whether a node is x @ w, x @ w.T or one of them plus a bias."""
    if node.op_type == "MatMul":
        return True
    given = {item.name: item.f or item.i for item in node.attribute}
    plain = given.get("alpha", 1) == given.get("beta", 1) == 1 and not given.get("transA", 0)
    return node.op_type == "Gemm" and plain


def _quantised_input(name: str) -> Any:
    from onnx import helper

    outputs = [f"{name}_int8", f"{name}_scale", f"{name}_zero"]
    return helper.make_node("DynamicQuantizeLinear", [name], outputs)


def _integer_product(graph: Any, node: Any, weight: Any, levels: int) -> list[Any]:
    """The nodes that stand for one product; their constants are put into the graph."""
    from onnx import TensorProto, helper, numpy_helper

    matrix = numpy_helper.to_array(weight)
    if any(item.name == "transB" and item.i for item in node.attribute):
        matrix = matrix.T
    rounded, scale = in_eight_bits(matrix, levels)
    x, result = node.input[0], node.output[0]
    # by the result, not the weight: what two products share may be transposed for one of them
    constants = {f"{result}_weight": rounded, f"{result}_columns": scale}
    graph.initializer.extend(numpy_helper.from_array(v, n) for n, v in constants.items())
    product, scaled = f"{result}_product", f"{result}_scale_of_both"
    bias = list(node.input[2:])
    unbiased = f"{result}_unbiased" if bias else result
    nodes = [
        helper.make_node(
            "MatMulInteger", [f"{x}_int8", f"{result}_weight", f"{x}_zero"], [f"{product}_int32"]
        ),
        helper.make_node("Cast", [f"{product}_int32"], [product], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{x}_scale", f"{result}_columns"], [scaled]),
        helper.make_node("Mul", [product, scaled], [unbiased]),
    ]
    if bias:
        nodes.append(helper.make_node("Add", [unbiased, *bias], [result]))
    return nodes


def in_eight_bits(
    matrix: NDArray[np.float32], levels: int = LEVELS
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """A matrix (rows, columns) rounded to -levels..levels, and a scale (columns,) to undo it."""
    largest = np.abs(matrix).max(0)
    scale = np.where(largest > 0, largest / levels, 1).astype(np.float32)
    return np.ascontiguousarray(np.rint(matrix / scale).astype(np.int8)), scale


def _saturates() -> bool:
    """Whether this is an x86 processor without VNNI, as far as Linux tells."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return False
    try:
        known = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:  # not on Linux
        return True
    return "vnni" not in known
