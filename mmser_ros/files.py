"""Files that are there whole or not at all, and what tells one from another."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Where to write instead of ``path``; what was written takes its place when the block ends.

    An error, a full disk or a kill leaves the old file as it was.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def digest(path: Path) -> str:
    """First 12 hexadecimal digits of the file's SHA-256. Raises OSError if it cannot be read."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            sha.update(block)
    return sha.hexdigest()[:12]
