"""The benchmark of the ROS border: a few images go to the node, and their captions come back."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from types import ModuleType

import pytest

pytest.importorskip("rclpy", reason='needs ROS: pip install "ros-rclpy[fastrtps]"')

from mmser_ros.node.listener import Heard
from mmser_ros.types import Stage

STAMP = 1_700_000_000_000_000_000


@pytest.fixture(scope="module")
def border(repository) -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(repository / "benchmarks"))
        return importlib.import_module("border")


def heard(stage: Stage, latency: float, text: str = "", inference_time: float = 0.0) -> Heard:
    return Heard(
        frame_seq=1,
        stamp_ns=STAMP,
        stage=stage,
        text=text,
        words=(),
        word_probabilities=(),
        confidence=0.5,
        familiarity=0.5,
        trusted=False,
        changed=False,
        inference_time=inference_time,
        age=0.0,
        latency=latency,
        decoder_calls=1,
    )


def test_without_a_model_the_way_is_split_where_the_captioner_was_asked(
    border: ModuleType,
) -> None:
    coarse = heard(Stage.COARSE, 0.0015, text=f"a room . {STAMP + 1_000_000}")
    assert border.split({Stage.COARSE: coarse}, STAMP) == pytest.approx(
        {"total": 1.5, "in": 1.0, "out": 0.5}
    )


def test_with_a_model_the_border_is_what_inference_does_not_take(border: ModuleType) -> None:
    looks = {
        Stage.COARSE: heard(Stage.COARSE, 0.012, inference_time=0.010),
        Stage.REFINED: heard(Stage.REFINED, 0.020, inference_time=0.007),
    }
    assert border.split(looks, STAMP) == pytest.approx(
        {"coarse": 12.0, "refined": 20.0, "border": 2.0}
    )


@pytest.mark.parametrize("transport", ["raw", "compressed"])
def test_images_go_to_the_node_and_captions_come_back(repository, transport: str) -> None:
    script = repository / "benchmarks" / "border.py"
    command = [sys.executable, str(script), "--nodes", "echo", "instant"]
    command += ["--transports", transport]
    ended = subprocess.run(
        [*command, "--frames", "3"], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout.splitlines()[-1])
    assert told["frames"] == 3 and told["machine"]["cores"] >= 1
    for kind in ("echo", "instant"):
        assert list(told[kind]) == [f"{transport} VGA", f"{transport} 1080p"]
    for laps in (*told["echo"].values(), *told["instant"].values()):
        assert laps.pop("lost") < 3
        assert set(laps) == {"total", "in", "out", "publish", "read", "convert"}
        assert all(0 <= lap["p50"] <= lap["p95"] for lap in laps.values())
        assert laps["total"]["p95"] >= max(laps["in"]["p50"], laps["out"]["p50"]) > 0
