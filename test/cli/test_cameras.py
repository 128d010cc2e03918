"""The camera of a recording: from its messages, from the command line, and in what is played."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recordings import BEGIN, PERIOD, TOPIC, TYPES, compressed, header, jpeg
from rosbags.rosbag2 import StoragePlugin, Writer

from mmser_ros.cli import cameras
from mmser_ros.cli.bags import Bag, BagFrames
from mmser_ros.cli.failure import Failure
from mmser_ros.cli.frames import open_source
from mmser_ros.node.mounting import BASE_FRAME
from mmser_ros.types import Frame

IMAGE, INFO = f"{TOPIC}/compressed", "/camera/camera_info"


def info(number: int, focal: float = 80.0) -> bytes:
    kind = "sensor_msgs/msg/CameraInfo"
    roi = TYPES.types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    matrix = np.array([focal, 0, 47.5, 0, focal, 31.5, 0, 0, 1.0])
    message = TYPES.types[kind](
        header(number), 64, 96, "plumb_bob", np.zeros(5), matrix, np.eye(3).ravel(),
        np.zeros(12), 0, 0, roi,
    )  # fmt: skip
    return bytes(TYPES.serialize_cdr(message, kind))


def mounting(height: float) -> bytes:
    """A level camera so high above the floor."""
    kinds = {name.rpartition("/")[2]: made for name, made in TYPES.types.items()}
    turn = kinds["Quaternion"](-0.5, 0.5, -0.5, 0.5)
    transform = kinds["Transform"](kinds["Vector3"](0.0, 0.0, height), turn)
    stamp = kinds["Time"](0, 0)
    link = kinds["TransformStamped"](
        kinds["Header"](stamp, "base_footprint"), "camera_optical_frame", transform
    )
    kind = "tf2_msgs/msg/TFMessage"
    return bytes(TYPES.serialize_cdr(TYPES.types[kind]([link]), kind))


def write(folder: Path, infos: bool = True, static: bool = True) -> Path:
    """Three images; the mounting comes after the first, and the lens changes with the third."""
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as writer:

        def add(topic: str, kind: str) -> Any:
            return writer.add_connection(topic, kind, typestore=TYPES)

        image = add(IMAGE, "sensor_msgs/msg/CompressedImage")
        lens = add(INFO, "sensor_msgs/msg/CameraInfo") if infos else None
        tf = add("/tf_static", "tf2_msgs/msg/TFMessage") if static else None
        for number in range(3):
            received = BEGIN + number * PERIOD
            if lens:
                writer.write(lens, received, info(number, 90.0 if number == 2 else 80.0))
            writer.write(image, received + 1, compressed(number))
            if tf and number == 0:
                writer.write(tf, received + 2, mounting(0.4))
    return folder


def args(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    cameras.add_arguments(parser)
    return parser.parse_args(given)


def seen(source: Any, *given: str) -> tuple[list[Any], str]:
    """The camera of every frame, and what is said about them."""
    known = cameras.Cameras(args(*given), source)
    found = [known.applied(item).camera for item in source.frames() if isinstance(item, Frame)]
    return found, known.words


def test_bag_tells_lens_and_mounting_of_every_frame(tmp_path: Path) -> None:
    with contextlib.closing(Bag(write(tmp_path / "bag"))) as bag:
        found, words = seen(BagFrames(bag))
    assert [camera.fx for camera in found] == [80.0, 80.0, 90.0]
    assert {(camera.mounted, camera.pitch) for camera in found} == {(0.4, 0.0)}
    assert words.startswith("known: lens from CameraInfo, mounting from tf")


@pytest.mark.parametrize(
    ("infos", "static", "words"),
    [
        (False, True, "holds no CameraInfo; --camera-hfov says it"),
        (True, False, "does not lead from .* --camera-height and --camera-pitch say it"),
    ],
)
def test_what_a_bag_lacks_is_said_and_can_be_given(
    tmp_path: Path, infos: bool, static: bool, words: str
) -> None:
    bag = Bag(write(tmp_path / "bag", infos, static))
    with contextlib.closing(bag):
        found, told = seen(BagFrames(bag))
        assert found == [None] * 3
        assert re.search(words, told), told
        given = ["--camera-height", "0.5", "--camera-pitch", "-10", "--camera-hfov", "90"]
        found, _ = seen(BagFrames(bag), *given)
    for camera in found:
        assert (camera.fx, camera.mounted) == (pytest.approx(48), 0.5)
        assert camera.pitch == pytest.approx(math.radians(-10))


def test_images_get_the_camera_that_is_given(tmp_path: Path) -> None:
    (tmp_path / "one.jpg").write_bytes(jpeg(1))
    found, words = seen(open_source(tmp_path))
    assert found == [None] and "its lens is not said; --camera-hfov does" in words
    (camera,), words = seen(open_source(tmp_path), "--camera-hfov", "60", "--camera-height", "1")
    assert (camera.width, camera.height, camera.mounted) == (96, 64, 1.0)
    assert words.startswith("known: lens given, mounting given")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--camera-pitch", "-10"], "needs --camera-height"),
        (["--camera-height", "-1"], "between 0.01 and 5"),
        (["--camera-height", "nan"], "between"),
        (["--camera-hfov", "1.2"], "between 5 and 160"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, given: list[str], words: str) -> None:
    (tmp_path / "one.jpg").write_bytes(jpeg(1))
    with pytest.raises(Failure, match=words):
        cameras.Cameras(args(*given), open_source(tmp_path))


def test_the_floor_has_the_name_that_it_has_for_the_node() -> None:
    assert args().base_frame == BASE_FRAME


def test_lens_is_played_with_the_images_under_one_stamp(tmp_path: Path) -> None:
    pytest.importorskip("rclpy", reason='needs ROS: pip install "ros-rclpy[fastrtps]"')
    import sys

    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from sensor_msgs.msg import CameraInfo, CompressedImage

    bag = write(tmp_path / "bag")
    rclpy.init()
    node = rclpy.create_node("listener")
    heard: dict[str, list[Any]] = {IMAGE: [], INFO: []}
    for kind, topic in ((CompressedImage, IMAGE), (CameraInfo, INFO)):
        node.create_subscription(kind, topic, heard[topic].append, 10)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    command = [sys.executable, "-m", "mmser_ros.cli", "play", str(bag), "--wait", "10", "--json"]
    playing = subprocess.Popen(
        [*command, "--rate", "0.2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        for _ in range(300):
            executor.spin_once(0.1)
            if playing.poll() is not None and len(heard[IMAGE]) == 3:
                break
        out, error = playing.communicate(timeout=10)
    finally:
        playing.kill()
        node.destroy_node()
        rclpy.try_shutdown()
    told = [json.loads(line)["stamp_ns"] for line in out.splitlines()]

    def stamps(topic: str) -> list[int]:
        return [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for m in heard[topic]]

    assert stamps(IMAGE) == told and len(told) == 3
    assert set(stamps(INFO)) <= set(told) and len(heard[INFO]) >= 2
    assert "3 frames played" in error
    try:
        import tf2_msgs  # noqa: F401
    except ImportError:
        assert "/tf_static is not played" in error
