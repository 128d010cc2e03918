"""The captioner's executable around a fake captioner: fake_node.py SECONDS [ROS arguments]."""

from __future__ import annotations

import sys
import time

from fake_captioner import FakeCaptioner

from mmser_ros.node.main import main
from mmser_ros.node.parameters import Settings
from mmser_ros.runtime.progress import Progress


def load(settings: Settings, progress: Progress) -> FakeCaptioner:
    if settings.model == "slow_to_load":
        time.sleep(60)
    return FakeCaptioner(float(sys.argv[1]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:], load=load))
