"""Looks at a camera's topic for a while: what comes, how often, how stamped, of what camera.

The node's own parts look: its QoS, its image conversion, its watch for lens and mounting. What
is found are values that need no ROS.
"""

from __future__ import annotations

import itertools
import math
import os
import statistics
import time
from dataclasses import dataclass
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.exceptions import InvalidTopicNameException
from rclpy.executors import SingleThreadedExecutor
from rclpy.logging import LoggingSeverity
from rclpy.node import Node
from rclpy.type_support import check_for_type_support
from rclpy.utilities import get_rmw_implementation_identifier
from rclpy.validate_topic_name import validate_topic_name
from sensor_msgs.msg import CompressedImage, Image

from mmser_ros.node import images, qos
from mmser_ros.node.camera_watch import CameraWatch
from mmser_ros.node.inputs import Input
from mmser_ros.node.mounting import BASE_FRAME, Given

KINDS: dict[str, tuple[Any, qos.Topic]] = {
    qos.IMAGE.type: (Image, qos.IMAGE),
    qos.IMAGE_COMPRESSED.type: (CompressedImage, qos.IMAGE_COMPRESSED),
}
_SETTLE = 3.5
"""Seconds in which further image topics may be discovered after the first: DDS participants
announce themselves every 3 s, and the first announcement may be lost."""
_LOOKED_EVERY = 0.15
"""Seconds between looks for further topics."""
_EXAMINED_EVERY = 0.5
"""Seconds between images that are looked at more closely."""


class BadTopic(ValueError):
    """A topic's name cannot be one; the message says why."""


@dataclass(frozen=True, slots=True)
class Publisher:
    """Who publishes the images, and how."""

    node: str
    type: str
    reliability: str
    """reliable, best effort ..."""
    durability: str
    """volatile, transient local ..."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What was seen of one image topic."""

    topic: str
    """Fully qualified; empty if none was named, and not just one is there."""
    others: tuple[str, ...]
    """The image topics that are there."""
    publishers: tuple[Publisher, ...] = ()
    count: int = 0
    """Images that came."""
    rate: float = math.nan
    """Images a second that arrived; NaN for fewer than two."""
    form: str = ""
    """Encoding or format of the last image, and its size in pixels."""
    problem: str = ""
    """Why the last image cannot be captioned."""
    unstamped: int = 0
    """Images whose stamp is zero."""
    backwards: int = 0
    """Images with a stamp older than the one's before."""
    age: float = math.nan
    """Median of the seconds from stamp to arrival, by the clocks of this machine."""
    camera: str = ""
    """Whether lens and mounting are known, and from what or why not."""
    camera_known: bool = False
    hint: str = ""
    """Why no image may come though somebody publishes, as a sentence."""


def middleware() -> str:
    """The name of the RMW implementation, such as rmw_fastrtps_cpp."""
    return str(get_rmw_implementation_identifier())


def messages_missing() -> str:
    """Why the messages of this package cannot be published; empty if they can."""
    try:
        from mmser_ros.msg import Caption

        check_for_type_support(Caption)
    except Exception as error:  # noqa: BLE001 - generated code that does not fit this ROS
        return f"{type(error).__name__}: {error}"
    return ""


def look(
    topic: str = "",
    seconds: float = 5.0,
    given: Given | None = None,
    base_frame: str = BASE_FRAME,
    wait: float | None = None,
) -> Sighting:
    """Wait at most so long for an image topic, else ``seconds``, then watch it for ``seconds``.

    Without a ``topic``, the only one there is. ``given`` and ``base_frame`` are what the node's
    parameters say of the camera. Raises BadTopic.
    """
    try:
        validate_topic_name(topic or "image")
    except InvalidTopicNameException as error:
        reason = str(error).splitlines()[0].rstrip(":")
        raise BadTopic(f"'{topic}' is no name of a topic: {reason}.") from error
    context = Context()
    rclpy.init(context=context)
    try:
        node = rclpy.create_node(
            f"doctor_{os.getpid()}", context=context, start_parameter_services=False
        )
        node.get_logger().set_level(LoggingSeverity.FATAL)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        asked = node.resolve_topic_name(topic) if topic else ""
        name, others = _found(node, asked, seconds if wait is None else wait)
        publishers = _publishers(node, name) if name else ()
        kind = next((each.type for each in publishers if each.type in KINDS), "")
        if not kind:
            return Sighting(name, others, publishers)
        watcher = _Watcher(node, name, kind, given or Given(), base_frame)
        watcher.watch(executor, seconds)
        there = _image_topics(node)
        if not asked and len(_cameras(there)) > 1:  # the others were discovered late
            return Sighting("", there)
        # by now their nodes' names have been discovered too
        return watcher.sighting(others, _publishers(node, name) or publishers)
    finally:
        rclpy.shutdown(context=context)


