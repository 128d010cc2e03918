"""What the node hears about its camera: CameraInfo and tf. It never waits for either."""

from __future__ import annotations

import time
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from mmser_ros.node import qos
from mmser_ros.node.mounting import Given, Knowledge, beside, is_rectified
from mmser_ros.types import Frame

PATIENCE = 3.0
"""Seconds in which fixed transforms may come; only then /tf, which is busy, is listened to."""


class CameraWatch:
    """Listens while it is open, and gives frames their camera."""

    def __init__(self, node: Node, image_topic: str, base_frame: str, camera_info: bool) -> None:
        """``camera_info``: whether to listen to CameraInfo."""
        self._node = node
        self._camera_info = camera_info
        self._topic = info_topic(node, image_topic)
        self._knowledge = Knowledge(base_frame, is_rectified(image_topic))
        self._told: str | None = None
        self._opened = 0.0
        self._tf: Any = None
        self._subscriptions: list[Any] = []

    def open(self) -> None:
        """Subscribe. What was heard before is kept."""
        knowledge = self._knowledge
        self._opened = time.monotonic()
        if self._camera_info:
            knowledge.lens_missing = f"no CameraInfo has come on {self._topic}"
            self._listen(CameraInfo, self._topic, qos.CAMERA_INFO, knowledge.info)
        else:
            knowledge.lens_missing = "camera_info is false"
        try:
            from tf2_msgs.msg import TFMessage
        except ImportError:
            knowledge.mounting_missing = "the ROS package tf2_msgs, which tells it, is missing"
            return
        self._tf = TFMessage
        self._listen(self._tf, qos.TF_STATIC.name, qos.TF_STATIC, knowledge.transforms.add)

    def close(self) -> None:
        """End the subscriptions."""
        self._opened, self._tf = 0.0, None
        while self._subscriptions:
            self._node.destroy_subscription(self._subscriptions.pop())

    def applied(self, frame: Frame, given: Given) -> Frame:
        """The frame, with its camera if that is known. What changed is logged once."""
        if not self._opened:
            return frame
        knowledge = self._knowledge
        frame = knowledge.applied(frame, given)
        told = "known" if frame.camera is not None else knowledge.words
        if told != self._told:
            self._told = told
            self._node.get_logger().info(f"The camera is {knowledge.words}.")
        waited = time.monotonic() - self._opened > PATIENCE
        if knowledge.asks_tf and self._tf is not None and waited:
            self._listen(self._tf, qos.TF.name, qos.TF, knowledge.transforms.add)
            self._tf = None
        return frame

    @property
    def words(self) -> str:
        """Whether the camera of the last frame was known, and from what or why not."""
        return self._knowledge.words if self._opened else ""

    def _listen(self, kind: Any, name: str, topic: qos.Topic, callback: Any) -> None:
        profile = topic.quality.profile()
        self._subscriptions.append(self._node.create_subscription(kind, name, callback, profile))


def info_topic(node: Node, image_topic: str) -> str:
    """Where CameraInfo comes: beside the images, as is the custom, unless it is remapped."""
    topic: str = node.resolve_topic_name(qos.CAMERA_INFO.name)
    if topic != node.resolve_topic_name(qos.CAMERA_INFO.name, only_expand=True):
        return topic
    return beside(image_topic)
