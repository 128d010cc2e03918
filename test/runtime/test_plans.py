"""What TensorRT is given: graphs in half precision, and plans for the shapes that occur."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
from tiny_model import tiny_config

from mmser_ros.cli.random_model import random_model
from mmser_ros.folders import find_model
from mmser_ros.model import sizes
from mmser_ros.model.config import BadModel, VisionConfig, load_config
from mmser_ros.runtime import plans
from mmser_ros.runtime.engine import EngineError
from mmser_ros.runtime.graphs import (
    DECODE,
    ENCODE,
    GLANCE,
    GRAPHS,
    SHARPEN,
    Graph,
    write_parameters,
)
from mmser_ros.runtime.graphs import read_parameters as needed_by
from mmser_ros.runtime.tensorrt_api import Api
from mmser_ros.runtime.weights import EMBEDDING, load_weights

onnx = pytest.importorskip("onnx", reason="networks are made with onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="networks are tried with ONNX Runtime")

from mmser_ros.runtime import networks

GRAPH = pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph.name)
SINGLE, HALF = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16


def network(folder: Path, graph: Graph, precision: str):
    config = load_config(folder / "config.json")
    needed = needed_by(folder, config)[graph.name]
    return networks.network(folder, graph, needed, load_weights(folder), precision)


def inputs(graph: Graph) -> dict[str, np.ndarray]:
    random, config = np.random.default_rng(0), tiny_config()
    seen = (len(config.vision.taps), config.visual_tokens, config.vision.width)
    decoder = config.decoder
    cache = (2 * decoder.depth, decoder.heads, decoder.positions, decoder.width // decoder.heads)
    shapes = {
        ENCODE: {"pixels": (3, 3, config.image.height, config.image.width)},
        GLANCE: {"last": (1, *seen[1:])},
        SHARPEN: {"levels": (1, *seen), "details": (1, 4, *seen), "draft": (1, 7, decoder.width)},
        DECODE: {"x": (5, decoder.width), "cache": cache},
    }[graph]
    values = {n: random.normal(size=shape).astype(np.float32) for n, shape in shapes.items()}
    if graph is SHARPEN:
        values["places"] = np.sort(random.random((1, 4, 4)), -1).astype(np.float32)
    if graph is DECODE:
        values |= {"length": np.array([9]), "first": np.array([2])}
    return values


def outputs(proto, graph: Graph) -> dict[str, np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options)
    half = {value.name for value in session.get_inputs() if value.type == "tensor(float16)"}
    feeds = {n: v.astype(np.float16) if n in half else v for n, v in inputs(graph).items()}
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(None, feeds), strict=True))


@GRAPH
def test_half_precision_is_near_single(tiny_model, graph):
    single = outputs(network(tiny_model, graph, "fp32"), graph)
    half = outputs(network(tiny_model, graph, "fp16"), graph)
    assert list(single) == list(half)
    for name, expected in single.items():
        assert half[name].shape == expected.shape
        assert half[name].dtype == (np.float32 if name in networks.TO_HOST else np.float16)
        assert np.abs(half[name] - expected).max() < 0.01 * np.abs(expected).max(), name


@GRAPH
def test_half_precision_is_well_typed_and_spares_what_needs_more(tiny_model, graph):
    proto = network(tiny_model, graph, "fp16")
    onnx.checker.check_model(proto, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(proto, strict_mode=True).graph
    values = (*inferred.value_info, *inferred.output)
    kinds = {value.name: value.type.tensor_type.elem_type for value in values}
    kinds |= {tensor.name: tensor.data_type for tensor in inferred.initializer}
    for node in proto.graph.node:
        if node.op_type in ("LayerNormalization", "Softmax", "Sin", "Cos"):
            assert kinds[node.input[0]] == SINGLE, node.name
        elif node.op_type in ("Conv", "MatMul", "Gemm"):
            assert {kinds.get(name, HALF) for name in node.input} == {HALF}, node.name


def test_pooled_levels_are_their_means(tiny_model):
    found = outputs(network(tiny_model, ENCODE, "fp32"), ENCODE)
    expected = found["levels"].mean(2).reshape(3, -1)
    assert np.allclose(found["pooled"], expected, atol=1e-5)


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_decoder_chooses_the_next_token_and_brings_its_embedding(tiny_model, precision):
    found = outputs(network(tiny_model, DECODE, precision), DECODE)
    tokens = found["logits"].argmax(1)
    weights = np.exp(found["logits"].astype(np.float64))
    expected = (weights / weights.sum(1, keepdims=True)).max(1)
    assert found["choices"][:, 0].tolist() == tokens.tolist()
    assert np.allclose(found["choices"][:, 1], expected, rtol=1e-5)
    embedding = load_weights(tiny_model)[EMBEDDING]
    assert np.array_equal(found["next"].astype(np.float32), embedding[tokens])


def test_encoder_of_clip_layout_without_look_head(tmp_path):
    pytest.importorskip("torch", reason="graphs are written by torch")
    from mmser_ros.model import checkpoint
    from mmser_ros.model.mmser import MmSer
    from mmser_ros.runtime import export

    vision = VisionConfig("patch", (), (), 16, 32, 3, 2, 48, (1, 2), "quick_gelu", True)
    config = dataclasses.replace(tiny_config(), vision=vision, names={})
    checkpoint.save(MmSer(config).eval(), tmp_path)
    (encode,) = [recipe for recipe in export.RECIPES if recipe.graph is ENCODE]
    needed = export.write(encode, checkpoint.load(tmp_path), tmp_path)
    weights = load_weights(tmp_path)
    single, half = (
        outputs(networks.network(tmp_path, ENCODE, needed, weights, precision), ENCODE)
        for precision in ("fp32", "fp16")
    )
    assert list(single) == list(half) == ["levels", "pooled"]
    for name, expected in single.items():
        assert np.abs(half[name] - expected).max() < 0.01 * np.abs(expected).max()


def test_weights_beyond_half_precision_are_refused(tiny_model):
    config = load_config(tiny_model / "config.json")
    needed, weights = needed_by(tiny_model, config)[GLANCE.name], load_weights(tiny_model)
    name = max(needed, key=lambda name: np.abs(weights[name]).max())
    weights[name] = weights[name] * np.float32(1e9)
    with pytest.raises(BadModel, match=r"too large for half precision; build in fp32"):
        networks.network(tiny_model, GLANCE, needed, weights, "fp16")


def test_unknown_precision_is_refused(tiny_model):
    with pytest.raises(EngineError, match="'int8'; choose from fp16, fp32"):
        network(tiny_model, GLANCE, "int8")


def test_profiles_have_a_bucket_each_and_one_for_every_width():
    config = tiny_config()
    *fixed, wide = plans.profiles(DECODE, config)
    width, positions = config.decoder.width, config.decoder.positions
    assert [p.shapes["x"] for p in fixed] == [((n, width),) * 3 for n in (1, 8, 16, 32)]
    assert wide.shapes["x"][0] == (1, width) and wide.shapes["x"][2] == (positions, width)
    assert wide.values["first"][2] == positions - 1


def test_missing_package_is_named_with_its_extra():
    with pytest.raises(EngineError, match=r"tensorrt-abacus .*'mmser-ros\[tensorrt-abacus\]'"):
        Api("tensorrt_abacus")


@pytest.fixture(scope="module")
def api() -> Api:
    try:
        return Api("tensorrt_rtx")
    except EngineError as error:
        pytest.skip(f"TensorRT-RTX, which builds without a GPU, is not here: {error}")


@GRAPH
@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_every_graph_is_built(tiny_model, api, graph, precision):
    assert len(plans.build_plan(tiny_model, graph, precision, api)) > 10_000


def test_plans_for_one_kind_of_gpu_and_for_none(tiny_model, api):
    assert plans.build_plan(tiny_model, GLANCE, "fp16", api, "7.5")
    assert plans.build_plan(tiny_model, GLANCE, "fp16", api, "12.0")
    with pytest.raises(EngineError, match=r"does not serve .* is 9\.0 .*SM120.*install TensorRT:"):
        plans.build_plan(tiny_model, GLANCE, "fp16", api, "9.0")


def test_graph_that_cannot_be_read_is_refused(tiny_model, api):
    proto = network(tiny_model, GLANCE, "fp32")
    proto.graph.node[0].op_type = "Abacus"
    with pytest.raises(EngineError, match=r"cannot read the graph: .*Abacus"):
        api.build(proto, ())


def test_builds_are_kept_apart(tiny_model, api, monkeypatch):
    def folder(graph=GLANCE, precision="fp16", device=("GPU", "8.9"), weights="0123"):
        return plans.key(tiny_model, graph, api, precision, device, weights).folder

    others = [
        folder(graph=ENCODE),
        folder(precision="fp32"),
        folder(device=("GPU", "8.6")),
        folder(device=("Other GPU", "8.9")),
        folder(weights="4567"),
    ]
    assert folder() == folder() and folder() not in others and len(set(others)) == 5
    before = folder()
    monkeypatch.setattr(plans, "REVISION", b"another")
    assert folder() != before


@pytest.fixture(scope="module")
def shallow(tmp_path_factory) -> Path:
    """The base size with fewer blocks: every kind of layer as wide as it is there."""
    pytest.importorskip("torch", reason="graphs are written by torch")
    from mmser_ros.model import checkpoint
    from mmser_ros.model.mmser import MmSer
    from mmser_ros.runtime import export

    config = dataclasses.replace(
        sizes.BASE,
        vision=dataclasses.replace(sizes.BASE.vision, depth=3, taps=(1, 2, 3)),
        decoder=dataclasses.replace(sizes.BASE.decoder, depth=1),
        ser=dataclasses.replace(sizes.BASE.ser, depth=1),
    )
    folder, model = tmp_path_factory.mktemp("shallow"), MmSer(config).eval()
    checkpoint.save(model, folder)
    needed = {r.graph.name: export.write(r, model, folder) for r in export.RECIPES}
    write_parameters(folder, config, needed)
    return folder


@GRAPH
def test_every_graph_is_built_as_wide_as_the_base_size(api, shallow, graph):
    assert len(plans.build_plan(shallow, graph, "fp16", api)) > 10_000_000


@pytest.mark.skipif(
    "MMSER_TEST_BUILDS" not in os.environ,
    reason="whole models take minutes: MMSER_TEST_BUILDS names those to build, as in nano,base",
)
def test_whole_models_are_built(api):
    for name in os.environ["MMSER_TEST_BUILDS"].split(","):
        folder = random_model(name) if name in sizes.SIZES else find_model(name)
        built = plans.build(folder, "fp16", print, "tensorrt_rtx")
        assert set(built) == {graph.name for graph in GRAPHS}
