"""What a command says on stderr while a model is opened: the engine, and how long it is built."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator

from mmser_ros.runtime.progress import Progress

_CLEARED = "\r\x1b[K"
"""Goes back to the beginning of a terminal's line and empties it."""


@contextlib.contextmanager
def opening() -> Iterator[Progress]:
    """Within it, the package's log goes to stderr; gives what tells the terminal of progress.

    Progress takes one line, which changes, and is gone in the end. Where stderr is no terminal,
    the log alone tells what is being built.
    """
    stream = sys.stderr
    terminal = stream.isatty()

    def progress(words: str) -> None:
        if terminal:
            print(f"{_CLEARED}{words}", end="", file=stream, flush=True)

    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter(f"{_CLEARED if terminal else ''}mmser: %(message)s"))
    log = logging.getLogger("mmser_ros")
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield progress
    finally:
        log.setLevel(level)
        log.removeHandler(handler)
        progress("")
