"""Engines are chosen by name or for the machine, and say what they lack."""

from __future__ import annotations

import dataclasses
import logging
import shutil

import pytest

from mmser_ros.model.config import BadModel
from mmser_ros.runtime import registry
from mmser_ros.runtime.engine import EngineError
from mmser_ros.runtime.registry import open_engine

GPU = ("tensorrt", "tensorrt-rtx", "cuda")


@pytest.fixture(autouse=True)
def machine_without_gpu(monkeypatch):
    """What these tests are about is the same on every machine."""
    monkeypatch.setattr(registry, "has_driver", lambda: False)


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
    (record,) = [r for r in caplog.records if r.name == registry.__name__]
    assert record.levelno == logging.INFO
    assert record.message == (
        "Engine onnx, the first that works here (tensorrt, tensorrt-rtx, cuda: there is no "
        "NVIDIA driver)."
    )


def test_an_engine_that_is_named_is_told_in_one_line_too(tiny_model, caplog):
    caplog.set_level(logging.INFO)
    open_engine("onnx", tiny_model, threads=1)
    assert [r.message for r in caplog.records if r.name == registry.__name__] == [
        "Engine onnx, which was asked for."
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
    without("onnxruntime", "openvino")
    assert open_engine("auto", tiny_model).info.backend.startswith("torch")
    (record,) = [r for r in caplog.records if r.name == registry.__name__]
    assert record.levelno == logging.WARNING
    assert "onnx: onnxruntime is not installed; openvino: openvino is not" in record.message


def test_auto_without_onnx_runtime_takes_openvino_before_torch(tiny_model, without, caplog):
    pytest.importorskip("openvino", reason="openvino is not installed")
    without("onnxruntime")
    assert open_engine("auto", tiny_model).info.backend.startswith("openvino")
    assert "Engine openvino, the first that works here" in caplog.text
    assert "; onnx: onnxruntime is not installed)." in caplog.text


def test_auto_takes_the_best_engine_that_has_the_precision(tiny_model, without, caplog):
    pytest.importorskip("onnx")
    caplog.set_level(logging.INFO)
    info = open_engine("auto", tiny_model, threads=1, precision="int8").info
    assert info.backend.startswith("onnxruntime") and info.precision == "int8"
    assert "the first that works here with the precision int8" in caplog.text
    without("openvino")
    with pytest.raises(
        EngineError, match=r"openvino: openvino is not .* Try: pip install openvino onnx$"
    ):
        open_engine("auto", tiny_model, precision="bf16")


def test_auto_precision_is_single(tiny_model):
    for name in registry.ENGINES:
        if not registry.ENGINES[name].missing and name not in GPU:
            assert open_engine(name, tiny_model, threads=1).info.precision == "fp32"


def test_unknown_precision_is_refused_with_the_known_ones(tiny_model):
    with pytest.raises(
        EngineError, match=r"'onnx' has no .*'bf16'; choose from auto, fp32, int8\."
    ):
        open_engine("onnx", tiny_model, precision="bf16")
    with pytest.raises(
        EngineError, match="No engine has the precision 'fp3'; choose from auto, fp32"
    ):
        open_engine("auto", tiny_model, precision="fp3")


def test_registry_knows_the_precisions_of_engines(tiny_model):
    from mmser_ros.runtime import cuda_engine, networks, onnx_engine, openvino_engine

    assert registry.ENGINES["onnx"].precisions == onnx_engine.PRECISIONS
    assert registry.ENGINES["openvino"].precisions == openvino_engine.PRECISIONS
    assert set(registry.ENGINES["cuda"].precisions) == set(cuda_engine.TYPES)
    for name in ("tensorrt", "tensorrt-rtx"):
        assert set(registry.ENGINES[name].precisions) == set(networks.PRECISIONS)


def test_auto_passes_over_engines_of_a_gpu_that_do_not_work(tiny_model, monkeypatch, caplog):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here, which works")
    monkeypatch.setattr(registry, "has_driver", lambda: True)
    assert open_engine("auto", tiny_model).info.backend.startswith("onnxruntime")
    (record,) = [r for r in caplog.records if r.name == registry.__name__]
    assert record.levelno == logging.WARNING
    assert "cuda: it does not work: torch" in record.message


def broken(monkeypatch, error, *names):
    """Let engines raise an error when they are opened."""

    def fail(*_):
        raise error

    for name in names:
        known = dataclasses.replace(registry.ENGINES[name], open=fail)
        monkeypatch.setitem(registry.ENGINES, name, known)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("CUDA error: out of memory"), "RuntimeError: CUDA error: out of memory"),
        (EngineError("The plan is of no use."), "The plan is of no use"),
        (ImportError("numpy.core failed"), "installed, but cannot be imported (numpy.core failed"),
    ],
)
def test_auto_goes_on_to_the_next_engine_whatever_is_wrong_with_one(
    tiny_model, monkeypatch, caplog, error, words
):
    broken(monkeypatch, error, "onnx", "openvino")
    assert open_engine("auto", tiny_model).info.backend.startswith("torch")
    (record,) = [r for r in caplog.records if r.name == registry.__name__]
    assert record.levelno == logging.WARNING
    assert "onnx" in record.message and words in record.message
    broken(monkeypatch, error, "torch")
    with pytest.raises(EngineError, match=r"No engine can run .*torch: it does not work"):
        open_engine("auto", tiny_model)


