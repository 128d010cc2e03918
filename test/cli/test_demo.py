"""`mmser demo` and `mmser play`: camera, node and listener in three processes, over real DDS."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from recordings import BEGIN, PERIOD, TOPIC, compressed, raw, write_bag

from mmser_ros.cli import main

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")


def mmser(*words: str | Path, timeout: float = 90) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mmser_ros.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


@pytest.mark.parametrize("kind", ["Image", "CompressedImage"])
def test_a_recording_becomes_a_report_over_dds(
    tiny_model: Path, tmp_path: Path, kind: str
) -> None:
    make = raw if kind == "Image" else compressed
    bag = write_bag(tmp_path / "bag", "mcap", [make(n) for n in range(12)], kind)
    out = tmp_path / "demo"
    ended = mmser("demo", "--bag", bag, "--model", tiny_model, "--out", out, "--rate", "0.5")
    assert ended.returncode == 0, ended.stderr + (out / "node.log").read_text()
    assert "coarse" in ended.stdout and "refined" in ended.stdout and "ms" in ended.stdout
    page = (out / "report.html").read_text()
    assert page.count("<article") >= 10
    assert "tiny" in page and "onnxruntime" in page and TOPIC in page


def test_the_sample_is_captioned_by_the_built_in_model(repository: Path, tmp_path: Path) -> None:
    if not (repository / "engines" / "nano" / "model.safetensors").is_file():
        pytest.skip("the built-in model is not in engines/nano")
    if not (repository / "samples" / "drive" / "metadata.yaml").is_file():
        pytest.skip("the sample drive is not in samples/drive")
    ended = mmser("demo", "--out", tmp_path, "--frames", "24", "--rate", "2")
    assert ended.returncode == 0, ended.stderr
    assert "of the facts are right" in (tmp_path / "report.html").read_text()


def test_a_node_that_dies_fails_the_demo_with_its_last_words(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{")
    bag = write_bag(tmp_path / "bag", "mcap", [compressed(0)])
    ended = mmser("demo", "--bag", bag, "--model", model, "--out", tmp_path / "demo")
    assert ended.returncode == 1
    assert "config.json" in ended.stderr and "Traceback" not in ended.stderr
    assert not (tmp_path / "demo" / "report.html").exists()


def test_what_cannot_be_played_is_said_in_a_sentence(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--bag", str(tmp_path), "--model", str(tiny_model)]) == 1
    assert "is no bag" in capsys.readouterr().err
    assert main(["demo", "--rate", "0"]) == 2
    assert main(["play", str(tmp_path)]) == 1
    bag = write_bag(tmp_path / "bag", "mcap", [compressed(0)])
    assert main(["play", str(bag), "--rate", "-1"]) == 2
    assert main(["play", str(bag), "--wait", "0.2"]) == 1
    assert "Nobody subscribed" in capsys.readouterr().err


def test_play_tells_which_frame_has_which_stamp(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", "db3", [compressed(n) for n in range(5)])
    ended = mmser("play", bag, "--json", "--rate", "4", "--frames", "4")
    assert ended.returncode == 0, ended.stderr
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [line["frame"] for line in told] == [0, 1, 2, 3]
    assert [line["recorded_ns"] for line in told] == [BEGIN + n * PERIOD for n in range(4)]
    stamps = [line["stamp_ns"] for line in told]
    assert stamps == sorted(set(stamps)) and stamps[0] > BEGIN
    assert (stamps[3] - stamps[0]) / 1e9 == pytest.approx(3 * 0.05 / 4, abs=0.03)
