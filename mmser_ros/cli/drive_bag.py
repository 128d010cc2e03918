"""The frames of a simulated drive as the messages of a camera, in a bag."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from rosbags.interfaces import QosDurability, QosReliability
from rosbags.rosbag2 import Writer
from rosbags.typesys import Stores, get_typestore

from mmser_ros.cli.bag_copy import LATCHED
from mmser_ros.cli.failure import Failure
from mmser_ros.world.grammar import caption, item_clause

if TYPE_CHECKING:
    from mmser_ros.world.camera import Camera
    from mmser_ros.world.drive import Shot

IMAGE_TOPIC, INFO_TOPIC = "/camera/image_raw/compressed", "/camera/camera_info"
IMAGE_TYPE, INFO_TYPE = "sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/CameraInfo"
FRAME_ID = "camera_optical_frame"
WIDTH, HEIGHT = 640, 480
BEGIN_NS = 1_700_000_000_000_000_000
"""Stamp of the first frame; any would do, but 0 means unknown."""


class Recorder:
    """Writes shots into a bag, and keeps what is true in them."""

    truth: list[dict[str, Any]]
    """A line a frame: stamp_ns, caption, optional (clauses)."""

    def __init__(self, writer: Writer, quality: int) -> None:
        self.truth = []
        self._writer, self._quality = writer, quality
        self._store = get_typestore(Stores.ROS2_JAZZY)
        qos = LATCHED._replace(
            depth=5, reliability=QosReliability.BEST_EFFORT, durability=QosDurability.VOLATILE
        )
        self._image, self._info = (
            writer.add_connection(topic, kind, typestore=self._store, offered_qos_profiles=[qos])
            for topic, kind in ((IMAGE_TOPIC, IMAGE_TYPE), (INFO_TOPIC, INFO_TYPE))
        )

    def add(self, shot: Shot) -> None:
        """Write the messages of one frame."""
        types = self._store.types
        seconds, nanoseconds = divmod(shot.stamp_ns, 1_000_000_000)
        stamp = types["builtin_interfaces/msg/Time"](seconds, nanoseconds)
        header = types["std_msgs/msg/Header"](stamp=stamp, frame_id=FRAME_ID)
        done, jpeg = cv2.imencode(
            ".jpg", shot.rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, self._quality]
        )
        if not done:
            raise Failure(f"OpenCV cannot write JPEG of quality {self._quality}.")
        image = types[IMAGE_TYPE](header=header, format="rgb8; jpeg compressed bgr8", data=jpeg)
        info = types[INFO_TYPE](header=header, **_pinhole(shot.camera), **self._no_roi())
        for connection, message, kind in (
            (self._image, image, IMAGE_TYPE),
            (self._info, info, INFO_TYPE),
        ):
            raw = self._store.serialize_cdr(message, kind)
            self._writer.write(connection, shot.stamp_ns, raw)
        self.truth.append(
            {
                "stamp_ns": shot.stamp_ns,
                "caption": caption(shot.facts),
                "optional": " ".join(map(item_clause, shot.facts.optional)),
            }
        )

    def _no_roi(self) -> dict[str, Any]:
        region = self._store.types["sensor_msgs/msg/RegionOfInterest"]
        roi = region(x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
        return {"binning_x": 0, "binning_y": 0, "roi": roi}


def _pinhole(camera: Camera) -> dict[str, Any]:
    """CameraInfo's calibration of a camera without distortion."""
    focal = camera.width / 2 / math.tan(camera.hfov / 2)
    x, y = camera.width / 2, camera.height / 2
    matrix = np.array([[focal, 0, x], [0, focal, y], [0, 0, 1]])
    return {
        "height": camera.height,
        "width": camera.width,
        "distortion_model": "plumb_bob",
        "d": np.zeros(5),
        "k": matrix.ravel(),
        "r": np.eye(3).ravel(),
        "p": np.c_[matrix, np.zeros(3)].ravel(),
    }
