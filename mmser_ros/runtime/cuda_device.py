"""A CUDA GPU through its driver: one stream, memory that is used again, copies, CUDA graphs.

By the package cuda-bindings: NVIDIA's own, a few megabytes, and all that TensorRT leaves to its
caller. torch could do the same, but is a hundred times as large and no part of a robot that runs
TensorRT.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mmser_ros.runtime.engine import EngineError

SMALLEST = 256
"""Bytes of the smallest piece of memory; an empty array has an address too."""


@dataclass(frozen=True, slots=True, eq=False)
class DeviceArray:
    """An array in the GPU's memory, which is used again when nothing refers to it any more."""

    address: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    memory: Any
    """Holds the memory; arrays may share it."""

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def part(self, first: int, shape: tuple[int, ...]) -> DeviceArray:
        """An array of another shape in the same memory, from element ``first`` on."""
        address = self.address + first * self.dtype.itemsize
        return DeviceArray(address, shape, self.dtype, self.memory)


class _Memory:
    """A piece of memory that goes back to its shelf when dropped.

    Whoever takes it next uses it later in the same stream, so that nothing waits.
    """

    def __init__(self, shelf: list[int], address: int) -> None:
        self._shelf, self.address = shelf, address

    def __del__(self) -> None:
        self._shelf.append(self.address)


def has_driver() -> bool:
    """Whether an NVIDIA driver is installed; it may still find no GPU."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def probe_driver() -> None:
    """Raise EngineError unless there are a driver and a GPU.

    By ctypes and before anything of CUDA is imported: TensorRT may crash the process where
    there is no driver.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise EngineError(
            "There is no NVIDIA driver here (libcuda.so.1 cannot be loaded): install one, or "
            "choose another engine."
        ) from error
    status = driver.cuInit(0)
    if status != 0:
        raise EngineError(
            f"The NVIDIA driver finds no GPU that it can use (cuInit gives {status}): see what "
            "nvidia-smi says, or choose another engine."
        )


