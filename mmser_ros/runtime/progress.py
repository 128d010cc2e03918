"""Tells for how long something has been going on that takes minutes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str], None]
"""Told once a second, from another thread, what goes on: building nano decode 3:10."""


@contextmanager
def ticking(doing: str, progress: Progress | None) -> Iterator[None]:
    """Tell ``progress``, if there is one, once a second for how long it has been going on."""
    if progress is None:
        yield
        return
    tell, began, ended = progress, time.monotonic(), threading.Event()

    def tick() -> None:
        while not ended.is_set():
            tell(f"{doing} {minutes(time.monotonic() - began)}")
            ended.wait(1.0)

    ticker = threading.Thread(target=tick, name="progress", daemon=True)
    ticker.start()
    try:
        yield
    finally:
        ended.set()
        ticker.join()


def minutes(seconds: float) -> str:
    """A duration in words: 3:10."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
