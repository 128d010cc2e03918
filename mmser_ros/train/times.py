"""How long the parts of a run take: ``times.jsonl`` beside its checkpoints.

A line a piece of work, so that a run that was killed and goes on counts what it did before.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmser_ros.train.lines import add, rows

FILE = "times.jsonl"


@contextmanager
def timed(work: Path, part: str) -> Iterator[None]:
    """Note how long the block takes, if it ends well."""
    begun = time.monotonic()
    yield
    note(work, part, time.monotonic() - begun)


def note(work: Path, part: str, seconds: float) -> None:
    """Note that so much of a part was done. Raises OSError."""
    add(work / FILE, {"part": part, "seconds": round(seconds, 2)})


def spent(work: Path) -> dict[str, float]:
    """Seconds by part, in the order of the work; empty if nothing was noted."""
    path, found = work / FILE, defaultdict[str, float](float)
    for row in rows(path) if path.is_file() else ():
        found[row["part"]] += row["seconds"]
    return dict(found)
