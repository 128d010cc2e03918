"""The process around the node: its exit codes."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

pytest.importorskip("rclpy", reason='needs ROS: pip install "ros-rclpy[fastrtps]"')
from probe import ros
from rclpy.node import Node

from mmser_ros.node import process


class Subject(Node):
    """Ends when it is told to, if it is told to."""

    def __init__(self) -> None:
        super().__init__("subject")
        self.ended = False

    def end(self) -> None:
        self.ended = True

    def finish(self) -> None:
        self.context.try_shutdown()


@pytest.fixture
def node() -> Iterator[Subject]:
    with ros():
        node = Subject()
        yield node
        node.destroy_node()


def test_a_signal_ends_it_with_zero(node: Subject) -> None:
    wake = threading.Event()
    threading.Timer(0.2, wake.set).start()
    assert process.run(node, node, wake) == 0
    assert node.ended


def test_a_context_that_goes_down_ends_it_with_zero(node: Subject) -> None:
    node.create_timer(0.1, node.finish)
    assert process.run(node, node, threading.Event()) == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_callback_that_raises_ends_it_with_one(node: Subject) -> None:
    def fail() -> None:
        raise RuntimeError("a bug")

    node.create_timer(0.1, fail)
    assert process.run(node, node, threading.Event()) == 1
