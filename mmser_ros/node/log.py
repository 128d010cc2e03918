"""What the rooms below the node log, in the node's own log.

They log by Python's ``logging``, because they know no ROS: which engine was taken and why, what
is being built and for how long. A robot's operator reads the node's log, and /rosout.
"""

from __future__ import annotations

import logging

from rclpy.impl.rcutils_logger import RcutilsLogger


class _Handler(logging.Handler):
    def __init__(self, log: RcutilsLogger) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        # A line each: rclpy holds every line of code to the severity that it first logged with.
        if record.levelno >= logging.ERROR:
            self._log.error(said)
        elif record.levelno >= logging.WARNING:
            self._log.warning(said)
        elif record.levelno >= logging.INFO:
            self._log.info(said)
        else:
            self._log.debug(said)


def take_over(log: RcutilsLogger) -> None:
    """From now on, whatever this package logs goes there, at the level that is set there."""
    ours = logging.getLogger("mmser_ros")
    ours.addHandler(_Handler(log))
    ours.setLevel(logging.DEBUG)
    ours.propagate = False
