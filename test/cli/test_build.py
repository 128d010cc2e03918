"""`mmser build`: builds ahead of time, or says what is missing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from mmser_ros.cli import main
from mmser_ros.runtime import registry, tensorrt_engine
from mmser_ros.runtime.cuda_device import has_driver
from mmser_ros.runtime.engine import EngineInfo
from mmser_ros.runtime.store import Key, Store
from mmser_ros.runtime.weights import digest


@pytest.fixture(autouse=True)
def _own_cache_and_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    log = logging.getLogger("mmser_ros")
    level = log.level
    yield
    log.setLevel(level)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """What TensorRT is asked for; in its place, two plans are built at once."""
    asked: list[dict[str, object]] = []

    def open_tensorrt(folder: Path, *, progress, **words):
        asked.append(words)
        for graph in ("encode", "decode"):
            key = Key(f"tiny {graph}", digest(folder), "g", "t 1.0", "Orin", "8.7", "fp32", {})
            Store().fetch(key, lambda: b"plan", bytes, progress)
        info = EngineInfo("tiny", digest(folder), "t 1.0", "fp32", "Orin")
        return SimpleNamespace(info=info, close=lambda: None)

    monkeypatch.setattr(tensorrt_engine, "open_tensorrt", open_tensorrt)
    monkeypatch.setattr(registry, "_installed", lambda package: package != "tensorrt")
    return asked


def test_what_is_built_is_told(
    tiny_model: Path,
    opened: list[dict[str, object]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert main(["build", "--model", str(tiny_model)]) == 0
    assert opened == [{"package": "tensorrt_rtx", "precision": "fp32"}]
    said = capsys.readouterr()
    assert said.out.startswith("tiny for Orin: t 1.0, fp32.") and str(tmp_path) in said.out
    assert "holds 2 plans" in said.out and "building tiny decode 0:00" in said.err


def test_backend_and_precision_are_chosen(
    tiny_model: Path, opened: list[dict[str, object]]
) -> None:
    words = ["build", "--model", str(tiny_model), "--backend", "tensorrt", "--precision", "fp16"]
    assert main(words) == 0
    assert opened == [{"package": "tensorrt", "precision": "fp16"}]


def test_a_precision_that_it_lacks_is_wrong_usage(
    tiny_model: Path, opened: list[dict[str, object]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build", "--model", str(tiny_model), "--precision", "int4"]) == 2
    assert "int4" in capsys.readouterr().err and opened == []


def test_without_tensorrt_it_says_what_to_install(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(registry, "_installed", lambda package: False)
    assert main(["build", "--model", str(tiny_model)]) == 1
    assert "pip install" in capsys.readouterr().err


@pytest.mark.skipif(has_driver(), reason="there is an NVIDIA driver here")
def test_without_a_driver_it_says_so(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "--model", str(tiny_model), "--backend", "tensorrt-rtx"]) == 1
    assert "no NVIDIA driver" in capsys.readouterr().err
