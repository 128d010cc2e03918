"""The frames of a simulated drive as the messages of a camera, in a bag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from rosbags.interfaces import QosDurability, QosReliability
from rosbags.rosbag2 import Writer
from rosbags.typesys import Stores, get_typestore

from mmser_ros.cli.bag_copy import LATCHED
from mmser_ros.cli.failure import Failure
from mmser_ros.ground import axes
from mmser_ros.node.mounting import BASE_FRAME
from mmser_ros.world.grammar import caption, item_clause

if TYPE_CHECKING:
    from mmser_ros.types import CameraModel
    from mmser_ros.world.drive import Shot

IMAGE_TOPIC, INFO_TOPIC = "/camera/image_raw/compressed", "/camera/camera_info"
IMAGE_TYPE, INFO_TYPE = "sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/CameraInfo"
TF_TOPIC, TF_TYPE = "/tf_static", "tf2_msgs/msg/TFMessage"
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
        self._image, self._info, self._tf = (
            writer.add_connection(topic, kind, typestore=self._store, offered_qos_profiles=[of])
            for topic, kind, of in (
                (IMAGE_TOPIC, IMAGE_TYPE, qos),
                (INFO_TOPIC, INFO_TYPE, qos),
                (TF_TOPIC, TF_TYPE, LATCHED),
            )
        )
        self._mounted = False

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
        lens = shot.camera.model()
        info = types[INFO_TYPE](header=header, **_calibration(lens), **self._no_roi())
        messages = [(self._image, image, IMAGE_TYPE), (self._info, info, INFO_TYPE)]
        if not self._mounted:
            messages.insert(0, (self._tf, self._mounting(lens, stamp), TF_TYPE))
            self._mounted = True
        for connection, message, kind in messages:
            raw = self._store.serialize_cdr(message, kind)
            self._writer.write(connection, shot.stamp_ns, raw)
        self.truth.append(
            {
                "stamp_ns": shot.stamp_ns,
                "caption": caption(shot.facts),
                "optional": " ".join(map(item_clause, shot.facts.optional)),
            }
        )

    def _mounting(self, camera: CameraModel, stamp: Any) -> Any:
        """A TFMessage from the floor to the camera's optical frame (x right, y down, z ahead)."""
        ahead, right, up = axes(camera.pitch, camera.roll, camera.yaw)
        turn = np.stack([right, -up, ahead], 1)
        w = np.sqrt(1 + np.trace(turn)) / 2
        x, y, z = ((turn[b, a] - turn[a, b]) / (4 * w) for a, b in ((1, 2), (2, 0), (0, 1)))
        types = self._store.types
        transform = types["geometry_msgs/msg/Transform"](
            translation=types["geometry_msgs/msg/Vector3"](0.0, 0.0, camera.mounted),
            rotation=types["geometry_msgs/msg/Quaternion"](x, y, z, w),
        )
        header = types["std_msgs/msg/Header"](stamp=stamp, frame_id=BASE_FRAME)
        link = types["geometry_msgs/msg/TransformStamped"](header, FRAME_ID, transform)
        return types[TF_TYPE](transforms=[link])

    def _no_roi(self) -> dict[str, Any]:
        region = self._store.types["sensor_msgs/msg/RegionOfInterest"]
        roi = region(x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
        return {"binning_x": 0, "binning_y": 0, "roi": roi}


def _calibration(lens: CameraModel) -> dict[str, Any]:
    """CameraInfo's calibration of a camera."""
    matrix = np.array([[lens.fx, 0, lens.cx], [0, lens.fy, lens.cy], [0, 0, 1]])
    distortion = np.zeros(5)
    distortion[: len(lens.distortion)] = lens.distortion
    return {
        "height": lens.height,
        "width": lens.width,
        "distortion_model": "plumb_bob",
        "d": distortion,
        "k": matrix.ravel(),
        "r": np.eye(3).ravel(),
        "p": np.c_[matrix, np.zeros(3)].ravel(),
    }
