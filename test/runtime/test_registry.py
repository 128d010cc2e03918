"""Engines are chosen by name or for the machine, and say what they lack."""

from __future__ import annotations

import logging
import shutil

import pytest

from mmser_ros.model.config import BadModel
from mmser_ros.runtime import registry
from mmser_ros.runtime.engine import EngineError
from mmser_ros.runtime.registry import open_engine


@pytest.fixture
def without(monkeypatch):
    """Act as if packages were not installed."""

    def hide(*packages):
        monkeypatch.setattr(registry, "_installed", lambda package: package not in packages)

    return hide


def test_auto_takes_onnx_runtime_and_says_why(tiny_model, caplog):
    caplog.set_level(logging.INFO)
    engine = open_engine("auto", tiny_model, threads=1)
    assert engine.info.backend.startswith("onnxruntime")
    assert [record.message for record in caplog.records if "engine onnx" in record.message] == [
        "engine onnx: ONNX Runtime is installed and the model has its graphs"
    ]


def test_auto_without_graphs_takes_torch_and_warns(tiny_model, tmp_path, caplog):
    pytest.importorskip("torch")
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder, ignore=shutil.ignore_patterns("graphs"))
    engine = open_engine("auto", folder)
    assert engine.info.backend.startswith("torch")
    (record,) = [r for r in caplog.records if r.name == registry.__name__]
    assert record.levelno == logging.WARNING and "encode.onnx does not exist" in record.message


def test_auto_without_onnx_runtime_takes_torch_and_warns(tiny_model, without, caplog):
    pytest.importorskip("torch")
    without("onnxruntime")
    assert open_engine("auto", tiny_model).info.backend.startswith("torch")
    assert "onnxruntime is not installed" in caplog.text


def test_auto_with_nothing_installed_says_what_to_install(tiny_model, without):
    without("onnxruntime", "torch")
    with pytest.raises(EngineError, match="pip install onnxruntime"):
        open_engine("auto", tiny_model)


@pytest.mark.parametrize(("engine", "package"), [("onnx", "onnxruntime"), ("torch", "torch")])
def test_missing_package_is_named(tiny_model, without, engine, package):
    without(package)
    with pytest.raises(EngineError, match=f"needs the package {package}.* pip install {package}"):
        open_engine(engine, tiny_model)


def test_unknown_engine_is_refused_with_the_known_ones(tiny_model):
    with pytest.raises(EngineError, match=r"no engine 'cuda'; choose from auto, onnx, torch\."):
        open_engine("cuda", tiny_model)


def test_threads_must_be_positive(tiny_model):
    with pytest.raises(EngineError, match="at least one thread, not 0"):
        open_engine("onnx", tiny_model, threads=0)


def test_chosen_onnx_engine_does_not_fall_back(tiny_model, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder, ignore=shutil.ignore_patterns("decode.onnx"))
    with pytest.raises(BadModel, match=r"decode\.onnx does not exist; write the graphs with"):
        open_engine("onnx", folder)


def test_unusable_torch_device_is_refused(tiny_model):
    torch_engine = pytest.importorskip("mmser_ros.runtime.torch_engine")
    with pytest.raises(EngineError, match="cannot use the device 'abacus'"):
        torch_engine.TorchEngine(tiny_model, device="abacus")
