"""A camera in a process of its own: camera.py NAME=VALUE ...

rate: images a second; transport: raw or compressed; count: images, then end (0: for ever);
broken: images of rubbish that come first, and then all is reliable; first: seconds in the first
stamp, which counts on by one. Each image is flat: red 200, green 100, blue its number modulo 100.
"""

from __future__ import annotations

import array
import random
import sys
import time

import cv2
import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image

FRAME_ID = "camera_optical"
ENCODINGS = ["rgb8", "16UC1", "32FC1", "bayer_rggb8", "nv12", "rubbish", "", "yuyv", "mono16"]


def pixels(number: int) -> np.ndarray:
    """(480, 640, 3) RGB."""
    rgb = np.empty((480, 640, 3), np.uint8)
    rgb[:] = 200, 100, number % 100
    return rgb


def raw(number: int) -> Image:
    msg = Image(width=640, height=480, encoding="rgb8", step=1920)
    msg.data = array.array("B", pixels(number).tobytes())
    return msg


def compressed(number: int) -> CompressedImage:
    msg = CompressedImage(format="jpeg")
    bgr = np.ascontiguousarray(pixels(number)[..., ::-1])
    msg.data = array.array("B", cv2.imencode(".jpg", bgr)[1].tobytes())
    return msg


def rubbish(transport: str) -> Image | CompressedImage:
    """Wrong in some way that a driver could be."""
    data = array.array("B", random.randbytes(random.randrange(2000)))
    if transport == "compressed":
        begin = random.choice([b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n"])
        msg = CompressedImage(format="jpeg")
        msg.data = array.array("B", begin) + data
        return msg
    msg = Image(encoding=random.choice(ENCODINGS), is_bigendian=random.randrange(2))
    msg.width, msg.height = random.choice([(0, 0), (640, 480), (3, 9), (2**32 - 1, 2**31)])
    msg.step = random.choice([0, 1, 640, 2**32 - 1])
    msg.data = data
    return msg


def main(rate: float, transport: str, count: int, broken: int, first: int) -> None:
    rclpy.init()
    node = Node("camera")
    kind, topic = {
        "raw": (Image, "camera/image_raw"),
        "compressed": (CompressedImage, "camera/image_raw/compressed"),
    }[transport]
    quality = QoSProfile(depth=broken) if broken else qos_profile_sensor_data
    publisher = node.create_publisher(kind, topic, quality)
    deadline = time.monotonic() + 30
    while publisher.get_subscription_count() == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.2)
    for _ in range(broken):
        publisher.publish(rubbish(transport))
        time.sleep(0.004)
    number = 0
    due = time.monotonic()
    while rclpy.ok() and (count == 0 or number < count):
        msg = raw(number) if transport == "raw" else compressed(number)
        msg.header.frame_id = FRAME_ID
        msg.header.stamp.sec, msg.header.stamp.nanosec = first + number, number + 7
        publisher.publish(msg)
        number += 1
        due += 1 / rate
        time.sleep(max(0.0, due - time.monotonic()))
    time.sleep(0.5)


if __name__ == "__main__":
    chosen = dict(argument.split("=") for argument in sys.argv[1:])
    main(
        float(chosen.get("rate", 10)),
        chosen.get("transport", "raw"),
        int(chosen.get("count", 0)),
        int(chosen.get("broken", 0)),
        int(chosen.get("first", 1000)),
    )