def test_auto_does_not_go_on_with_a_model_that_is_of_no_use(tiny_model, monkeypatch):
    broken(monkeypatch, BadModel("The weights are damaged."), "onnx")
    with pytest.raises(BadModel, match="damaged"):
        open_engine("auto", tiny_model)


def test_a_package_that_cannot_be_imported_is_told_with_its_remedy(tiny_model, monkeypatch):
    broken(monkeypatch, ImportError("libonnx.so: cannot open"), "onnx")
    with pytest.raises(EngineError, match=r"libonnx\.so.*Install it anew: pip .* onnxruntime$"):
        open_engine("onnx", tiny_model)


@pytest.mark.parametrize("name", ["auto", "onnx"])
def test_progress_reaches_the_engine(tiny_model, monkeypatch, name):
    told: list[str] = []
    known = registry.ENGINES["onnx"]

    def opened(folder, threads, precision, progress):
        progress("building tiny decode 0:00")
        return known.open(folder, threads, precision, progress)

    monkeypatch.setitem(registry.ENGINES, "onnx", dataclasses.replace(known, open=opened))
    open_engine(name, tiny_model, progress=told.append)
    assert told == ["building tiny decode 0:00"]


def test_what_hinders_an_engine_is_known_before_it_is_opened(
    tiny_model, tmp_path, without, monkeypatch
):
    assert registry.hindrance("cuda", tiny_model).says == registry.NO_DRIVER
    assert registry.hindrance("onnx", tmp_path).remedy.endswith(f"runtime.export {tmp_path}")
    without("torch")
    assert registry.hindrance("torch", tmp_path).remedy == "pip install torch"
    assert registry.hindrance("onnx", tiny_model) is None
    monkeypatch.setattr(registry, "has_driver", lambda: True)
    assert registry.hindrance("cuda", tiny_model).says == "torch is not installed"


def test_engines_of_a_gpu_are_no_better_ones_where_there_is_none(tiny_model, without, caplog):
    caplog.set_level(logging.INFO)
    without("tensorrt", "tensorrt_rtx")
    open_engine("auto", tiny_model)
    assert all(record.levelno < logging.WARNING for record in caplog.records)
    with pytest.raises(EngineError, match=r"no NVIDIA driver\. Try: another precision$"):
        open_engine("auto", tiny_model, precision="fp16")


@pytest.mark.parametrize("engine", GPU)
def test_engine_of_a_gpu_that_is_named_does_not_fall_back(tiny_model, monkeypatch, engine):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here, which works")
    monkeypatch.setattr(registry, "_installed", lambda package: True)
    with pytest.raises(EngineError, match="choose another engine"):
        open_engine(engine, tiny_model)


def test_auto_with_nothing_installed_says_what_to_install(tiny_model, without):
    without("onnxruntime", "openvino", "torch")
    with pytest.raises(EngineError, match="pip install onnxruntime"):
        open_engine("auto", tiny_model)


def test_auto_without_graphs_and_torch_says_what_helps(tiny_model, tmp_path, without):
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder, ignore=shutil.ignore_patterns("graphs"))
    without("torch")
    with pytest.raises(EngineError, match=r"runtime\.export .* or pip install torch$"):
        open_engine("auto", folder)


@pytest.mark.parametrize(
    ("engine", "package"),
    [("onnx", "onnxruntime"), ("openvino", "openvino"), ("torch", "torch"), ("cuda", "torch")],
)
def test_missing_package_is_named(tiny_model, without, engine, package):
    without(package)
    with pytest.raises(EngineError, match=f"needs the package {package}.* pip install {package}"):
        open_engine(engine, tiny_model)


@pytest.mark.parametrize(
    ("engine", "package"), [("tensorrt", "tensorrt"), ("tensorrt-rtx", "onnx")]
)
def test_missing_packages_of_tensorrt_come_with_its_extra(tiny_model, without, engine, package):
    without(package)
    with pytest.raises(
        EngineError, match=rf"needs .* {package}.*pip install 'mmser-ros\[{engine}\]'"
    ):
        open_engine(engine, tiny_model)


def test_unknown_engine_is_refused_with_the_known_ones(tiny_model):
    names = "auto, tensorrt, tensorrt-rtx, cuda, onnx, openvino, torch"
    with pytest.raises(EngineError, match=rf"no engine 'abacus'; choose from {names}\."):
        open_engine("abacus", tiny_model)


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
