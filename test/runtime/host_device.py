"""A GPU and TensorRT acted on the host, to try everything around them without either.

Memory is the host's and addresses are real. What is begun is done as late as a GPU may do it, when
somebody waits for it: who changes what the GPU has yet to read gets what a GPU would make of it. A
context runs the very network that TensorRT would be given, in ONNX Runtime, on what lies at the
addresses that were bound.
"""

from __future__ import annotations

import ctypes
import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from mmser_ros.model.config import load_config
from mmser_ros.runtime import plans
from mmser_ros.runtime.cuda_device import Device, DeviceArray
from mmser_ros.runtime.engine import EngineInfo
from mmser_ros.runtime.graphs import GRAPHS, read_parameters
from mmser_ros.runtime.networks import network
from mmser_ros.runtime.tensorrt_api import Profile
from mmser_ros.runtime.tensorrt_engine import TensorRtEngine
from mmser_ros.runtime.weights import EMBEDDING, load_weights


class HostDriver:
    """What ``Device`` asks of cuda.bindings.driver, done on the host."""

    def __init__(self) -> None:
        self.blocks: dict[int, Any] = {}
        self.pinned: list[range] = []
        self.begun: list[Callable[[], Any]] = []
        """What the stream has yet to do."""
        self.done = 0
        self.events = itertools.count()
        self.marks: dict[int, int] = {}
        """How much is to be done for each event."""
        self.waits: list[str] = []
        """What was waited for: the stream, or an event."""

    class CUDA_MEMCPY2D:
        pass

    class CUmemorytype:
        CU_MEMORYTYPE_DEVICE = 2

    class CUevent_flags:
        CU_EVENT_DISABLE_TIMING = 2

    def cuMemAlloc(self, size: int) -> tuple:
        block = np.full(size, 0xFF, np.uint8)  # nan, as forgotten memory may hold
        self.blocks[block.ctypes.data] = block
        return 0, block.ctypes.data

    def cuMemAllocHost(self, size: int) -> tuple:
        _, address = self.cuMemAlloc(size)
        self.pinned.append(range(address, address + size))
        return 0, address

    def cuMemsetD8Async(self, address: int, value: int, size: int, stream: Any) -> tuple:
        return self.begin(lambda: ctypes.memset(address, value, size))

    def cuMemcpyHtoDAsync(self, to: int, source: int, size: int, stream: Any) -> tuple:
        if any(source in block for block in self.pinned):
            return self.cuMemcpyDtoDAsync(to, source, size, stream)
        staged = ctypes.string_at(source, size)
        return self.begin(lambda: ctypes.memmove(to, staged, size))

    def cuMemcpyDtoDAsync(self, to: int, source: int, size: int, stream: Any) -> tuple:
        return self.begin(lambda: ctypes.memmove(to, source, size))

    cuMemcpyDtoHAsync = cuMemcpyDtoDAsync

    def cuMemcpy2DAsync(self, copy: Any, stream: Any) -> tuple:
        assert copy.WidthInBytes <= copy.srcPitch and copy.WidthInBytes <= copy.dstPitch
        for row in range(copy.Height):
            target, source = copy.dstDevice + row * copy.dstPitch, copy.srcDevice
            self.cuMemcpyDtoDAsync(target, source + row * copy.srcPitch, copy.WidthInBytes, stream)
        return (0,)

    def cuEventCreate(self, flags: int) -> tuple:
        return 0, next(self.events)

    def cuEventRecord(self, event: int, stream: Any) -> tuple:
        self.marks[event] = self.done + len(self.begun)
        return (0,)

    def cuEventSynchronize(self, event: int) -> tuple:
        self.waits.append("event")
        return self.finish(self.marks[event])

    def cuStreamSynchronize(self, stream: Any) -> tuple:
        self.waits.append("stream")
        return self.finish(self.done + len(self.begun))

    def begin(self, work: Callable[[], Any]) -> tuple:
        self.begun.append(work)
        return (0,)

    def finish(self, number: int) -> tuple:
        """Do the first ``number`` of everything that was ever begun."""
        while self.done < number:
            self.begun.pop(0)()
            self.done += 1
        return (0,)