def _found(node: Node, asked: str, seconds: float) -> tuple[str, tuple[str, ...]]:
    """The topic to look at, or none, and all image topics; waits until there are some."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not (asked and node.count_publishers(asked)):
        if not asked and _image_topics(node):
            end = min(end, time.monotonic() + _SETTLE)
        time.sleep(_LOOKED_EVERY)
    there = _image_topics(node)
    return asked or (there[0] if len(_cameras(there)) == 1 else ""), there


def _cameras(topics: tuple[str, ...]) -> set[str]:
    """Whose topics these are: a camera's raw and compressed images are one."""
    return {name.removesuffix("/compressed") for name in topics}


def _image_topics(node: Node) -> tuple[str, ...]:
    """Published topics of images, raw ones before compressed ones."""
    found = [
        name
        for name, kinds in node.get_topic_names_and_types()
        if KINDS.keys() & set(kinds)
        and not name.endswith((qos.DEBUG_IMAGE.name, "/compressedDepth"))
        and node.count_publishers(name)
    ]
    return tuple(sorted(found, key=lambda name: (name.endswith("/compressed"), name)))


def _publishers(node: Node, topic: str) -> tuple[Publisher, ...]:
    return tuple(
        Publisher(
            _name(end),
            end.topic_type,
            end.qos_profile.reliability.name.lower().replace("_", " "),
            end.qos_profile.durability.name.lower().replace("_", " "),
        )
        for end in node.get_publishers_info_by_topic(topic)
    )


def _name(end: Any) -> str:
    if "UNKNOWN" in end.node_name:  # rmw's word for a node whose name has not come yet
        return "a node without a name"
    return f"{end.node_namespace.rstrip('/')}/{end.node_name}"


class _Watcher:
    """Subscribes as the captioner does, and remembers."""

    def __init__(self, node: Node, topic: str, kind: str, given: Given, base_frame: str) -> None:
        message, declared = KINDS[kind]
        self._input = Input(node, topic, message, declared.quality, declared)
        self._given = given
        self._camera = CameraWatch(node, topic, base_frame, True)
        self._camera.open()
        self._last: Any = None
        self._arrivals: list[float] = []
        self._stamps: list[int] = []
        self._ages: list[float] = []
        self._camera_known = False
        self._form = self._problem = ""
        node.create_subscription(message, topic, self._on_image, declared.quality.profile())

    def watch(self, executor: SingleThreadedExecutor, seconds: float) -> None:
        end = time.monotonic() + seconds
        due = 0.0
        while (now := time.monotonic()) < end:
            executor.spin_once(timeout_sec=min(0.1, end - now))
            if self._last is not None and now >= due:
                self._examine(self._last)
                due = time.monotonic() + _EXAMINED_EVERY
        if self._last is not None:
            self._examine(self._last)

    def sighting(self, others: tuple[str, ...], publishers: tuple[Publisher, ...]) -> Sighting:
        arrivals, stamps = self._arrivals, self._stamps
        lasted = arrivals[-1] - arrivals[0] if arrivals else 0.0
        return Sighting(
            self._input.topic,
            others,
            publishers,
            count=len(arrivals),
            rate=(len(arrivals) - 1) / lasted if lasted > 0 else math.nan,
            form=self._form,
            problem=self._problem,
            unstamped=stamps.count(0),
            backwards=sum(after < before for before, after in itertools.pairwise(stamps)),
            age=statistics.median(self._ages) if self._ages else math.nan,
            camera=self._camera.words,
            camera_known=self._camera_known,
            hint="" if arrivals else self._input.hint(),
        )

    def _on_image(self, msg: Any) -> None:
        self._last = msg
        self._arrivals.append(time.monotonic())
        self._stamps.append(stamp := images.stamp_ns(msg))
        if stamp:
            self._ages.append((time.time_ns() - stamp) / 1e9)

    def _examine(self, msg: Any) -> None:
        """See whether an image can be captioned, and whether its camera is known."""
        named = msg.format if hasattr(msg, "format") else msg.encoding
        self._form = named or "no encoding named"
        try:
            frame = images.to_frame(msg)
        except images.UnsupportedImage as error:
            self._problem = str(error)
            return
        self._problem = ""
        height, width = frame.rgb.shape[:2]
        self._form += f", {width}x{height}"
        self._camera_known = self._camera.applied(frame, self._given).camera is not None
