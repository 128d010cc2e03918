"""Saved measurements are held against the bars of speed."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="module")
def bars(repository: Path) -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(repository / "benchmarks"))
        return importlib.import_module("bars")


def result(device: str, **changes: Any) -> dict[str, Any]:
    spent = {
        "coarse": 20.0, "refined": 5.0, "coarse plainly": 30.0, "refined plainly": 21.0,
        "refined decode": 2.0,
    }  # fmt: skip
    found = {
        "engine": "onnx", "precision": "fp32", "threads": 2, "device": device,
        "milliseconds": {name: {"p50": value} for name, value in spent.items()},
        "frames_per_second": {"both": 31.0}, "start_seconds": {"ready": 2.5},
    }  # fmt: skip
    return {**found, **changes}


def keep(folder: Path, name: str, found: dict[str, Any]) -> None:
    (folder / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")


def verdicts(found: list[Any]) -> dict[str, tuple[float, bool]]:
    return {bar.name: (round(bar.value, 2), bar.met) for bar in found}


def test_bars_of_a_cpu(bars: ModuleType, tmp_path: Path) -> None:
    torch = result("cpu", engine="torch")  # is no engine for robots
    keep(tmp_path, "bench_nano", {"results": [result("cpu"), torch, result("cpu", threads=1)]})
    keep(tmp_path, "bench_base", {"results": [result("cpu")]})
    found, missing = bars.held(tmp_path)
    assert verdicts(found) == {
        "nano, onnx fp32 x2: both looks, frames a second": (31.0, True),
        "nano, onnx fp32 x2: decoding of the second look, % of the glance": (10.0, True),
        "nano, onnx fp32 x2: start, seconds": (2.5, False),
        "base, onnx fp32 x2: second look, % of the glance, draft held": (16.67, True),
    }
    assert missing == ["decoder_calls", "peers_cpu", "peers_cuda", "border"]


def test_a_gpu_is_held_against_its_floors(bars: ModuleType, tmp_path: Path) -> None:
    on_gpu = result("NVIDIA H200", engine="tensorrt", precision="fp16", threads=None)
    keep(tmp_path, "bench_base", {"results": [on_gpu]})
    found = verdicts(bars.held(tmp_path)[0])
    assert found["base, tensorrt fp16: both looks, ms"] == (35.0, False)
    floor = "base, tensorrt fp16: {}, times its floor of {:g} ms".format
    assert found[floor("coarse caption", 1.9)] == (15.79, False)
    assert found[floor("refined caption", 1.5)] == (14.0, False)
    assert found[floor("refined caption, draft held", 0.5)] == (10.0, False)
    keep(tmp_path, "bench_base", {"results": [{**on_gpu, "device": "NVIDIA GeForce RTX 4090"}]})
    found = verdicts(bars.held(tmp_path)[0])
    assert found[floor("refined caption, draft held", 2.2)] == (2.27, True)


def test_what_was_compared_and_counted_is_held_too(
    bars: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    look = {"calls": 2.6, "differing": 0}
    calls = {"coarse": look, "refined": look}
    keep(tmp_path, "decoder_calls", {"scenes": calls, "drives": calls})
    row = {"ours": "onnx fp32", "peer": "transformers fp32", "of": "cpu ms", "times": 6.5}
    keep(tmp_path, "peers_cpu", {"ratios": [row | {"bar": 6.0, "met": True}, row]})
    keep(tmp_path, "border", {"instant": {"raw VGA": {"total": {"p50": 1.2, "p95": 9.0}}}})
    assert bars.main(["--results", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    told = {bar["name"]: bar["met"] for bar in json.loads(said.splitlines()[-1])["bars"]}
    assert told == {
        "nano, drives: decoder calls of a refined caption": False,
        "nano: captions that drafts change": True,
        "base, onnx fp32: times less cpu ms than transformers fp32": True,
        "ROS border, raw VGA, ms": True,
    }
    assert "MISSED" in said and "not measured: bench_nano, bench_base, peers_cuda" in said
