"""Rows of JSON, a line each, that a run adds while it goes on and that outlive a kill."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def add(path: Path, row: Mapping[str, Any]) -> None:
    """One more row, on a line of its own even behind one that a kill cut short. Raises OSError."""
    with path.open("ab+") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
        torn = file.read() not in (b"", b"\n")
        file.write(b"\n" * torn + json.dumps(row).encode() + b"\n")


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """All rows but what a kill cut short. Raises OSError."""
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue
