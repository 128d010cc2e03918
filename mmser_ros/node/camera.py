"""A camera made of recorded messages: publishes images on a topic, as a driver would."""

from __future__ import annotations

import importlib
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import rclpy
from builtin_interfaces.msg import Time
from rclpy.context import Context
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message

from mmser_ros.node.qos import TF_STATIC


class Damaged(ValueError):
    """A serialised message that cannot be read; says why."""


class Camera:
    """Publishes recorded messages: images, and what belongs to them.

    Reliable, so that any QoS fits.
    """

    missing: list[str]
    """Topics that are left out because the package of their type is not installed."""

    def __init__(self, topic: str, kind: str, others: Mapping[str, str] | None = None) -> None:
        """``topic`` is that of the images, of the type ``kind``; ``others`` types by topic.

        Raises ImportError if the type of the images is not installed.
        """
        self.topic = topic
        self.missing = []
        self._types: dict[str, Any] = {topic: _message(kind)}
        for name, other in (others or {}).items():
            try:
                self._types[name] = _message(other)
            except ImportError:
                self.missing.append(name)
        self._context = Context()
        rclpy.init(context=self._context)
        self._node = rclpy.create_node("recorded_camera", context=self._context)
        self._publishers = {
            name: self._node.create_publisher(of, name, _profile(name))
            for name, of in self._types.items()
        }

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
        """Wait at most ``timeout`` seconds for a subscriber of the images; whether one came."""
        deadline = time.monotonic() + timeout
        while not self._publishers[self.topic].get_subscription_count():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def read(self, raw: bytes, topic: str) -> Any:
        """A serialised message of one of the topics. Raises Damaged where the bytes make none."""
        try:
            return deserialize_message(bytes(raw), self._types[topic])
        except RuntimeError as error:
            raise Damaged(str(error).split(", at /")[0]) from error

    def publish(self, message: Any, stamp_ns: int | None = None, topic: str | None = None) -> None:
        """Publish a message, its header stamped anew unless ``stamp_ns`` is None.

        An image if no ``topic`` is named.
        """
        if stamp_ns is not None:
            seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
            message.header.stamp = Time(sec=seconds, nanosec=nanoseconds)
        self._publishers[topic or self.topic].publish(message)

    def drain(self, timeout: float) -> None:
        """Wait until the subscribers have acknowledged everything, at most ``timeout`` seconds."""
        from rclpy.duration import Duration

        self._publishers[self.topic].wait_for_all_acked(Duration(seconds=timeout))


def _message(kind: str) -> Any:
    """The class of a message type such as sensor_msgs/msg/Image."""
    package, _, name = kind.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), name)


def _profile(topic: str) -> QoSProfile:
    profile = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
    if topic == TF_STATIC.name:
        profile.durability = DurabilityPolicy.TRANSIENT_LOCAL
    return profile
