"""Which topic the images come on, of which type, and why none may be coming."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from mmser_ros.node import qos
from mmser_ros.node.transport import advice


@dataclass(frozen=True, slots=True)
class Input:
    """The image topic of a node."""

    node: Node
    topic: str
    """Fully qualified, after remapping."""
    type: Any
    """Image or CompressedImage."""
    quality: qos.Quality
    declared: qos.Topic

    def hint(self) -> str:
        """Why no image may come, as a sentence for who has to find out."""
        publishers = self.node.get_publishers_info_by_topic(self.topic)
        if not publishers:
            return (
                "Nobody publishes it: check that the camera runs, and the name (image_topic in "
                "the launch file, or remap 'image')."
            )
        kinds = {publisher.topic_type for publisher in publishers}
        if self.declared.type not in kinds:
            return (
                f"It carries {', '.join(sorted(kinds))}, not {self.declared.type}: set "
                "image_transport to raw or compressed accordingly, or name the right topic."
            )
        return (
            f"It has {len(publishers)} publisher(s), but nothing comes through: large images "
            f"over Fast DDS need {advice()} where the camera runs."
        )


def of(node: Node, transport: str) -> Input:
    """The input of a node. Compressed images come on '<image>/compressed', as is the custom.

    A remapping of 'image' moves it along; one of 'image/compressed' goes first.
    """
    if transport == "raw":
        topic = node.resolve_topic_name(qos.IMAGE.name)
        return Input(node, topic, Image, qos.IMAGE.quality, qos.IMAGE)
    declared = qos.IMAGE_COMPRESSED
    topic = node.resolve_topic_name(declared.name)
    if topic == node.resolve_topic_name(declared.name, only_expand=True):
        base = node.resolve_topic_name(qos.IMAGE.name)
        topic = base if base.endswith("/compressed") else f"{base}/compressed"
    return Input(node, topic, CompressedImage, declared.quality, declared)
