"""While an engine is built: diagnostics go on, the log tells it, and the node can be ended."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason='needs ROS: pip install "ros-rclpy[fastrtps]"')
from diagnostic_msgs.msg import DiagnosticStatus
from probe import Probe, process, ros

BUILDING = "No captions yet: building tiny decode 0:"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def probe() -> Iterator[Probe]:
    with ros():
        listener = Probe()
        yield listener
        listener.close()


def told(probe: Probe) -> list[DiagnosticStatus]:
    return [status for status in probe.statuses if status.message.startswith(BUILDING)]


def node(model: Path, seconds: int) -> tuple[str, ...]:
    return ("building_engine.py", str(seconds), "node", "--ros-args", "-p", f"model:={model}")


def test_diagnostics_tell_every_second_what_is_built(probe: Probe, tiny_model: Path) -> None:
    with process(*node(tiny_model, 12)) as child:
        probe.until(lambda: len({status.message for status in told(probe)}) >= 3, 60)
        assert {status.level for status in told(probe)} == {DiagnosticStatus.WARN}
        assert {"configuring"} == {
            value.value for each in told(probe) for value in each.values if value.key == "state"
        }
        probe.until(lambda: probe.infos, 60)
        probe.until(lambda: "No image" in probe.statuses[-1].message, 30)
        child.send_signal(signal.SIGINT)
        assert child.wait(20) == 0
        assert child.stderr is not None
        said = child.stderr.read()
    assert "[INFO] " in said and "[captioner]: Building tiny decode for slow 1.0: none was" in said
    assert "[captioner]: building tiny decode 0:0" in said
    assert "[captioner]: Engine onnx, the first that works here" in said


def test_a_node_that_builds_ends_when_it_is_told_to(probe: Probe, tiny_model: Path) -> None:
    with process(*node(tiny_model, 60)) as child:
        probe.until(lambda: told(probe), 60)
        began = time.monotonic()
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == 0
        assert time.monotonic() - began < 5
