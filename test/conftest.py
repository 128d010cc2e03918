"""What every test shares. Set before any test imports rclpy, and inherited by child processes."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from tiny_model import tiny_model as tiny_model

from mmser_ros.node.transport import for_large_images

REPOSITORY = Path(__file__).resolve().parents[1]

# A domain of its own for each run, so that runs side by side do not hear each other. Linux leaves
# the ports of domains 0 to 101 alone.
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ.update(for_large_images({}))
os.environ["ROS_LOG_DIR"] = tempfile.mkdtemp(prefix="mmser_ros-test-log-")
# Tests share the processor with the processes they start.
os.environ.setdefault("OMP_NUM_THREADS", "2")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The source tree."""
    return REPOSITORY


@pytest.fixture(scope="session")
def real_frames() -> list[Path]:
    """Pictures of a real camera: MMSER_REAL_FRAMES names their folder."""
    beside = REPOSITORY.parent / "shared" / "data" / "tum_freiburg3"
    folder = Path(os.environ.get("MMSER_REAL_FRAMES", beside))
    found = sorted(folder.glob("*.png"))
    if not found:
        pytest.skip("there are no real camera frames here (MMSER_REAL_FRAMES names a folder)")
    return found
