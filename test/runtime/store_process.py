"""A process that uses a store: store_process.py FOLDER NAME=VALUE ...

seconds: that a build takes; size: bytes of the plan; die: the place where it is killed, see
KILLED_IN; room: the most bytes that a file may have, as if the disk were full. It appends a line
to FOLDER.builds when it begins to build, and prints the size of what was loaded.
"""

from __future__ import annotations

import functools
import logging
import os
import resource
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

from mmser_ros.runtime.store import Key, Store

KEY = Key("tiny decode", "weights1", "graph1", "abacus 1.0", "wood", "8.7", "fp16", {"x": "1..8"})
PLAN = b"what abacus built" * 1000
KILLED_IN = {
    "build": (time, "sleep", 1),
    "making room": (shutil, "rmtree", 1),
    "writing the plan": (os, "fsync", 1),
    "naming the plan": (os, "replace", 1),
    "writing the manifest": (os, "fsync", 2),
    "naming the manifest": (os, "replace", 2),
}
"""By name: a function, and in which call of it the process is killed."""


def die_in(place: str) -> None:
    module, name, number = KILLED_IN[place]
    original, calls = getattr(module, name), 0

    def counted(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*given, **named)

    setattr(module, name, counted)


def main(folder: Path, seconds: float, size: int, die: str, room: int) -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")

    def build() -> bytes:
        with folder.with_suffix(".builds").open("a") as builds:
            builds.write("building\n")
        time.sleep(seconds)
        if room:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        return PLAN[:size]

    if die:
        die_in(die)
    told = functools.partial(print, flush=True)
    print(Store(folder).fetch(KEY, build, lambda plan: len(bytes(plan)), told))


if __name__ == "__main__":
    chosen = dict(argument.split("=") for argument in sys.argv[2:])
    main(
        Path(sys.argv[1]),
        float(chosen.get("seconds", 0)),
        int(chosen.get("size", len(PLAN))),
        chosen.get("die", ""),
        int(chosen.get("room", 0)),
    )