class HostDevice(Device):
    """A device whose driver is the host; it counts the launches of its CUDA graphs."""

    def __init__(self) -> None:
        self._cuda = HostDriver()
        self._stream = 0
        self._shelves, self._allocated, self._pinned, self._graphs = {}, [], [], []
        self._events = []
        self.launches = 0

    def use(self) -> None:
        pass

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        def launch() -> None:
            self.launches += 1
            work()

        return launch

    def close(self) -> None:
        self._cuda.blocks.clear()


class HostContext:
    """One graph within the bounds of one profile."""

    def __init__(
        self, driver: HostDriver, session: onnxruntime.InferenceSession, profile: Profile
    ) -> None:
        self._driver, self._session, self._profile = driver, session, profile
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}
        for value in session.get_inputs():
            if value.name not in profile.shapes:
                self._shapes[value.name] = tuple(value.shape)

    def shape(self, name: str, shape: tuple[int, ...]) -> None:
        low, _, high = self._profile.shapes[name]
        assert len(shape) == len(low)
        assert all(a <= n <= b for a, n, b in zip(low, shape, high, strict=True)), (name, shape)
        self._shapes[name] = shape

    def bind(self, name: str, address: int) -> None:
        assert address
        self._addresses[name] = address

    def run(self, stream: int) -> None:
        addresses, shapes = dict(self._addresses), dict(self._shapes)
        for name, (low, _, high) in self._profile.values.items():  # read at once, as shapes are
            shapes[name] = int(_at(addresses[name], (1,), "tensor(int64)")[0])
            assert low <= shapes[name] <= high
        self._driver.begin(lambda: self._compute(addresses, shapes))

    def _compute(self, addresses: dict[str, int], shapes: dict[str, Any]) -> None:
        feeds = {
            value.name: np.array([shapes[value.name]])
            if value.name in self._profile.values
            else _at(addresses[value.name], shapes[value.name], value.type)
            for value in self._session.get_inputs()
        }
        outputs = self._session.get_outputs()
        for value, found in zip(outputs, self._session.run(None, feeds), strict=True):
            found = np.ascontiguousarray(found)
            ctypes.memmove(addresses[value.name], found.ctypes.data, found.nbytes)


def _at(address: int, shape: tuple[int, ...], kind: str) -> np.ndarray:
    dtypes = {"tensor(float)": "f4", "tensor(float16)": "f2", "tensor(int64)": "i8"}
    dtype = np.dtype(dtypes[kind])
    size = math.prod(shape) * dtype.itemsize
    return np.frombuffer(ctypes.string_at(address, size), dtype).reshape(shape)


def on_host(folder: Path, precision: str) -> tuple[TensorRtEngine, HostDevice]:
    """The TensorRT engine of a model folder, without TensorRT and without a GPU."""
    config = load_config(folder / "config.json")
    needed, weights = read_parameters(folder, config), load_weights(folder)
    device, contexts = HostDevice(), {}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    for graph in GRAPHS:
        proto = network(folder, graph, needed[graph.name], weights, precision)
        session = onnxruntime.InferenceSession(proto.SerializeToString(), options)
        profiles = plans.profiles(graph, config)
        contexts[graph.name] = [
            HostContext(device._cuda, session, profile) for profile in profiles
        ]
    info = EngineInfo(config.name, "0" * 12, "tensorrt on the host", precision, "cpu")
    return TensorRtEngine(config, info, weights[EMBEDDING], device, contexts), device


def to_host(device: HostDevice, array: DeviceArray) -> np.ndarray:
    """A copy of what lies in a device array."""
    device.wait()
    raw = ctypes.string_at(array.address, array.nbytes)
    return np.frombuffer(raw, array.dtype).reshape(array.shape).astype(np.float32)
