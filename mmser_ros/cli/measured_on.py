"""What figures were measured on, kept beside them."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

TELLING = (
    "avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16",
    "asimddp", "i8mm", "bf16", "sve",
)  # fmt: skip
"""Instructions that decide how fast a processor multiplies matrices, as the kernel calls them."""


def processor() -> str:
    """The processor's name as the kernel gives it; on ARM often only the architecture."""
    return _told("model name", "Model") or platform.machine()


def machine() -> dict[str, Any]:
    """Processor, its instructions of TELLING, cores that this process may use, system."""
    known = set(_told("flags", "Features").split())
    return {
        "processor": processor(),
        "instructions": [name for name in TELLING if name in known],
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(terse=True),
    }


def _told(*keys: str) -> str:
    """What the kernel says of the first processor under the first of the keys that it knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() in keys:
            return value.strip()
    return ""
