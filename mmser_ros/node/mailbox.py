"""Where frames and goals wait for the one thread that captions.

Frames have one slot: robots want the newest, so a new frame replaces the waiting one, and `put`
says so, to have it counted. Goals are questions that somebody waits to have answered: they keep
their order, a few may wait, and they take turns with the frames.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Generic, TypeVar

F = TypeVar("F")
G = TypeVar("G")

HANDING_OVER = 50e-6
"""Seconds that who puts a frame stands back, where somebody waits for it."""


class Mailbox(Generic[F, G]):
    """A slot for the newest frame (F) and a short queue of goals (G). Safe for any threads."""

    def __init__(self, goals: int = 4) -> None:
        self._limit = goals
        self._frame: F | None = None
        self._goals: deque[G] = deque()
        self._goal_was_last = False
        self._closed = False
        self._awaited = False
        self._changed = threading.Condition()

    def put(self, frame: F) -> bool:
        """Leave the newest frame; never waits for it to be taken. Whether it replaced one."""
        with self._changed:
            if self._closed:
                return False
            replaced = self._frame is not None
            self._frame = frame
            awaited = self._awaited
            self._changed.notify()
        if awaited:
            # Waking needs the interpreter, and this thread would keep it: rclpy's executor
            # computes for most of a millisecond before it waits again.
            time.sleep(HANDING_OVER)
        return replaced

    def ask(self, goal: G) -> bool:
        """Queue a goal; never waits. False if too many wait already, or the box is closed."""
        with self._changed:
            if self._closed or len(self._goals) >= self._limit:
                return False
            self._goals.append(goal)
            self._changed.notify()
            return True

    def take(self, timeout: float, frames: bool = True) -> F | G | None:
        """Wait at most ``timeout`` seconds for a goal or, if ``frames``, the newest frame.

        None when nothing came in time or the box is closed.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while not self._closed:
                item = self._next(frames)
                if item is not None:
                    return item
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self._awaited = frames
                self._changed.wait(left)
                self._awaited = False
        return None

    def _next(self, frames: bool) -> F | G | None:
        frame = self._frame if frames else None
        if self._goals and not (self._goal_was_last and frame is not None):
            self._goal_was_last = True
            return self._goals.popleft()
        if frame is not None:
            self._goal_was_last = False
            self._frame = None
        return frame

    def clear(self) -> None:
        """Forget the waiting frame, which is then too old to be wanted. Goals stay."""
        with self._changed:
            self._frame = None

    def close(self) -> list[G]:
        """Take nothing more and wake who waits; the goals that nobody answers now."""
        with self._changed:
            self._closed = True
            self._frame = None
            left = list(self._goals)
            self._goals.clear()
            self._changed.notify_all()
            return left

    @property
    def closed(self) -> bool:
        """Whether nothing more will come."""
        with self._changed:
            return self._closed

    @property
    def waiting(self) -> bool:
        """Whether a newer frame waits."""
        with self._changed:
            return self._frame is not None
