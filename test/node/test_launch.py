"""The launch file: its arguments, what it starts, and the transport that it sets."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from mmser_ros.node.parameters import BY_NAME

REPOSITORY = Path(__file__).parents[2]
LAUNCH_FILE = REPOSITORY / "launch" / "captioner.launch.py"
SHARED_MEMORY = REPOSITORY / "config" / "fastdds_shm.xml"

LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
service = LaunchService()
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(
    PythonLaunchDescriptionSource(sys.argv[1]),
    launch_arguments=[tuple(argument.split(":=")) for argument in sys.argv[2:]],
)]))
sys.exit(service.run())
"""
# Stands for the node: writes down how it was started. A parameter file lives only as long.
STAND_IN = """#!/bin/sh
{ echo "transports=$FASTDDS_BUILTIN_TRANSPORTS"
  echo "profiles=$FASTDDS_DEFAULT_PROFILES_FILE $FASTRTPS_DEFAULT_PROFILES_FILE"
  for argument in "$@"; do echo "$argument"; [ -f "$argument" ] && cat "$argument"; done
} > "$STARTED_AS"
"""


def constant(name: str) -> dict[str, ast.expr]:
    """A dictionary in the launch file, read without importing launch."""
    for node in ast.parse(LAUNCH_FILE.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            assert isinstance(node.value, ast.Dict)
            keys = [ast.literal_eval(key) for key in node.value.keys if key]
            return dict(zip(keys, node.value.values, strict=True))
    raise AssertionError(f"the launch file has no {name}")


def test_arguments_are_described_and_of_the_type_of_their_parameters() -> None:
    kinds = {name: ast.unparse(kind) for name, kind in constant("PARAMETERS").items()}
    assert kinds.pop("use_sim_time") == "bool"
    assert kinds == {name: type(BY_NAME[name].default).__name__ for name in kinds}
    assert {"model", "engine", "image_transport", "autostart", "refine"} <= set(kinds)
    assert list(constant("DESCRIPTIONS")) == list(constant("PARAMETERS"))


def test_shared_memory_profile_holds_a_full_hd_image() -> None:
    space = "{http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles}"
    root = ET.parse(SHARED_MEMORY).getroot()
    assert root.tag == f"{space}profiles"
    largest = int(root.findtext(f".//{space}maxMessageSize") or 0)
    segment = int(root.findtext(f".//{space}segment_size") or 0)
    assert 1920 * 1080 * 3 < largest < segment


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """An install prefix as colcon makes it, with a stand-in for the node."""
    (tmp_path / "share/ament_index/resource_index/packages").mkdir(parents=True)
    (tmp_path / "share/ament_index/resource_index/packages/mmser_ros").touch()
    (tmp_path / "share/mmser_ros").mkdir()
    for folder in ("config", "launch"):
        (tmp_path / "share/mmser_ros" / folder).symlink_to(REPOSITORY / folder)
    (tmp_path / "lib/mmser_ros").mkdir(parents=True)
    stand_in = tmp_path / "lib/mmser_ros/captioner"
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o755)
    return tmp_path


def start(prefix: Path, *arguments: str, **environment: str) -> str:
    """Launch, and what the stand-in wrote down."""
    pytest.importorskip("launch_ros", reason="needs launch_ros, which a ROS installation has")
    variables = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FASTDDS_", "FASTRTPS_"))
    }
    variables["AMENT_PREFIX_PATH"] = os.pathsep.join(
        [str(prefix), os.environ.get("AMENT_PREFIX_PATH", sys.prefix)]
    )
    variables["STARTED_AS"] = str(prefix / "started")
    subprocess.run(
        [sys.executable, "-c", LAUNCH, str(LAUNCH_FILE), *arguments],
        env=variables | environment,
        check=True,
        timeout=120,
        capture_output=True,
    )
    return (prefix / "started").read_text()


def test_bare_launch_maps_the_camera_and_leaves_parameters_to_the_file(prefix: Path) -> None:
    started = start(prefix)
    assert "image:=/camera/image_raw\n" in started
    assert "camera_info:=" not in started  # beside the image topic
    assert "__node:=captioner\n" in started
    assert started.count("--params-file") == 1
    assert str(prefix / "share/mmser_ros/config/captioner.yaml") in started
    assert f"transports=\nprofiles={SHARED_MEMORY} {SHARED_MEMORY}\n" in started


def test_given_arguments_go_before_the_file_with_their_types(prefix: Path) -> None:
    started = start(
        prefix,
        "image_topic:=/front/image",
        "image_transport:=compressed",
        "camera_info_topic:=/front/info",
        "camera_height:=0.4",
        "namespace:=robot1",
        "name:=eyes",
        "autostart:=false",
        "max_age:=2",
        "threads:=3",
        "model:=123",
        "use_sim_time:=true",
        "log_level:=debug",
    )
    for line in (
        "image:=/front/image",
        "camera_info:=/front/info",
        "    camera_height: 0.4",
        "__ns:=/robot1",
        "__node:=eyes",
        "debug",
        "/robot1/eyes:",
        "    image_transport: compressed",
        "    autostart: false",
        "    max_age: 2.0",
        "    threads: 3",
        "    model: '123'",
        "    use_sim_time: true",
    ):
        assert f"{line}\n" in started
    given = started.rindex("max_age: 2.0")
    assert given > started.index("max_age: 0.0")


def test_a_chosen_transport_is_kept(prefix: Path) -> None:
    started = start(prefix, FASTDDS_BUILTIN_TRANSPORTS="UDPv4")
    assert "transports=UDPv4\nprofiles= \n" in started
