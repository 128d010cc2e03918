"""Where captions leave the node: `caption`, its text mirror, and the debug image."""

from __future__ import annotations

import math
from collections.abc import Callable

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import Image
from std_msgs.msg import String

from mmser_ros.msg import Caption as CaptionMessage
from mmser_ros.msg import CaptionerInfo
from mmser_ros.node import conversions, overlay, qos
from mmser_ros.types import Caption, Frame

LOG_PERIOD = 5.0
"""Seconds between two log lines about the same kind of trouble."""


class RosOutlet:
    """The publishers of a configured node. Used by the worker's thread."""

    def __init__(self, node: LifecycleNode, age: Callable[[int], float]) -> None:
        self._node = node
        self._age = age
        self._last_stamp = 0
        self._caption = self._publisher(CaptionMessage, qos.CAPTION)
        self._text = self._publisher(String, qos.CAPTION_TEXT)
        self._debug_image = self._publisher(Image, qos.DEBUG_IMAGE)
        # What captions is known before any caption is: not bound to activation.
        self._info = node.create_publisher(
            CaptionerInfo, qos.CAPTIONER_INFO.name, qos.CAPTIONER_INFO.quality.profile()
        )

    def _publisher(self, kind: type, topic: qos.Topic):  # type: ignore[no-untyped-def]
        return self._node.create_lifecycle_publisher(kind, topic.name, topic.quality.profile())

    def publish(self, frame: Frame, caption: Caption) -> None:
        """One caption, the moment it exists."""
        if not self._caption.is_activated:
            return
        self._last_stamp = frame.stamp_ns
        age = self._age(frame.stamp_ns)
        self._caption.publish(conversions.caption_message(frame, caption, age))
        self._text.publish(String(data=caption.text))

    def show(self, frame: Frame, coarse: Caption, refined: Caption | None) -> None:
        """The debug image, if anybody looks at it."""
        if not self._debug_image.is_activated or not self._debug_image.get_subscription_count():
            return
        drawn = overlay.draw(frame.rgb, coarse, refined)
        self._debug_image.publish(conversions.image_message(frame, drawn))

    def failed(self, sentence: str) -> None:
        """Tell the log, but not for every frame."""
        self._node.get_logger().error(
            f"Captioning a frame failed: {sentence}", throttle_duration_sec=LOG_PERIOD
        )

    def info(self, message: CaptionerInfo) -> None:
        """Publish what captions."""
        self._info.publish(message)

    @property
    def caption_age(self) -> float:
        """Seconds since the stamp of the last caption; NaN when there is none."""
        return self._age(self._last_stamp) if self._last_stamp else math.nan

    def close(self) -> None:
        """Take the topics down."""
        for publisher in (self._caption, self._text, self._debug_image):
            self._node.destroy_lifecycle_publisher(publisher)
        self._node.destroy_publisher(self._info)
