"""A camera made of recorded messages: publishes images on a topic, as a driver would."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

import rclpy
from builtin_interfaces.msg import Time
from rclpy.context import Context
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image

TYPES: dict[str, Any] = {
    "sensor_msgs/msg/Image": Image,
    "sensor_msgs/msg/CompressedImage": CompressedImage,
}


class Camera:
    """Publishes serialised images of one type on one topic. Reliable, so that any QoS fits."""

    def __init__(self, topic: str, kind: str) -> None:
        self.topic = topic
        self._type = TYPES[kind]
        self._context = Context()
        rclpy.init(context=self._context)
        self._node = rclpy.create_node("recorded_camera", context=self._context)
        profile = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
        self._publisher = self._node.create_publisher(self._type, topic, profile)

    def __enter__(self) -> Camera:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def wait(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds for a subscriber; whether there is one."""
        deadline = time.monotonic() + timeout
        while not self._publisher.get_subscription_count():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def publish(self, raw: bytes, stamp_ns: int | None = None) -> None:
        """Publish a serialised image, stamped anew unless ``stamp_ns`` is None."""
        message = deserialize_message(bytes(raw), self._type)
        if stamp_ns is not None:
            seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
            message.header.stamp = Time(sec=seconds, nanosec=nanoseconds)
        self._publisher.publish(message)

    def drain(self, timeout: float) -> None:
        """Wait until the subscribers have acknowledged everything, at most ``timeout`` seconds."""
        from rclpy.duration import Duration

        self._publisher.wait_for_all_acked(Duration(seconds=timeout))
