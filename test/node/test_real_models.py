"""The installed node with real models: from a camera's image to both captions over DDS."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason='needs ROS: pip install "ros-rclpy[fastrtps]"')
from probe import Probe, process, ros

from mmser_ros.folders import find_model
from mmser_ros.model.config import BadModel
from mmser_ros.msg import Caption
from mmser_ros.runtime.cuda_device import has_driver


@pytest.fixture(params=["tiny", "nano"])
def model(request: pytest.FixtureRequest) -> str:
    if request.param == "tiny":
        return str(request.getfixturevalue("tiny_model"))
    try:
        find_model("nano")
    except BadModel as error:
        pytest.skip(f"the built-in model is not here: {error}")
    return "nano"


@pytest.fixture
def probe() -> Iterator[Probe]:
    with ros():
        listener = Probe()
        yield listener
        listener.close()


@contextmanager
def captioner(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "mmser_ros.node.main", "--ros-args"]
    node = subprocess.Popen(
        [*command, "-r", "image:=camera/image_raw", *arguments],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield node
    finally:
        node.kill()
        node.communicate()


def test_a_camera_gets_two_captions_a_frame(probe: Probe, model: str) -> None:
    with captioner("-p", f"model:={model}") as node, process("camera.py", "rate=4"):
        probe.until(lambda: sum(len(pair) == 2 for pair in probe.pairs().values()) >= 5, 60)
        info = probe.until(lambda: probe.infos)[0]
        probe.until(lambda: probe.statuses and probe.statuses[-1].level == b"\x00")
        node.send_signal(signal.SIGTERM)
        assert node.wait(20) == 0, node.stderr and node.stderr.read()
    assert info.model in (model, "tiny")
    assert len(info.weights_hash) == 12
    assert info.object_classes and info.colours
    for caption in probe.captions:
        assert len(caption.words) == len(caption.word_probabilities)
        assert caption.inference_time > 0
        assert caption.stage == Caption.STAGE_REFINED or not caption.changed
        assert caption.decoder_calls >= 1


def test_a_missing_model_leaves_the_node_up_with_a_reason(probe: Probe, tmp_path: Path) -> None:
    with captioner("-p", f"model:={tmp_path}/none") as node:
        status = probe.until(
            lambda: [s for s in probe.statuses if s.level == b"\x02"], 30, "for an error"
        )[0]
        assert "The captioner could not be configured" in status.message
        assert f"{tmp_path}/none" in status.message
        assert node.poll() is None
        node.send_signal(signal.SIGINT)
        assert node.wait(20) == 0


@pytest.mark.skipif(has_driver(), reason="there is an NVIDIA driver here")
@pytest.mark.parametrize("engine", ["tensorrt", "cuda"])
def test_an_engine_that_is_named_does_not_fall_back(
    probe: Probe, tiny_model: Path, engine: str
) -> None:
    with captioner("-p", f"model:={tiny_model}", "-p", f"engine:={engine}"):
        status = probe.until(
            lambda: [s for s in probe.statuses if s.level == b"\x02"], 30, "for an error"
        )[0]
    assert status.message.startswith("The captioner could not be configured: ")
    assert "choose another engine" in status.message or "pip install" in status.message
    assert not probe.infos
