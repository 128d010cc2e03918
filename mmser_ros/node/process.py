"""A process around the node that ends well: on SIGINT and SIGTERM in order, and in time.

rclpy's own handlers take the context down in the midst of callbacks. Here the signal only wakes
the main thread; the executor's thread then shuts the node down by its lifecycle, with topics
and goals still alive.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from typing import Protocol

from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

END_TIMEOUT = 1.6
"""Seconds after a signal when the process ends, whatever it is doing."""


class Ending(Protocol):
    """A node that can be told to end."""

    def end(self) -> None:
        """From another thread: begin no more long work."""
        ...

    def finish(self) -> None:
        """In the executor's thread: shut down, and the context with it."""
        ...


def signalled() -> threading.Event:
    """What SIGINT and SIGTERM set from now on. Main thread only."""
    wake = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: wake.set())
    return wake


def run(node: Node, ending: Ending, wake: threading.Event) -> int:
    """Spin until ``wake`` is set or the context goes down; the exit code."""
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    crashed = True

    def spin() -> None:
        nonlocal crashed
        try:
            with contextlib.suppress(ExternalShutdownException):
                executor.spin()
            crashed = False
        finally:
            wake.set()

    spinning = threading.Thread(target=spin, name="executor", daemon=True)
    spinning.start()
    wake.wait()
    if spinning.is_alive():
        ending.end()
        executor.create_task(ending.finish)
        spinning.join(END_TIMEOUT)
    if spinning.is_alive():
        leave(0)
    return 1 if crashed else 0


def leave(code: int) -> None:
    """End at once, without the threads that are in native code and cannot be interrupted."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
