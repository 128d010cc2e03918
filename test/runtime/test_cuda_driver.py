"""The driver is asked in a process of its own, so that nothing it does ends ours."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mmser_ros.runtime.cuda_driver import Driver, Gpu, ask

LIBRARY = """
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int cuInit(unsigned flags) {
  const char *behaviour = getenv("FAKE_DRIVER");
  if (!strcmp(behaviour, "crash")) raise(SIGSEGV);
  if (!strcmp(behaviour, "hang")) sleep(60);
  return atoi(behaviour);
}
int cuDriverGetVersion(int *version) { *version = 12060; return 0; }
int cuDeviceGetCount(int *count) { *count = 2; return 0; }
int cuDeviceGet(int *device, int number) { *device = 10 + number; return 0; }
int cuDeviceGetName(char *name, int length, int device) {
  strncpy(name, device == 10 ? "Orin" : "Thor", length); return 0;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = (size_t)64 << 30; return 0; }
int cuDeviceGetAttribute(int *value, int which, int device) {
  *value = which == 75 ? 8 : 7; return 0;
}
"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A driver that behaves as it is told, in the place of any real one."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler to make a driver with")
    (tmp_path / "driver.c").write_text(LIBRARY)
    library = str(tmp_path / "libcuda.so.1")
    command = [compiler, "-shared", "-fPIC", "-o", library, str(tmp_path / "driver.c")]
    subprocess.run(command, check=True, timeout=60)
    paths = [str(tmp_path), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
    monkeypatch.setenv("LD_LIBRARY_PATH", os.pathsep.join(paths))
    return lambda behaviour: monkeypatch.setenv("FAKE_DRIVER", behaviour)


def test_every_gpu_is_named(driver) -> None:
    driver("0")
    gpus = (Gpu("Orin", "8.7", 64 << 30), Gpu("Thor", "8.7", 64 << 30))
    assert ask() == Driver(True, "12.6", gpus)


@pytest.mark.parametrize(
    ("behaviour", "problem"),
    [
        ("100", "no GPU is there that it may use (CUDA error 100)"),
        ("803", "library and kernel module are of different versions (CUDA error 803)"),
        ("46", "it fails (CUDA error 46)"),
        ("crash", "asking it ended the process by signal 11"),
    ],
)
def test_a_driver_that_is_of_no_use_says_why(driver, behaviour: str, problem: str) -> None:
    driver(behaviour)
    assert ask() == Driver(True, problem=problem)


def test_a_driver_that_hangs_is_given_up(driver) -> None:
    driver("hang")
    assert ask(2.0) == Driver(True, problem="it did not answer within 2 s")


def test_asking_never_fails_whatever_this_machine_has() -> None:
    found = ask()
    assert found.installed or not (found.gpus or found.problem)