class Device:
    """The first GPU. Serves one thread at a time; call ``use`` first in each."""

    def __init__(self) -> None:
        """Raises EngineError without driver, GPU or the package cuda-bindings."""
        probe_driver()
        try:
            from cuda.bindings import driver
        except ImportError as error:
            raise EngineError(
                f"TensorRT needs the package cuda-bindings ({error}): pip install cuda-bindings, "
                "of the CUDA version that nvidia-smi shows"
            ) from error
        self._cuda: Any = driver
        self._call("cuInit", 0)
        self._device = self._call("cuDeviceGet", 0)
        self._context = self._call("cuDevicePrimaryCtxRetain", self._device)
        self.use()
        self._stream = self._call("cuStreamCreate", driver.CUstream_flags.CU_STREAM_NON_BLOCKING)
        self._shelves: dict[int, list[int]] = {}
        self._allocated: list[int] = []
        self._pinned: list[Any] = []
        self._graphs: list[Any] = []
        self._events: list[Any] = []

    @property
    def name(self) -> str:
        """Of the GPU, as its driver has it."""
        raw: bytes = self._call("cuDeviceGetName", 100, self._device)
        return raw.split(b"\0")[0].decode()

    @property
    def capability(self) -> str:
        """Compute capability, such as 8.7."""
        kinds = self._cuda.CUdevice_attribute
        parts = ("MAJOR", "MINOR")
        names = [f"CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_{part}" for part in parts]
        numbers = [
            self._call("cuDeviceGetAttribute", getattr(kinds, name), self._device)
            for name in names
        ]
        return ".".join(map(str, numbers))

    @property
    def stream(self) -> int:
        """The handle of the stream in which everything happens."""
        return int(self._stream)

    def use(self) -> None:
        """Make the GPU's context that of the calling thread."""
        self._call("cuCtxSetCurrent", self._context)

    def array(self, shape: tuple[int, ...], dtype: DTypeLike) -> DeviceArray:
        """Memory for an array; its content is whatever was there."""
        kind = np.dtype(dtype)
        size = max(SMALLEST, math.prod(shape) * kind.itemsize)
        size = 1 << (size - 1).bit_length()  # few sizes, so that memory is found again
        shelf = self._shelves.setdefault(size, [])
        if not shelf:
            self._allocated.append(int(self._call("cuMemAlloc", size)))
            shelf.append(self._allocated[-1])
        memory = _Memory(shelf, shelf.pop())
        return DeviceArray(memory.address, shape, kind, memory)

    def pinned(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Zeros on the host that are copied without being staged, until ``close``."""
        kind = np.dtype(dtype)
        count = math.prod(shape)
        address = self._call("cuMemAllocHost", max(1, count * kind.itemsize))
        self._pinned.append(address)
        raw = (ctypes.c_char * (count * kind.itemsize)).from_address(int(address))
        values = np.ndarray(shape, kind, memoryview(raw))
        values[:] = 0
        return values

    def landing(self, shape: tuple[int, ...], dtype: DTypeLike) -> Landing:
        """Where arrays of this kind can land on the host, until ``close``."""
        self._events.append(
            self._call("cuEventCreate", self._cuda.CUevent_flags.CU_EVENT_DISABLE_TIMING)
        )
        return Landing(self, self.pinned(shape, dtype), self._events[-1])

    def clear(self, array: DeviceArray) -> None:
        """Fill with zeros."""
        self._call("cuMemsetD8Async", array.address, 0, array.nbytes, self._stream)

    def upload(self, array: DeviceArray, values: NDArray[Any]) -> None:
        """Copy to the start of an array. ``values`` are contiguous; pinned ones must not change
        before ``wait``, while of others the driver has its own copy at once.
        """
        if values.nbytes:
            self._call(
                "cuMemcpyHtoDAsync", array.address, values.ctypes.data, values.nbytes, self._stream
            )

    def download(self, values: NDArray[Any], array: DeviceArray) -> None:
        """Copy from the start of an array; ``values``, contiguous, are there after ``wait``."""
        if values.nbytes:
            self._call(
                "cuMemcpyDtoHAsync", values.ctypes.data, array.address, values.nbytes, self._stream
            )

    def copy(self, target: DeviceArray, source: DeviceArray) -> None:
        """Copy all of ``source`` to the start of ``target``."""
        size = source.nbytes
        self._call("cuMemcpyDtoDAsync", target.address, source.address, size, self._stream)

    def copy_rows(
        self, target: DeviceArray, pitch: int, source: DeviceArray, width: int, rows: int
    ) -> None:
        """Copy the first ``width`` bytes of each of so many rows of ``source``, to rows that
        begin ``pitch`` bytes apart.
        """
        copy = self._cuda.CUDA_MEMCPY2D()
        kind = self._cuda.CUmemorytype.CU_MEMORYTYPE_DEVICE
        copy.srcMemoryType = copy.dstMemoryType = kind
        copy.srcDevice, copy.srcPitch = source.address, source.nbytes // rows
        copy.dstDevice, copy.dstPitch = target.address, pitch
        copy.WidthInBytes, copy.Height = width, rows
        self._call("cuMemcpy2DAsync", copy, self._stream)

    def wait(self) -> None:
        """Until all that was begun is done."""
        self._call("cuStreamSynchronize", self._stream)

    def mark(self, event: Any) -> None:
        """Let an event of this device stand for all that was begun by now."""
        self._call("cuEventRecord", event, self._stream)

    def wait_for(self, event: Any) -> None:
        """Until all is done that ``event`` stands for; what was begun later goes on."""
        self._call("cuEventSynchronize", event)

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """A function that does on the GPU what ``work`` began in this stream, in one launch."""
        mode = self._cuda.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self._call("cuStreamBeginCapture", self._stream, mode)
        try:
            work()
        finally:
            graph = self._call("cuStreamEndCapture", self._stream)
        ready = self._call("cuGraphInstantiate", graph, 0)
        self._call("cuGraphDestroy", graph)
        self._graphs.append(ready)
        return lambda: self._call("cuGraphLaunch", ready, self._stream)

    def close(self) -> None:
        """Free everything; no array of this device may be used again."""
        self.use()
        self.wait()
        for graph in self._graphs:
            self._call("cuGraphExecDestroy", graph)
        for event in self._events:
            self._call("cuEventDestroy", event)
        for address in self._allocated:
            self._call("cuMemFree", address)
        for pinned in self._pinned:
            self._call("cuMemFreeHost", pinned)
        self._call("cuStreamDestroy", self._stream)
        self._call("cuDevicePrimaryCtxRelease", self._device)

    def _call(self, name: str, *arguments: Any) -> Any:
        """Call the driver; raises EngineError for any status but success."""
        status, *results = getattr(self._cuda, name)(*arguments)
        if int(status) != 0:
            found, text = self._cuda.cuGetErrorString(status)
            told = text.decode() if int(found) == 0 and text else f"status {int(status)}"
            raise EngineError(f"The GPU's driver refuses {name}: {told}.")
        return results[0] if results else None


class Landing:
    """Where an array lands on the host while the device goes on."""

    def __init__(self, device: Device, values: NDArray[Any], event: Any) -> None:
        self._device, self._values, self._event = device, values, event

    def begin(self, array: DeviceArray) -> None:
        """Copy the start of an array; what landed before must have been read."""
        self._device.download(self._values, array)
        self._device.mark(self._event)

    def read(self) -> NDArray[Any]:
        """Wait for what was begun; good until the next ``begin``."""
        self._device.wait_for(self._event)
        return self._values
