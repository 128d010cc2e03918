"""Batches made ahead: while one is learnt from, the next is read from disk in a thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

Batch = TypeVar("Batch")


class Ahead(Generic[Batch]):
    """Calls ``make(k)``, and begins with ``make(k + 1)`` before anybody asks.

    For use in a ``with`` statement, which ends the thread.
    ``make`` must depend on k alone; what it raises is raised where its batch is asked for.
    """

    def __init__(self, make: Callable[[int], Batch]) -> None:
        self._make = make
        self._thread = ThreadPoolExecutor(1)
        self._waiting: dict[int, Future[Batch]] = {}

    def __call__(self, k: int) -> Batch:
        """Batch k."""
        wanted = self._waiting.pop(k, None) or self._thread.submit(self._make, k)
        self._waiting = {k + 1: self._thread.submit(self._make, k + 1)}
        return wanted.result()

    def __enter__(self) -> Ahead[Batch]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._thread.shutdown(cancel_futures=True)
