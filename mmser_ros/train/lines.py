"""Rows of JSON, a line each, that a run adds while it goes on and that outlive a kill."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def add(path: Path, row: Mapping[str, Any]) -> None:
    """One more row. Raises OSError."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """All rows but what a kill cut short. Raises OSError."""
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue
