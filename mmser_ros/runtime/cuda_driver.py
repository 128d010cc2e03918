"""What the NVIDIA driver knows of its GPUs, asked without CUDA, torch or TensorRT.

A driver that does not fit its kernel module can hang or take the process down with it, and so
can TensorRT where there is no driver. So the question is asked in a process of its own:
``python -m mmser_ros.runtime.cuda_driver``.
"""

from __future__ import annotations

import ctypes
import dataclasses
import json
import subprocess
import sys
from dataclasses import dataclass

LIBRARY = "libcuda.so.1"
_MAJOR, _MINOR = 75, 76
"""CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_..."""
_MEANINGS = {
    100: "no GPU is there that it may use",
    101: "the GPU that was asked for is not there",
    803: "library and kernel module are of different versions",
    804: "it runs in a compatibility mode that this GPU does not have",
    999: "its kernel module is not loaded, or broken",
}


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU."""

    name: str
    capability: str
    """Compute capability, such as 8.7."""
    memory: int
    """Bytes in all."""


@dataclass(frozen=True, slots=True)
class Driver:
    """The driver of this machine."""

    installed: bool
    cuda: str = ""
    """The newest version of CUDA that it knows."""
    gpus: tuple[Gpu, ...] = ()
    problem: str = ""
    """Why it is of no use though it is installed, as the end of a sentence."""


def ask(timeout: float = 20.0) -> Driver:
    """What the driver says. Never raises, and lasts at most ``timeout`` seconds."""
    command = [sys.executable, "-m", "mmser_ros.runtime.cuda_driver"]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return Driver(True, problem=f"it did not answer within {timeout:g} s")
    except OSError as error:
        return Driver(True, problem=f"it could not be asked ({error})")
    if ended.returncode < 0:
        return Driver(True, problem=f"asking it ended the process by signal {-ended.returncode}")
    try:
        told = json.loads(ended.stdout)
        return Driver(**{**told, "gpus": tuple(Gpu(**gpu) for gpu in told["gpus"])})
    except (ValueError, KeyError, TypeError):
        last = (ended.stderr.strip().splitlines() or ["no words"])[-1]
        return Driver(True, problem=f"asking it failed with {last}")


def _driver() -> Driver:
    try:
        cuda = ctypes.CDLL(LIBRARY)
    except OSError:
        return Driver(False)
    error = cuda.cuInit(0)
    if error:
        return Driver(True, problem=f"{_MEANINGS.get(error, 'it fails')} (CUDA error {error})")
    version, count = ctypes.c_int(), ctypes.c_int()
    cuda.cuDriverGetVersion(ctypes.byref(version))
    cuda.cuDeviceGetCount(ctypes.byref(count))
    gpus = tuple(_gpu(cuda, number) for number in range(count.value))
    return Driver(True, f"{version.value // 1000}.{version.value % 1000 // 10}", gpus)


def _gpu(cuda: ctypes.CDLL, number: int) -> Gpu:
    device, memory = ctypes.c_int(), ctypes.c_size_t()
    name = ctypes.create_string_buffer(256)
    cuda.cuDeviceGet(ctypes.byref(device), number)
    cuda.cuDeviceGetName(name, len(name), device)
    cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    parts = []
    for attribute in (_MAJOR, _MINOR):
        value = ctypes.c_int()
        cuda.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
        parts.append(str(value.value))
    return Gpu(name.value.decode(errors="replace"), ".".join(parts), memory.value)


if __name__ == "__main__":
    print(json.dumps(dataclasses.asdict(_driver())))
