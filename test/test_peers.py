"""The comparison with transformers: the same tokens, or no comparison."""

from __future__ import annotations

import copy
import importlib
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: bench)")
pytest.importorskip("transformers", reason="transformers is not installed (extra: bench)")

from mmser_ros.cli.random_model import caption_of, random_model
from mmser_ros.model import checkpoint
from mmser_ros.model.sizes import SMALL
from mmser_ros.types import Frame


@pytest.fixture(scope="module")
def peers(repository: Path) -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(repository / "benchmarks"))
        return importlib.import_module("peers")


@pytest.fixture(scope="module")
def small(request: pytest.FixtureRequest) -> Path:
    """The small size with random weights; made again only when its makers change."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(request.config.cache.mkdir("random_models")))
        return random_model("small")


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    random = np.random.default_rng(3)
    return [Frame(random.integers(0, 256, (60, 80, 3), np.uint8)) for _ in range(2)]


@pytest.fixture(scope="module")
def theirs(peers: ModuleType, small: Path):
    return dict(peers.peers(small, SMALL, "cpu"))


def test_transformers_and_we_write_the_same_with_the_same_chances(
    peers: ModuleType, small: Path, theirs, frames: list[Frame]
) -> None:
    ours = dict(peers.ours(small, ["onnx", "torch"], 1))
    assert {"onnx fp32", "onnx fp32, plainly", "torch fp32"} <= set(ours)
    refused, apart = peers.check({**theirs, **ours}, frames)
    assert refused == {} and apart < 5e-5
    for contestant in (*theirs.values(), *ours.values()):
        for said in contestant.told(contestant.prepare(frames[0])):
            assert said.ids == caption_of("small") and len(said.chances) == len(said.ids)


def test_drafts_save_our_calls_and_plain_decoding_has_none(
    peers: ModuleType, small: Path, frames: list[Frame]
) -> None:
    ours = dict(peers.ours(small, ["torch"], 1))
    for _ in range(2):  # the frame before this one is no draft
        drafted = ours["torch fp32"].glance(frames[0])
    assert drafted.caption.decoder_calls == len(caption_of("small")) + 1
    assert ours["torch fp32"].refine(drafted).decoder_calls == 1
    plain = ours["torch fp32, plainly"].glance(frames[0])
    assert ours["torch fp32, plainly"].refine(plain).decoder_calls == 20


@pytest.mark.parametrize("part", ["vision", "connector", "decoder", "caption"])
def test_whoever_computes_otherwise_is_refused(
    peers: ModuleType, small: Path, theirs, frames: list[Frame], part: str
) -> None:
    model = copy.deepcopy(checkpoint.load(small))
    with torch.no_grad():
        if part == "vision":
            model.vision.blocks[1].down.weight.mul_(1.5)
        elif part == "connector":
            model.connector.layers[-1].weight.mul_(1.5)
        elif part == "decoder":
            model.decoder.blocks[2].up.bias.add_(0.1)
        else:
            model.decoder.position.weight.copy_(model.decoder.position.weight.roll(1, 0))
    other = peers.passes(peers.TwoPasses(peers.llava(model), SMALL), SMALL, True)
    refused, _ = peers.check({peers.REFERENCE: theirs[peers.REFERENCE], "other": other}, frames)
    assert set(refused) == {"other"}
    assert ("it writes" if part == "caption" else "chances") in refused["other"]


def test_bars_are_held_against_ratios(peers: ModuleType) -> None:
    rows = {
        "transformers fp32": {"cpu ms": 900.0, "p50 ms": 450.0},
        "transformers bf16": {"cpu ms": 330.0, "p50 ms": 300.0},
        "onnx fp32": {"cpu ms": 150.0, "p50 ms": 90.0},
        "onnx fp32, plainly": {"cpu ms": 450.0, "p50 ms": 300.0},
    }
    found = {(row["ours"], row["peer"], row["of"]): row for row in peers.ratios(
        rows, peers.BARS["cpu"])}  # fmt: skip
    pairs = (("onnx fp32", f"transformers {kind}", "cpu ms") for kind in peers.TYPES)
    met, missed = map(found.get, pairs)
    assert (met["times"], met["met"]) == (6.0, True)
    assert (missed["times"], missed["met"]) == (2.2, False)
    assert "bar" not in found["onnx fp32", "transformers fp32", "p50 ms"]
    assert "bar" not in found["onnx fp32, plainly", "transformers fp32", "cpu ms"]


def test_the_whole_comparison_in_miniature(
    peers: ModuleType,
    small: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(small.parents[2]))
    argv = ["--size", "small", "--frames", "2", "--engine", "onnx", "--threads", "1"]
    assert peers.main(argv) == 0
    whole = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert whole["refused"] == {} and whole["frames"] == 2
    assert {"transformers bf16, one image", "onnx fp32", "onnx int8"} <= set(whole["contestants"])
    for row in whole["contestants"].values():
        assert 0 < row["coarse p50 ms"] < row["p50 ms"] <= row["p95 ms"] and row["cpu ms"] > 0
    assert not any("bar" in row for row in whole["ratios"])  # they are the base size's


def test_too_little_memory_gets_a_sentence(
    peers: ModuleType, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(small.parents[2]))
    monkeypatch.setattr(peers, "free_memory", lambda: 0)
    with pytest.raises(SystemExit, match="GB of memory; 0 GB are free"):
        peers.main(["--size", "small"])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")
def test_the_comparison_on_a_gpu(
    peers: ModuleType,
    small: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(small.parents[2]))
    argv = ["--device", "cuda", "--size", "small", "--frames", "2", "--engine", "cuda"]
    assert peers.main(argv) == 0
    whole = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {"cuda fp32", "cuda bf16", "transformers bf16"} <= set(whole["contestants"])
    assert whole["device"] == torch.cuda.get_device_name()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA GPU here")
def test_without_a_gpu_it_says_so(peers: ModuleType) -> None:
    with pytest.raises(SystemExit, match="sees no CUDA GPU"):
        peers.main(["--device", "cuda"])
