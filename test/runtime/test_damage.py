"""Damaged model folders are refused with a sentence by every engine, never run."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mmser_ros.model.config import BadModel
from mmser_ros.runtime.engine import EngineError
from mmser_ros.runtime.registry import open_engine

NO_OPENVINO = importlib.util.find_spec("openvino") is None
OPENVINO = pytest.param(
    "openvino", marks=pytest.mark.skipif(NO_OPENVINO, reason="openvino is not installed")
)
EVERY = pytest.mark.parametrize("engine", ["onnx", "torch", OPENVINO])
GRAPHS = pytest.mark.parametrize("engine", ["onnx", OPENVINO])


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    pytest.importorskip("torch")
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def change_weights(folder: Path, change) -> None:
    path = folder / "model.safetensors"
    weights = load_file(path)
    change(weights)
    save_file(weights, path)


@EVERY
@pytest.mark.parametrize("keep", [0, 4, 1000, -1])
def test_truncated_weights(folder, engine, keep):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BadModel, match="damaged or no safetensors file"):
        open_engine(engine, folder)


@EVERY
def test_missing_weights(folder, engine):
    (folder / "model.safetensors").unlink()
    with pytest.raises(BadModel, match=r"model\.safetensors does not exist"):
        open_engine(engine, folder)


@EVERY
def test_missing_tensor(folder, engine):
    change_weights(folder, lambda weights: weights.pop("ser.norm.weight"))
    with pytest.raises(BadModel, match=r"lacks the tensor 'ser\.norm\.weight'"):
        open_engine(engine, folder)


@EVERY
def test_tensor_of_another_shape(folder, engine):
    wrong = {"decoder.norm.weight": np.zeros(25, np.float16)}
    change_weights(folder, lambda weights: weights.update(wrong))
    with pytest.raises(BadModel, match=r"'decoder\.norm\.weight' is \(25,\)"):
        open_engine(engine, folder)


def test_weights_that_are_not_finite(folder):
    def spoil(weights):
        weights["decoder.norm.bias"][3] = np.nan

    change_weights(folder, spoil)
    with pytest.raises(BadModel, match=r"'decoder\.norm\.bias' holds values that are not finite"):
        open_engine("onnx", folder)


@GRAPHS
def test_graph_that_is_no_graph(folder, engine):
    (folder / "graphs" / "sharpen.onnx").write_bytes(b"not a graph")
    with pytest.raises(EngineError, match=r"cannot open .*sharpen\.onnx|sharpen\.onnx is no ONNX"):
        open_engine(engine, folder)


@GRAPHS
def test_graph_of_another_part(folder, engine):
    shutil.copy(folder / "graphs" / "glance.onnx", folder / "graphs" / "decode.onnx")
    with pytest.raises(EngineError, match=r"cannot open .*decode\.onnx"):
        open_engine(engine, folder)


def test_graphs_of_another_architecture(folder):
    config = json.loads((folder / "config.json").read_text())
    config["vision"]["heads"] = 4  # no shape of any weight tells
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadModel, match="made for another architecture"):
        open_engine("onnx", folder)


def test_prompt_and_calibration_need_no_new_graphs(folder):
    config = json.loads((folder / "config.json").read_text())
    config["prompt"]["limit"], config["calibration"] = 5, None
    (folder / "config.json").write_text(json.dumps(config))
    open_engine("onnx", folder, threads=1).close()


@pytest.mark.parametrize("text", ["", "[]", '{"architecture": "x"}', '{"parameters": 1}'])
def test_parameters_that_cannot_be_understood(folder, text):
    (folder / "graphs" / "parameters.json").write_text(text)
    with pytest.raises(BadModel, match=r"parameters\.json cannot be understood"):
        open_engine("onnx", folder)
