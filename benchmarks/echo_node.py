"""As little of a node as there can be: it answers every image with an empty caption.

For border.py: what the middleware and rclpy take by themselves. The text's last word is the time
at which the image was at hand, in nanoseconds since 1970.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image

from mmser_ros.memory import keep_freed
from mmser_ros.msg import Caption
from mmser_ros.node import qos
from mmser_ros.node.main import KEPT


def main() -> None:
    """Run until interrupted."""
    keep_freed(KEPT)
    rclpy.init()
    node = rclpy.create_node("echo")
    publisher = node.create_publisher(Caption, qos.CAPTION.name, qos.CAPTION.quality.profile())

    def answer(image: Any) -> None:
        text = f"at hand {time.time_ns()}"
        publisher.publish(Caption(header=image.header, stage=Caption.STAGE_COARSE, text=text))

    for kind, topic in ((Image, "image"), (CompressedImage, "image/compressed")):
        node.create_subscription(kind, topic, answer, qos_profile_sensor_data)
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(node)


if __name__ == "__main__":
    main()
