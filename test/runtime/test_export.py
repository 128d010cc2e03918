"""Graphs hold no weights, and are the model's own computation."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny_model import tiny_config

from mmser_ros.model.config import VisionConfig
from mmser_ros.runtime import graphs

torch = pytest.importorskip("torch", reason="graphs are written by torch")
onnx = pytest.importorskip("onnx", reason="graphs are written with onnx")
pytest.importorskip("onnxscript", reason="graphs are written with onnxscript")

from mmser_ros.model import checkpoint
from mmser_ros.model.mmser import MmSer
from mmser_ros.runtime import export

BUFFERS = {"centres", "quarters", "whole"}
"""Constants of the SeR-Connector that follow from the grid of tokens."""


def constants(graph: graphs.Graph, folder: Path) -> dict[str, tuple[bool, np.ndarray | None]]:
    proto = onnx.load(graph.path(folder), load_external_data=False)
    found = {}
    for tensor in proto.graph.initializer:
        outside = tensor.data_location == onnx.TensorProto.EXTERNAL
        found[tensor.name] = (outside, None if outside else onnx.numpy_helper.to_array(tensor))
    return found


def test_graphs_refer_to_the_weights_by_name_and_hold_none(tiny_model):
    state = MmSer(tiny_config()).state_dict()
    referred = set()
    for graph in graphs.GRAPHS:
        for name, (outside, value) in constants(graph, tiny_model).items():
            assert outside == (name in state)
            if outside:
                referred.add(name)
            elif value.dtype != np.int64 and name.split(".")[-1] not in BUFFERS:
                assert value.size <= 4, f"{graph.name} holds {name} {value.shape}"
    assert referred == {name for name in state if not name.endswith("num_batches_tracked")}


def test_graphs_are_of_opset_18_and_standard_operators(tiny_model):
    for graph in graphs.GRAPHS:
        proto = onnx.load(graph.path(tiny_model), load_external_data=False)
        assert proto.ir_version == 8  # ONNX Runtime 1.17 reads 9 at most
        assert [(o.domain, o.version) for o in proto.opset_import] == [("", 18)]
        assert {node.domain for node in proto.graph.node} == {""} and not proto.functions
        assert tuple(value.name for value in proto.graph.input) == graph.inputs
        assert tuple(value.name for value in proto.graph.output) == graph.outputs


def test_new_weights_need_no_new_graphs(tiny_model, tmp_path):
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    torch.manual_seed(123)
    checkpoint.save(MmSer(tiny_config()).eval(), folder)
    model = checkpoint.load(folder)
    needed = graphs.read_parameters(folder, model.config)
    for recipe in export.RECIPES:
        assert export.difference(recipe, model, folder, needed[recipe.graph.name]) < 1e-5


def test_encoder_of_clip_layout_is_exported(tiny_model, tmp_path):
    config = dataclasses.replace(
        tiny_config(),
        vision=VisionConfig("patch", (), (), 16, 32, 3, 2, 48, (1, 2), "quick_gelu", True),
    )
    checkpoint.save(MmSer(config).eval(), tmp_path)
    model = checkpoint.load(tmp_path)
    (encode,) = [recipe for recipe in export.RECIPES if recipe.graph is graphs.ENCODE]
    needed = export.write(encode, model, tmp_path)
    assert "vision.class_token" in needed
    assert export.difference(encode, model, tmp_path, needed) < 1e-5


def test_constant_computed_from_weights_is_refused(tiny_model):
    proto = onnx.load(graphs.GLANCE.path(tiny_model), load_external_data=False)
    known = {tensor.name for tensor in proto.graph.initializer}
    export.check_constants(proto, graphs.GLANCE, known, set())
    folded = onnx.numpy_helper.from_array(np.ones((32, 40), np.float32), "folded")
    proto.graph.initializer.append(folded)
    with pytest.raises(export.EngineError, match=r"would hold the constant 'folded' \[32, 40\]"):
        export.check_constants(proto, graphs.GLANCE, known, set())


def test_command_reports_the_differences_or_what_is_wrong(tiny_model, tmp_path, capsys):
    assert export.main([str(tmp_path)]) == 1
    assert "needs a config.json" in capsys.readouterr().err
