"""Energy and memory as the platform counts them: RAPL, a Jetson's INA3221, an NVIDIA GPU's NVML.

Each meter counts joules of its own part of the machine, other programs included. Where nothing
can be read, a sentence says why.
"""

from __future__ import annotations

import ctypes
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

PERIOD = 0.05
"""Seconds between two looks at a power that is not summed up by the hardware."""


class Meter(Protocol):
    """Counts energy."""

    name: str
    """Of the part of the machine that it is about."""

    def joules(self) -> float:
        """Joules since some moment in the past."""
        ...


class Rapl:
    """What the processor packages took, as Intel's and AMD's count it (Linux powercap)."""

    name = "processor (RAPL)"

    def __init__(self, root: Path = Path("/")) -> None:
        """Raises OSError where it cannot be read, LookupError where there is none."""
        zones = sorted((root / "sys/class/powercap").glob("*-rapl:*"))
        self._packages = [zone for zone in zones if _words(zone / "name").startswith("package")]
        if not self._packages:
            raise LookupError("the processor has no RAPL counter that the kernel shows")
        self._last = [self._counted(zone) for zone in self._packages]
        self._sum = 0

    def joules(self) -> float:
        """Of all packages together; to be asked before a counter wraps twice (minutes)."""
        for number, zone in enumerate(self._packages):
            now, before = self._counted(zone), self._last[number]
            wrap = int(_words(zone / "max_energy_range_uj")) if now < before else 0
            self._sum += now - before + wrap
            self._last[number] = now
        return self._sum / 1e6

    def _counted(self, zone: Path) -> int:
        return int(_words(zone / "energy_uj"))


class Ina3221:
    """What goes into a Jetson module: its power, looked at again and again and summed up."""

    name = "module (INA3221)"
    RAILS = ("VDD_IN", "POM_5V_IN", "VDD_IN_TOTAL")
    """Names of the rail that feeds all others; where none is there, all rails are summed."""

    def __init__(self, root: Path = Path("/")) -> None:
        """Raises OSError where it cannot be read, LookupError where there is none."""
        monitors = sorted((root / "sys/class/hwmon").glob("hwmon*"))
        rails = {
            _words(label): (label.with_name(f"in{number}_input"),
                            label.with_name(f"curr{number}_input"))
            for monitor in monitors if _words(monitor / "name") == "ina3221"
            for number in range(1, 4)
            if (label := monitor / f"in{number}_label").exists()
        }  # fmt: skip
        feeding = [rails[name] for name in self.RAILS if name in rails][:1]
        self._rails = feeding or list(rails.values())
        if not self._rails:
            raise LookupError("there is no INA3221 as on a Jetson")
        self.watts()
        self._sum, self._at = 0.0, time.monotonic()
        self._lock = threading.Lock()
        threading.Thread(target=self._watch, daemon=True).start()

    def watts(self) -> float:
        """The power at this moment."""
        return sum(int(_words(volt)) * int(_words(ampere)) for volt, ampere in self._rails) / 1e6

    def joules(self) -> float:
        """Since the meter was made."""
        with self._lock:
            now = time.monotonic()
            self._sum += self.watts() * (now - self._at)
            self._at = now
            return self._sum

    def _watch(self) -> None:
        while True:
            time.sleep(PERIOD)
            self.joules()


class Nvml:
    """What an NVIDIA GPU took, and how much of its memory is used, as its driver counts it."""

    name = "GPU (NVML)"

    def __init__(self, library: str = "libnvidia-ml.so.1") -> None:
        """The first GPU that CUDA sees. Raises LookupError where there is none."""
        try:
            self._nvml = ctypes.CDLL(library)
        except OSError:
            raise LookupError("there is no NVIDIA driver with NVML") from None
        self._gpu = ctypes.c_void_p()
        number = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
        asked = ctypes.c_uint(int(number) if number.isdecimal() else 0)
        if self._nvml.nvmlInit_v2() or self._nvml.nvmlDeviceGetHandleByIndex_v2(
            asked, ctypes.byref(self._gpu)
        ):
            raise LookupError("NVML finds no GPU")

    def joules(self) -> float:
        """Since the driver was loaded. Raises LookupError for a GPU that does not count it."""
        millijoules = ctypes.c_ulonglong()
        if self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._gpu, ctypes.byref(millijoules)):
            raise LookupError("this GPU does not count its energy")
        return millijoules.value / 1e3

    def used(self) -> int:
        """Bytes of the GPU's memory that all programs together use."""
        memory = (ctypes.c_ulonglong * 3)()  # total, free, used
        if self._nvml.nvmlDeviceGetMemoryInfo(self._gpu, ctypes.byref(memory)):
            raise LookupError("this GPU does not tell its memory")
        return int(memory[2])


def meters(root: Path = Path("/")) -> tuple[list[Meter], list[str]]:
    """Every meter of this machine, and why the others are none."""
    found: list[Meter] = []
    lacking = []
    kinds: tuple[Callable[[], Meter], ...] = (lambda: Rapl(root), lambda: Ina3221(root), Nvml)
    for kind in kinds:
        try:
            meter = kind()
            meter.joules()
            found.append(meter)
        except LookupError as error:
            lacking.append(str(error))
        except OSError as error:
            lacking.append(f"{error.filename} can be read by root alone")
    return found, lacking


@contextmanager
def metered(found: list[Meter]) -> Iterator[dict[str, float]]:
    """Joules by the name of each meter that the block took; filled in at its end."""
    spent: dict[str, float] = {}
    before = [meter.joules() for meter in found]
    yield spent
    for meter, begun in zip(found, before, strict=True):
        spent[meter.name] = meter.joules() - begun


def peak_memory() -> int:
    """Most bytes of memory that this process has had at once."""
    for line in _words(Path("/proc/self/status")).splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    # elsewhere than on Linux, where this would count the parent's memory too
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def gpu_memory() -> int | None:
    """Bytes of the GPU's memory that are used; None where nothing tells."""
    try:
        return Nvml().used()
    except LookupError:
        return None


def _words(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
