"""A camera in a process of its own, beside its CameraInfo: surveyed_camera.py NAME=VALUE ...

rate: images a second; topic: of the images; stamps: now, none, back (each older than the last)
or late (two seconds old); encoding: of the images, which are 8x8.
"""

from __future__ import annotations

import array
import sys
import time

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image


def main(rate: float, topic: str, stamps: str, encoding: str) -> None:
    rclpy.init()
    node = Node("surveyed")
    publisher = node.create_publisher(Image, topic, QoSProfile(depth=5))
    lens = node.create_publisher(
        CameraInfo, f"{topic.rpartition('/')[0]}/camera_info", qos_profile_sensor_data
    )
    info = CameraInfo(width=8, height=8, k=[4.0, 0, 3.5, 0, 4.0, 3.5, 0, 0, 1])
    image = Image(width=8, height=8, encoding=encoding, step=24)
    image.data = array.array("B", bytes(192))
    image.header.frame_id = "eye"
    begin = time.time()
    while rclpy.ok():
        now = time.time()
        stamp = {"now": now, "none": 0.0, "back": 2 * begin - now, "late": now - 2}[stamps]
        image.header.stamp.sec, image.header.stamp.nanosec = int(stamp), int(stamp % 1 * 1e9)
        lens.publish(info)
        publisher.publish(image)
        time.sleep(1 / rate)


if __name__ == "__main__":
    chosen = dict(argument.split("=") for argument in sys.argv[1:])
    main(
        float(chosen.get("rate", 20)),
        chosen.get("topic", "front/image_raw"),
        chosen.get("stamps", "now"),
        chosen.get("encoding", "rgb8"),
    )
