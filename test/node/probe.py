"""Eyes and ears of the ROS tests: a node that remembers, and processes that always end."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import String

from mmser_ros.msg import Caption, CaptionerInfo
from mmser_ros.node import qos

HERE = Path(__file__).parent


class Probe:
    """Listens to everything that the captioner says, in a thread of its own."""

    def __init__(self, *nodes: Node) -> None:
        self.node = Node("probe")
        self.captions: list[Caption] = []
        self.texts: list[str] = []
        self.infos: list[CaptionerInfo] = []
        self.statuses: list[DiagnosticStatus] = []
        self.listen(Caption, qos.CAPTION, self.captions.append)
        self.listen(String, qos.CAPTION_TEXT, lambda msg: self.texts.append(msg.data))
        self.listen(CaptionerInfo, qos.CAPTIONER_INFO, self.infos.append)
        self.listen(DiagnosticArray, qos.DIAGNOSTICS, lambda m: self.statuses.extend(m.status))
        self.executor = SingleThreadedExecutor()
        for node in (self.node, *nodes):
            self.executor.add_node(node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        try:
            self.executor.spin()
        except ExternalShutdownException:
            return

    def listen(self, kind: type, topic: qos.Topic, callback: Callable[[Any], None]) -> Any:
        profile = topic.quality.profile()
        profile.depth = 100
        return self.node.create_subscription(kind, topic.name, callback, profile)

    def until(self, condition: Callable[[], Any], seconds: float = 15.0, what: str = "") -> Any:
        """Wait for a condition and return what it gave."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, f"waited {seconds} s in vain {what}"
            time.sleep(0.01)
        return found

    def voices(self) -> int:
        """How many captioners it has discovered, the dead included whom nobody missed yet."""
        topics = (qos.CAPTION, qos.CAPTION_TEXT)
        return min(self.node.count_publishers(topic.name) for topic in topics)

    def call(self, kind: type, name: str, request: Any, seconds: float = 10.0) -> Any:
        """Ask a service."""
        client = self.node.create_client(kind, name)
        try:
            assert client.wait_for_service(seconds), f"{name} is not there"
            future = client.call_async(request)
            return self.until(lambda: future.done() and future.result(), seconds, f"for {name}")
        finally:
            self.node.destroy_client(client)

    def values(self) -> dict[str, str]:
        """The newest diagnostics; empty before the first."""
        return {item.key: item.value for status in self.statuses[-1:] for item in status.values}

    def pairs(self) -> dict[int, list[Caption]]:
        """Captions by frame_seq, in the order they came."""
        found: dict[int, list[Caption]] = {}
        for caption in self.captions:
            found.setdefault(caption.frame_seq, []).append(caption)
        return found

    def close(self) -> None:
        self.executor.shutdown()
        self._thread.join(5)
        self.node.destroy_node()


@contextmanager
def ros() -> Iterator[None]:
    rclpy.init()
    try:
        yield
    finally:
        rclpy.try_shutdown()


@contextmanager
def process(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a script of this folder, and kill it at the end if it still runs."""
    child = subprocess.Popen(
        [sys.executable, str(HERE / script), *arguments], stderr=subprocess.PIPE, text=True
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()
