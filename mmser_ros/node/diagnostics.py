"""Tells `/diagnostics` once a second how the captioner is doing."""

from __future__ import annotations

from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock
from rclpy.node import Node

from mmser_ros.node.conversions import diagnostics_message
from mmser_ros.node.health import Health, Situation
from mmser_ros.node.qos import DIAGNOSTICS

PERIOD = 1.0
"""Seconds between two reports."""


class Diagnostics:
    """The publisher of a node's health."""

    def __init__(
        self, node: Node, health: Health, situation: Callable[[], Situation], clock: Clock
    ) -> None:
        """``situation`` is asked for every report; ``clock`` must not stand still."""
        self._node, self._health, self._situation = node, health, situation
        self._publisher = node.create_publisher(
            DiagnosticArray, DIAGNOSTICS.name, DIAGNOSTICS.quality.profile()
        )
        self._timer = node.create_timer(PERIOD, self.publish, clock=clock)

    def publish(self) -> None:
        """One report, now."""
        situation = self._situation()
        report = self._health.report(situation)
        stamp = self._node.get_clock().now().to_msg()
        name = f"{self._node.get_fully_qualified_name().lstrip('/')}: captions"
        self._publisher.publish(diagnostics_message(report, stamp, name, situation.engine))

    def keep_up(self) -> None:
        """Publish if it is time. For whoever keeps the executor waiting, and so its timers too."""
        if self._timer.is_ready():
            self._timer.reset()
            self.publish()
