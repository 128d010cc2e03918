"""Freed memory that is kept: no pages are mapped anew for the next image."""

from __future__ import annotations

import platform
import resource
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
from mmser_ros.memory import keep_freed

if sys.argv[1] == "kept":
    assert keep_freed(64 << 20)

def images(count):
    for _ in range(count):
        [bytes(range(256)) * 4096 for _ in range(3)]

images(5)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
images(20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not GNU's")
def test_images_find_the_memory_of_those_before() -> None:
    faults = {}
    for how in ("kept", "given back"):
        command = [sys.executable, "-c", SCRIPT, how]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        faults[how] = int(done.stdout)
    pages = 60 * (1 << 20) // resource.getpagesize()
    assert faults["kept"] < pages / 150 and faults["given back"] > pages / 3
