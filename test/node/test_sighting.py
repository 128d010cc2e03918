"""What the doctor sees of a camera: a process that publishes, over real DDS."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("rclpy", reason='needs ROS: pip install "ros-rclpy[fastrtps]"')
from probe import process

from mmser_ros.node.mounting import BASE_FRAME, Given
from mmser_ros.node.sighting import BadTopic, Sighting, look, messages_missing, middleware

UP = 30.0
"""Seconds that a process may take to come up."""


def watched(topic: str = "", seconds: float = 2.0, given: Given | None = None) -> Sighting:
    """For so long, since DDS may take a second to bring a publisher and us together."""
    return look(topic, seconds, given, BASE_FRAME, UP)


def test_the_only_image_topic_is_found_and_watched() -> None:
    with process("surveyed_camera.py", "rate=20"):
        seen = watched(seconds=3)
    assert seen.topic == "/front/image_raw" and seen.others == ("/front/image_raw",)
    (publisher,) = seen.publishers
    assert (publisher.node, publisher.type) == ("/surveyed", "sensor_msgs/msg/Image")
    assert (publisher.reliability, publisher.durability) == ("reliable", "volatile")
    assert seen.count > 15 and 8 < seen.rate < 25
    assert seen.form == "rgb8, 8x8" and seen.problem == ""
    assert seen.unstamped == seen.backwards == 0 and -0.1 < seen.age < 1.0
    assert not seen.camera_known and "camera_height" in seen.camera


def test_a_camera_is_known_by_its_info_and_what_a_person_says() -> None:
    with process("surveyed_camera.py"):
        seen = watched("front/image_raw", given=Given(height=0.4))
    assert seen.camera_known and "lens from CameraInfo, mounting given (0.40 m" in seen.camera


def test_compressed_images_of_the_same_camera_are_seen_too() -> None:
    with process("camera.py", "transport=compressed", "rate=20"):
        seen = watched("/camera/image_raw/compressed")
    assert seen.form == "jpeg, 640x480" and seen.count > 5
    assert seen.age > 1e6  # that camera's clock is at the year 1970


@pytest.mark.parametrize("stamps", ["none", "back", "late"])
def test_odd_stamps_are_noticed(stamps: str) -> None:
    with process("surveyed_camera.py", f"stamps={stamps}"):
        seen = watched("front/image_raw")
    assert seen.count, "no image arrived"
    assert seen.unstamped == (seen.count if stamps == "none" else 0)
    assert seen.backwards == (seen.count - 1 if stamps == "back" else 0)
    assert math.isnan(seen.age) if stamps == "none" else seen.age > (stamps == "late")


def test_images_that_cannot_be_captioned_say_why() -> None:
    with process("surveyed_camera.py", "encoding=32FC1"):
        seen = watched()
    assert seen.count and seen.form == "32FC1" and "depth" in seen.problem


def test_of_several_cameras_none_is_taken() -> None:
    with process("surveyed_camera.py"), process("surveyed_camera.py", "topic=back/image_raw"):
        for topic in ("front", "back"):
            assert look(f"{topic}/image_raw", 0.1, wait=UP).publishers
        seen = watched(seconds=2)
    assert seen.topic == "" and seen.count == 0
    assert seen.others == ("/back/image_raw", "/front/image_raw")


def test_a_topic_without_images_is_told_by_its_type() -> None:
    with process("surveyed_camera.py"):
        seen = watched("front/camera_info")
    assert {each.type for each in seen.publishers} == {"sensor_msgs/msg/CameraInfo"}
    assert seen.count == 0 and seen.hint == ""


def test_nothing_there_takes_no_longer_than_it_may() -> None:
    assert look(seconds=0.3).others == ()
    seen = look("front/image_raw", 0.3)
    assert seen.topic == "/front/image_raw" and seen.publishers == () and seen.count == 0


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(BadTopic, match=r"'no name' is no name of a topic: .*alphanumerics"):
        look("no name", 0.1)


def test_middleware_and_messages_are_there() -> None:
    assert middleware().startswith("rmw_") and messages_missing() == ""
