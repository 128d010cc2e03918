"""What figures were measured on, kept beside them."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any


def processor() -> str:
    """The processor's name as the kernel gives it; on ARM often only the architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model"):
            return value.strip()
    return platform.machine()


def machine() -> dict[str, Any]:
    """Processor, cores that this process may use, operating system."""
    cores = len(os.sched_getaffinity(0))
    return {"processor": processor(), "cores": cores, "system": platform.platform(terse=True)}
