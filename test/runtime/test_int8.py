"""Dynamic int8 rounds the weights' matrix products as ONNX Runtime's own tool does."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from mmser_ros.model.config import load_config
from mmser_ros.runtime import graphs, quantise
from mmser_ros.runtime.bound import with_weights
from mmser_ros.runtime.engine import EngineError
from mmser_ros.runtime.registry import open_engine
from mmser_ros.runtime.weights import load_weights

onnx = pytest.importorskip("onnx", reason="int8 is made with onnx")
import onnxruntime


def whole(folder: Path, graph: graphs.Graph):
    needed = graphs.read_parameters(folder, load_config(folder / "config.json"))
    return with_weights(folder, graph, load_weights(folder), needed[graph.name])


def inputs(folder: Path, graph: graphs.Graph) -> dict[str, np.ndarray]:
    config = load_config(folder / "config.json")
    decoder, random = config.decoder, np.random.default_rng(1)
    if graph is graphs.ENCODE:
        shape = (2, config.image.channels, config.image.height, config.image.width)
        return {"pixels": random.normal(size=shape).astype(np.float32)}
    head = decoder.width // decoder.heads
    cache = (2 * decoder.depth, decoder.heads, decoder.positions, head)
    return {
        "x": random.normal(size=(5, decoder.width)).astype(np.float32),
        "cache": random.normal(size=cache).astype(np.float32),
        "length": np.array([7]),
        "first": np.array([2]),
    }


@pytest.mark.parametrize("graph", [graphs.ENCODE, graphs.DECODE], ids=lambda graph: graph.name)
def test_results_are_those_of_onnx_runtimes_own_tool(tiny_model, tmp_path, monkeypatch, graph):
    quantization = pytest.importorskip("onnxruntime.quantization")
    monkeypatch.setattr(quantise, "_saturates", lambda: False)
    path = tmp_path / "theirs.onnx"
    quantization.quantize_dynamic(
        whole(tiny_model, graph),
        path,
        op_types_to_quantize=["MatMul", "Gemm"],
        per_channel=True,
        weight_type=quantization.QuantType.QInt8,
    )
    proto = whole(tiny_model, graph)
    quantise.quantise(proto)
    onnx.checker.check_model(proto)
    feeds = inputs(tiny_model, graph)
    found, expected, exact = (
        onnxruntime.InferenceSession(model).run(None, feeds)
        for model in (
            proto.SerializeToString(),
            path.read_bytes(),
            whole(tiny_model, graph).SerializeToString(),
        )
    )
    for ours, theirs, unrounded in zip(found, expected, exact, strict=True):
        assert np.allclose(ours, theirs, atol=1e-5)
        assert np.allclose(ours, unrounded, atol=0.1 * np.abs(unrounded).max())
    assert not np.allclose(found[0], exact[0], atol=1e-5), "nothing was rounded"


def test_every_product_by_weights_is_in_eight_bits(tiny_model):
    for graph in graphs.GRAPHS:
        proto = whole(tiny_model, graph)
        quantise.quantise(proto)
        constants = {item.name for item in proto.graph.initializer}
        for node in proto.graph.node:
            if node.op_type in ("MatMul", "Gemm"):
                assert not constants.intersection(node.input), f"{graph.name}: {node.output[0]}"
        kinds = [node.op_type for node in proto.graph.node]
        assert kinds.count("MatMulInteger") >= kinds.count("DynamicQuantizeLinear") > 0


def test_matrix_is_rounded_by_columns():
    matrix = np.array([[1.0, -200.0, 0.0], [-0.5, 100.0, 0.0]], np.float32)
    rounded, scale = quantise.in_eight_bits(matrix)
    assert rounded.dtype == np.int8
    assert rounded.tolist() == [[127, -127, 0], [-64, 64, 0]]
    assert np.allclose(rounded * scale, matrix, atol=1)
    assert quantise.in_eight_bits(matrix, 63)[0].max() == 63


def test_weights_have_fewer_levels_where_sums_would_saturate(tiny_model, monkeypatch):
    largest = {}
    for saturates in (False, True):
        monkeypatch.setattr(quantise, "_saturates", lambda saturates=saturates: saturates)
        proto = whole(tiny_model, graphs.GLANCE)
        quantise.quantise(proto)
        arrays = map(onnx.numpy_helper.to_array, proto.graph.initializer)
        rounded = [array for array in arrays if array.dtype == np.int8]
        largest[saturates] = max(int(np.abs(array.astype(int)).max()) for array in rounded)
    assert largest == {False: quantise.LEVELS, True: quantise.FEWER}


def test_only_x86_without_vnni_saturates(monkeypatch):
    monkeypatch.setattr(quantise.platform, "machine", lambda: "x86_64")
    for flags, saturates in (("flags: avx2 avx_vnni", False), ("flags: avx2", True)):
        monkeypatch.setattr(Path, "read_text", lambda path, flags=flags, **_: flags)
        assert quantise._saturates() == saturates
    monkeypatch.setattr(quantise.platform, "machine", lambda: "aarch64")
    assert not quantise._saturates()


def test_engine_in_eight_bits_says_so_and_keeps_the_contract(tiny_model):
    engine = open_engine("onnx", tiny_model, threads=1, precision="int8")
    config = load_config(tiny_model / "config.json")
    assert engine.info.precision == "int8" and engine.info.backend.startswith("onnxruntime")
    levels = engine.encode(inputs(tiny_model, graphs.ENCODE)["pixels"][:1])
    none = engine.encode(inputs(tiny_model, graphs.ENCODE)["pixels"][:0])
    prefix = engine.sharpen(levels, none, np.zeros((0, 4), np.float32), ())
    assert prefix.shape == (1, config.visual_tokens, config.decoder.width)
    rows = engine.prefill(prefix, (2, 9, 8), 2).logits()
    assert rows.shape == (2, config.decoder.vocabulary) and np.isfinite(rows).all()
    engine.rewind(engine.length - 1)
    assert np.allclose(engine.extend((8,)).logits()[0], rows[1], atol=0.5)


def test_missing_onnx_is_named(tiny_model, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(EngineError, match=r"needs the package onnx.* pip install onnx"):
        open_engine("onnx", tiny_model, precision="int8")
