"""The decoder of the TensorRT engine: a KV cache on the GPU, and a CUDA graph for each bucket."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmser_ros.model.config import DecoderConfig
from mmser_ros.runtime.buckets import BUCKETS, bucket_for
from mmser_ros.runtime.cuda_device import Device, DeviceArray
from mmser_ros.runtime.engine import EngineError, Floats, lengthened, rewound
from mmser_ros.runtime.tensorrt_api import Context

log = logging.getLogger(__name__)


class Decoder:
    """One open sequence, appended to in a bucket where one fits, else in a width of its own."""

    def __init__(
        self,
        config: DecoderConfig,
        device: Device,
        contexts: Sequence[Context],
        real: np.dtype[Any],
    ) -> None:
        """``contexts``: one a bucket, and a last one of any width; ``real``: type of the cache."""
        self._device, self._width, self._vocabulary = device, config.width, config.vocabulary
        self._cache = _Cache(config, device, real)
        self._first = np.zeros(1, np.int64)
        *fixed, self._any = contexts
        for context in contexts:
            context.bind("cache", self._cache.array.address)
            context.bind("length", self._cache.filled.address)
        self._any.bind("first", self._first.ctypes.data)
        widths = [width for width in BUCKETS if width <= config.positions]
        self._buckets = {
            width: _Bucket(width, config, device, context, self._cache)
            for width, context in zip(widths, fixed, strict=True)
        }

    @property
    def length(self) -> int:
        """Positions in the cache."""
        return self._cache.length

    def open(self, prefix: DeviceArray, said: NDArray[Any], keep: int) -> Floats:
        """Forget what was; append a prefix (1, N, D) and embeddings (n, D): logits (keep, V)."""
        seen = prefix.shape[1]
        x = self._device.array((seen + len(said), self._width), prefix.dtype)
        self._device.copy(x, prefix)
        self._device.upload(x.part(seen * self._width, said.shape), said)
        self._cache.length = 0
        return self._append(x, keep)

    def extend(self, said: NDArray[Any]) -> Floats:
        """Append embeddings (n, D): logits (n, V)."""
        width = bucket_for(len(said), self.length, self._cache.positions)
        if width is not None:
            return self._buckets[width].run(said)
        x = self._device.array(said.shape, said.dtype)
        self._device.upload(x, said)
        return self._append(x, len(said))

    def rewind(self, length: int) -> None:
        """Shorten the sequence."""
        self._cache.length = rewound(self.length, length)

    def _append(self, x: DeviceArray, keep: int) -> Floats:
        device, cache, count = self._device, self._cache, x.shape[0]
        cache.check_room(count)
        cache.tell_length()
        self._first[0] = count - keep
        logits = device.array((keep, self._vocabulary), np.float32)
        fresh = cache.new_slots(count)
        self._any.shape("x", x.shape)
        for name, array in (("x", x), ("logits", logits), ("fresh", fresh)):
            self._any.bind(name, array.address)
        self._any.run(device.stream)
        cache.keep(fresh, count)
        found = np.empty(logits.shape, np.float32)
        device.download(found, logits)
        device.wait()
        return found


class _Cache:
    """Keys and values of the open sequence, (2 L, h, S, D / h), and how many slots are filled."""

    def __init__(self, config: DecoderConfig, device: Device, real: np.dtype[Any]) -> None:
        self._device = device
        self._rows = 2 * config.depth * config.heads
        self._head = config.width // config.heads
        self.positions, self.length = config.positions, 0
        self.array = device.array((self._rows, self.positions, self._head), real)
        device.clear(self.array)  # what is not filled must at least be finite
        self.filled = device.array((1,), np.int64)
        self._staged = device.pinned((1,), np.int64)

    def check_room(self, count: int) -> None:
        lengthened(self.length, count, self.positions)

    def note_length(self) -> None:
        """Make ready what ``upload_length`` copies, also as part of a CUDA graph."""
        self._staged[0] = self.length

    def upload_length(self) -> None:
        self._device.upload(self.filled, self._staged)

    def tell_length(self) -> None:
        self.note_length()
        self.upload_length()

    def new_slots(self, count: int) -> DeviceArray:
        return self._device.array((self._rows, count, self._head), self.array.dtype)

    def keep(self, fresh: DeviceArray, count: int) -> None:
        """Write the first ``count`` of new slots behind the filled ones, which they join."""
        size = self._head * self.array.dtype.itemsize
        behind = self.array.part(self.length * self._head, ())
        self._device.copy_rows(behind, self.positions * size, fresh, count * size, self._rows)
        self.length += count


class _Bucket:
    """Calls of one width: everything is bound once, and one launch computes."""

    def __init__(
        self, width: int, config: DecoderConfig, device: Device, context: Context, cache: _Cache
    ) -> None:
        self._device, self._context, self._cache = device, context, cache
        self._x = device.array((width, config.width), cache.array.dtype)
        self._logits = device.array((width, config.vocabulary), np.float32)
        self._fresh = cache.new_slots(width)
        self._x_staged = device.pinned(self._x.shape, self._x.dtype)
        self._logits_staged = device.pinned(self._logits.shape, np.float32)
        self._first = np.zeros(1, np.int64)
        context.shape("x", self._x.shape)
        context.bind("first", self._first.ctypes.data)
        for name, array in (("x", self._x), ("logits", self._logits), ("fresh", self._fresh)):
            context.bind(name, array.address)
        self._compute()  # kernels are loaded, and compiled, outside of the CUDA graph
        device.wait()
        try:
            self._launch = device.capture(self._compute)
        except EngineError as error:
            log.warning("Decoding %d tokens goes without a CUDA graph: %s", width, error)
            self._launch = self._compute

    def run(self, said: NDArray[Any]) -> Floats:
        """Append embeddings (n, D), n at most its width: logits (n, V)."""
        count, device = len(said), self._device
        self._x_staged[:count] = said
        self._cache.note_length()
        self._launch()
        self._cache.keep(self._fresh, count)
        device.download(self._logits_staged[:count], self._logits)
        device.wait()
        found: Floats = self._logits_staged[:count].copy()
        return found

    def _compute(self) -> None:
        self._device.upload(self._x, self._x_staged)
        self._cache.upload_length()
        self._context.run(self._device.stream)
