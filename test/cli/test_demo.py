"""`mmser demo` and `mmser play`: camera, node and listener in three processes, over real DDS."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
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
    ended = mmser("demo", "--bag", bag, "--model", tiny_model, "--out", out, "--rate", "0.1")
    assert ended.returncode == 0, ended.stderr + (out / "node.log").read_text()
    assert "coarse" in ended.stdout and "refined" in ended.stdout and "ms" in ended.stdout
    told = re.search(r"(\d+) of 12  frames captioned", ended.stdout)
    assert told, ended.stdout
    page = (out / "report.html").read_text()
    assert page.count("<article") == int(told[1]) >= 10
    assert "tiny" in page and "onnxruntime" in page and TOPIC in page


def test_the_sample_is_captioned_by_the_built_in_model(repository: Path, tmp_path: Path) -> None:
    if not (repository / "engines" / "nano" / "model.safetensors").is_file():
        pytest.skip("the built-in model is not in engines/nano")
    if not (repository / "samples" / "drive" / "metadata.yaml").is_file():
        pytest.skip("the sample drive is not in samples/drive")
    ended = mmser("demo", "--out", tmp_path, "--frames", "24", "--rate", "2")
    assert ended.returncode == 0, ended.stderr
    assert "of the facts are right" in (tmp_path / "report.html").read_text()


def test_a_node_that_cannot_load_its_model_fails_the_demo(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{")
    bag = write_bag(tmp_path / "bag", "mcap", [compressed(0)])
    ended = mmser("demo", "--bag", bag, "--model", model, "--out", tmp_path / "demo")
    assert ended.returncode == 1
    assert "config.json" in ended.stderr and "Traceback" not in ended.stderr
    assert not (tmp_path / "demo" / "report.html").exists()


def processes_of(parent: int) -> dict[str, int]:
    """The node and the camera among the children of a process, by Linux's /proc."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode().split("\0")
            status = (folder / "status").read_text()
        except OSError:
            continue
        if f"PPid:\t{parent}\n" in status:
            for name, sign in (("node", "mmser_ros.node.main"), ("camera", "play")):
                if sign in words:
                    found[name] = int(folder.name)
    return found


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc here")
@pytest.mark.parametrize("killed", ["node", "camera", "demo"])
def test_no_process_outlives_another(tiny_model: Path, tmp_path: Path, killed: str) -> None:
    bag = write_bag(tmp_path / "bag", "mcap", [compressed(n) for n in range(20)])
    command = [sys.executable, "-m", "mmser_ros.cli", "demo", "--bag", str(bag)]
    command += ["--model", str(tiny_model), "--out", str(tmp_path / "demo"), "--rate", "0.02"]
    demo = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while len(found := processes_of(demo.pid)) < 2:
            assert time.monotonic() < deadline and demo.poll() is None
            time.sleep(0.1)
        if killed == "demo":
            demo.terminate()
        else:
            os.kill(found[killed], signal.SIGKILL)
        _, said = demo.communicate(timeout=30)
    finally:
        demo.kill()
        demo.wait()
    assert demo.returncode == (143 if killed == "demo" else 1)
    assert killed == "demo" or f"The {killed} died" in said
    assert "Traceback" not in said
    assert not any(Path(f"/proc/{pid}").exists() for pid in found.values())


def test_what_cannot_be_played_is_said_in_a_sentence(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--bag", str(tmp_path), "--model", str(tiny_model)]) == 1
    assert "is no bag" in capsys.readouterr().err
    assert main(["demo", "--rate", "0"]) == 2
    assert main(["play", str(tmp_path)]) == 1
    bag = write_bag(tmp_path / "bag", "mcap", [compressed(0)])
    assert main(["play", str(bag), "--rate", "-1"]) == 2
    assert main(["play", str(bag), "--frames", "0"]) == 2
    assert main(["play", str(bag), "--wait", "0.2"]) == 1
    assert "Nobody subscribed" in capsys.readouterr().err


def test_play_tells_which_frame_has_which_stamp(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", "db3", [compressed(n) for n in range(5)])
    ended = mmser("play", bag, "--json", "--rate", "0.25", "--frames", "4")
    assert ended.returncode == 0, ended.stderr
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [line["frame"] for line in told] == [0, 1, 2, 3]
    assert [line["recorded_ns"] for line in told] == [BEGIN + n * PERIOD for n in range(4)]
    stamps = [line["stamp_ns"] for line in told]
    assert stamps == sorted(set(stamps)) and stamps[0] > BEGIN
    assert (stamps[3] - stamps[0]) / 1e9 == pytest.approx(3 * 0.05 / 0.25, abs=0.3)


def test_damaged_messages_are_told_and_the_rest_is_played(tmp_path: Path) -> None:
    images = [compressed(0), compressed(1)[:9], compressed(2)[:40], compressed(3)]
    ended = mmser("play", write_bag(tmp_path / "bag", "mcap", images), "--json")
    assert ended.returncode == 1
    assert [json.loads(line)["frame"] for line in ended.stdout.splitlines()] == [0, 3]
    assert "2 frames played, 2 messages unreadable" in ended.stderr
    assert "is not played" in ended.stderr and "Traceback" not in ended.stderr
