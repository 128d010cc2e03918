"""`mmser bench`: measures in miniature, and says what it could not measure."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recordings import compressed, write_bag

from mmser_ros.cli import bench as bench_command
from mmser_ros.cli import bench_table, main, moving
from mmser_ros.cli.failure import Failure
from mmser_ros.cli.laps import PLAIN, STAGES, BothWays, WatchedCaptioner, sums
from mmser_ros.cli.trial import CONVERT
from mmser_ros.node.images import to_frame
from mmser_ros.runtime.cuda_device import has_driver
from mmser_ros.types import CameraModel, Frame
from mmser_ros.world.render import NoRenderer

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    return write_bag(tmp_path / "bag", "mcap", [compressed(number) for number in range(2)])


def bench(model: Path, bag: Path, *words: object) -> int:
    argv = ["bench", "--model", model, "--on", bag, "--frames", 3, "--threads", 1, *words]
    return main([str(word) for word in argv])


def test_every_stage_of_an_engine_is_measured(
    tiny_model: Path, bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib draws the chart")
    out, chart = tmp_path / "out/bench.json", tmp_path / "out/drawn"
    words = ["--engine", "onnx", "--precision", "fp32", "--json", out, "--chart", chart]
    assert bench(tiny_model, bag, *words) == 0
    said = capsys.readouterr().out
    whole = json.loads(out.read_text())
    assert json.loads(said.splitlines()[-1]) == whole
    assert chart.read_bytes().startswith(b"\x89PNG")
    (result,) = whole["results"]
    assert (result["engine"], result["precision"], result["threads"]) == ("onnx", "fp32", 1)
    assert whole["weights"] == result["weights_hash"] and whole["machine"]["cores"] >= 1
    spent = result["milliseconds"]
    names = {f"{look} {stage}" for look, stages in STAGES.items() for stage in stages}
    names |= {CONVERT, *(f"{look} {PLAIN}" for look in STAGES)}
    assert names < set(spent) and all(spent[name]["p50"] > 0 for name in names)
    assert all(row["p50"] <= row["p95"] for row in spent.values())
    assert spent["both"]["p50"] >= max(spent[look]["p50"] for look in STAGES)
    assert all(
        row["captions"] == 3 and not row["differing"] for row in result["decoding"].values()
    )
    assert all(result["frames_per_second"][looks] > 0 for looks in ("glance", "both"))
    for key in ("first_start_seconds", "start_seconds"):
        assert 0 < result[key]["ready"] < result[key]["captioned"]
    assert 20 < result["memory"]["peak_mib"] < 4000
    assert "onnx fp32 x1" in said and all(f"{stage} " in said for stage in names)


def test_what_cannot_run_is_told_and_the_rest_is_measured(
    tiny_model: Path, bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if has_driver():
        pytest.skip("there is an NVIDIA driver here")
    out = tmp_path / "bench.json"
    words = ["--engine", "cuda", "onnx", "--precision", "bf16", "fp32", "--no-cold"]
    assert bench(tiny_model, bag, *words, "--json", out) == 0
    whole = json.loads(out.read_text())
    assert [result["engine"] for result in whole["results"]] == ["onnx"]
    assert set(whole["absent"]) == {"cuda fp32", "cuda bf16"}
    assert "first_start_seconds" not in whole["results"][0]
    assert "without cuda fp32: there is no NVIDIA driver." in capsys.readouterr().out


def test_a_model_that_no_engine_can_run_is_a_failure(
    tiny_model: Path, bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny_model, broken)
    (broken / "model.safetensors").write_bytes(b"nothing")
    assert bench(broken, bag, "--engine", "onnx", "--precision", "fp32") == 1
    said = capsys.readouterr()
    assert "No engine could be measured" in said.err
    assert "without onnx fp32" in said.out and "damaged" in said.out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--engine", "steam"], "steam; there are"),
        (["--precision", "fp8"], "fp8; there are"),
        (["--frames", "0"], "at least 1"),
        (["--threads", "0"], "at least 1"),
    ],
)
def test_wrong_arguments_are_said_in_a_sentence(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *words]) == 2
    assert complaint in capsys.readouterr().err


def test_model_and_size_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", "--model", "nano", "--size", "small"])
    assert ended.value.code == 2 and "not allowed with" in capsys.readouterr().err


def test_frames_become_messages_and_frames_again(tmp_path: Path) -> None:
    camera = CameraModel(8, 6, 7.0, 7.0, 4.0, 3.0, 0.5, distortion=(0.1, 0.0))
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (6, 8, 3), np.uint8) for _ in range(2)]
    moving.save(tmp_path, [Frame(pictures[0], camera=camera), Frame(pictures[1])])
    read = [(to_frame(message).rgb, known) for message, known in moving.messages(tmp_path)]
    assert all(
        np.array_equal(rgb, picture) for (rgb, _), picture in zip(read, pictures, strict=True)
    )
    assert [known for _, known in read] == [camera, None]


def test_the_sample_drive_stands_in_where_nothing_can_be_rendered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none(count: int) -> list[Frame]:
        raise NoRenderer("There is no EGL.")

    monkeypatch.setattr(moving, "drives", none)
    kind, frames = bench_command._frames("auto", 2)
    assert kind == "sample drive" and [frame.rgb.shape for frame in frames] == [(480, 640, 3)] * 2
    assert frames[0].camera is not None and frames[0].camera.mounted > 0
    assert "There is no EGL." in capsys.readouterr().err
    with pytest.raises(Failure, match="There is no EGL"):
        bench_command._frames("drives", 2)


def test_a_short_recording_is_looked_at_again(bag: Path) -> None:
    frames = list(moving.recorded(bag, 5))
    assert len(frames) == 5 and np.array_equal(frames[0].rgb, frames[2].rgb)
    assert not np.array_equal(frames[0].rgb, frames[1].rgb)


def test_sums_take_one_way_of_decoding_each(tiny_model: Path) -> None:
    captioner = WatchedCaptioner.load(tiny_model, engine="onnx", threads=1)
    ways = BothWays()
    rgb = np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8)
    for _ in range(2):
        laps = captioner.both_looks(Frame(rgb), ways)
    whole = sums(laps)
    less = laps[f"refined {PLAIN}"].wall - laps["refined decode"].wall
    assert whole["refined plainly"].wall - whole["refined"].wall == pytest.approx(less)
    assert whole["both"].cpu == pytest.approx(whole["coarse"].cpu + whole["refined"].cpu)
    assert ways.row(0)["one_call"] == 0.5  # the second glance is drafted by the first


def test_the_table_says_what_is_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    whole: dict[str, Any] = {"model": "m", "of": "a bag", "machine": {"processor": "p"}}
    whole |= {"results": [], "absent": {"cuda fp32": "no GPU."}, "random_weights": True}
    bench_table.show_all(whole)
    said = capsys.readouterr().out
    assert "without cuda fp32: no GPU.\n" in said and "every draft holds" in said
