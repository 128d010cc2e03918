"""Listens to a captioner: what it publishes, as values that need no ROS."""

from __future__ import annotations

import os
import time
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from mmser_ros.msg import Caption as CaptionMessage
from mmser_ros.msg import CaptionerInfo
from mmser_ros.node import qos
from mmser_ros.types import Stage


@dataclass(frozen=True, slots=True)
class Heard:
    """A caption as it came in. NaN where a number is unknown."""

    frame_seq: int
    stamp_ns: int
    """When its image was exposed."""
    stage: Stage
    text: str
    words: tuple[str, ...]
    word_probabilities: tuple[float, ...]
    confidence: float
    familiarity: float
    trusted: bool
    changed: bool
    inference_time: float
    """Seconds spent computing it."""
    age: float
    """Seconds from exposure to publishing, by the captioner."""
    latency: float
    """Seconds from exposure to its arrival here; the clocks must agree."""
    decoder_calls: int


@dataclass(frozen=True, slots=True)
class Announcement:
    """What captions, from the latched CaptionerInfo."""

    model: str
    version: str
    weights_hash: str
    backend: str
    precision: str
    device: str


class Listener:
    """Subscribes to the captioner of the root namespace."""

    announcement: Announcement | None = None
    """None until the captioner is configured."""
    diagnostics: dict[str, str]
    """The last values that it published, by name."""
    message: str = ""
    """Of its last diagnostics."""
    problem: str = ""
    """The same while they report an error."""

    def __init__(self) -> None:
        self.diagnostics = {}
        self._heard: deque[Heard] = deque()
        self._context = Context()
        rclpy.init(context=self._context)
        node = self._node = rclpy.create_node(
            f"listener_{os.getpid()}", context=self._context, start_parameter_services=False
        )
        # Deeper than the publisher's, so that a slow reader loses nothing.
        every = QoSProfile(
            depth=1000,
            reliability=ReliabilityPolicy.RELIABLE,
            durability=DurabilityPolicy.TRANSIENT_LOCAL,
        )
        node.create_subscription(CaptionMessage, qos.CAPTION.name, self._on_caption, every)
        latched = qos.CAPTIONER_INFO.quality.profile()
        node.create_subscription(CaptionerInfo, qos.CAPTIONER_INFO.name, self._on_info, latched)
        node.create_subscription(
            DiagnosticArray,
            qos.DIAGNOSTICS.name,
            self._on_diagnostics,
            qos.DIAGNOSTICS.quality.profile(),
        )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def listen(self, seconds: float) -> list[Heard]:
        """The captions that come in within so many seconds; returns once there are some."""
        deadline = time.monotonic() + seconds
        while not self._heard:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            try:
                self._executor.spin_once(timeout_sec=left)
            except ExternalShutdownException:
                break
        heard = list(self._heard)
        self._heard.clear()
        return heard

    def _on_caption(self, msg: Any) -> None:
        stamp_ns = msg.header.stamp.sec * 1_000_000_000 + msg.header.stamp.nanosec
        self._heard.append(
            Heard(
                frame_seq=msg.frame_seq,
                stamp_ns=stamp_ns,
                stage=Stage(msg.stage),
                text=msg.text,
                words=tuple(msg.words),
                word_probabilities=tuple(float(p) for p in msg.word_probabilities),
                confidence=msg.confidence,
                familiarity=msg.familiarity,
                trusted=msg.trusted,
                changed=msg.changed,
                inference_time=msg.inference_time,
                age=msg.age,
                latency=(time.time_ns() - stamp_ns) / 1e9,
                decoder_calls=msg.decoder_calls,
            )
        )

    def _on_info(self, msg: Any) -> None:
        self.announcement = Announcement(
            msg.model, msg.version, msg.weights_hash, msg.backend, msg.precision, msg.device
        )

    def _on_diagnostics(self, msg: Any) -> None:
        for status in msg.status:
            self.diagnostics = {item.key: item.value for item in status.values}
            broken = status.level >= DiagnosticStatus.ERROR
            self.message = status.message
            self.problem = status.message if broken else ""
