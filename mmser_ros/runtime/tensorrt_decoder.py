"""The decoder of the TensorRT engine: a KV cache on the GPU, and a CUDA graph for each bucket.

Nothing is written on the host that the GPU has yet to read, so that a call is begun without
waiting for those before it.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmser_ros.model.config import DecoderConfig
from mmser_ros.runtime.buckets import bucket_for, buckets_within
from mmser_ros.runtime.cuda_device import Device, DeviceArray
from mmser_ros.runtime.engine import Choice, EngineError, Floats, lengthened, rewound
from mmser_ros.runtime.scores import one_ahead
from mmser_ros.runtime.tensorrt_api import Context

log = logging.getLogger(__name__)


class DeviceScores:
    """Scores that lie on the GPU, whence only what is asked for is copied."""

    def __init__(self, device: Device, logits: DeviceArray, choices: DeviceArray) -> None:
        self._device, self._logits, self._choices = device, logits, choices

    def best(self) -> Iterator[Choice]:
        """The most probable token after each position, in order."""
        return map(_choice, self._copied(self._choices))

    def logits(self) -> Floats:
        """(n, V)."""
        return self._copied(self._logits)

    def _copied(self, array: DeviceArray) -> Floats:
        found = np.empty(array.shape, np.float32)
        self._device.download(found, array)
        self._device.wait()
        return found


def _choice(row: Floats) -> Choice:
    token, chance = row.tolist()
    return int(token), chance


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
        self.length = 0
        self._device, self._width = device, config.width
        self._cache = _Cache(config, device, real)
        *fixed, widest = contexts
        self._any = _Call(config, device, widest, self._cache)
        made = dict(zip(buckets_within(config.positions), fixed, strict=True))
        self._step = _Step(1, config, device, made.pop(1), self._cache)
        self._buckets: dict[int, _Bucket] = {1: self._step} | {
            width: _Bucket(width, config, device, context, self._cache)
            for width, context in made.items()
        }

    def open(self, prefix: DeviceArray, said: NDArray[Any], keep: int) -> DeviceScores:
        """Forget what was; append a prefix (1, N, D) and embeddings (n, D)."""
        seen = prefix.shape[1]
        x = self._device.array((seen + len(said), self._width), prefix.dtype)
        self._device.copy(x, prefix)
        self._device.upload(x.part(seen * self._width, said.shape), said)
        self.length = 0
        return self._append(x, keep)

    def extend(self, said: NDArray[Any]) -> DeviceScores:
        """Append embeddings (n, D)."""
        width = bucket_for(len(said), self.length, self._cache.positions)
        if width is None:
            x = self._device.array(said.shape, said.dtype)
            self._device.upload(x, said)
            return self._append(x, len(said))
        scores = self._buckets[width].run(said, self.length)
        self.length += len(said)
        return scores

    def generate(self, said: NDArray[Any], count: int) -> Iterator[Choice]:
        """Append an embedding (1, D), then that of the most probable token, and so on."""
        room = self._cache.positions - self.length
        self._step.give(said, self.length)
        for choice in one_ahead(self._step.begin, min(count, room)):
            self.length += 1
            yield choice
        if count > room:
            lengthened(self.length, 1, self._cache.positions)

    def rewind(self, length: int) -> None:
        """Shorten the sequence."""
        self.length = rewound(self.length, length)

    def _append(self, x: DeviceArray, keep: int) -> DeviceScores:
        after = lengthened(self.length, x.shape[0], self._cache.positions)
        self._any.take(x, keep)
        self._any.compute(self.length)
        self._cache.keep(self._any.fresh, x.shape[0], self.length)
        self.length = after
        return self._any.scores(keep)


class _Cache:
    """Keys and values of the open sequence, (2 L, h, S, D / h), some of whose slots are filled."""

    def __init__(self, config: DecoderConfig, device: Device, real: np.dtype[Any]) -> None:
        self._device = device
        self._rows = 2 * config.depth * config.heads
        self._head = config.width // config.heads
        self.positions = config.positions
        self.array = device.array((self._rows, self.positions, self._head), real)
        device.clear(self.array)  # what is not filled must at least be finite
        self.filled = device.array((1,), np.int64)
        self._lengths = device.array((self.positions + 1,), np.int64)
        device.upload(self._lengths, np.arange(self.positions + 1))

    def tell(self, length: int) -> None:
        """How many slots are filled, for the next call: from the GPU, where every length lies."""
        self._device.copy(self.filled, self._lengths.part(length, (1,)))

    def new_slots(self, count: int) -> DeviceArray:
        return self._device.array((self._rows, count, self._head), self.array.dtype)

    def keep(self, fresh: DeviceArray, count: int, length: int) -> None:
        """Write the first ``count`` of new slots behind the ``length`` filled ones."""
        size = self._head * self.array.dtype.itemsize
        behind = self.array.part(length * self._head, ())
        self._device.copy_rows(behind, self.positions * size, fresh, count * size, self._rows)


class _Call:
    """What a context reads and writes in one call."""

    fresh: DeviceArray
    """New slots of the cache."""

    def __init__(
        self, config: DecoderConfig, device: Device, context: Context, cache: _Cache
    ) -> None:
        self._config, self._device = config, device
        self._context, self._cache = context, cache
        self._first = np.zeros(1, np.int64)
        context.bind("first", self._first.ctypes.data)
        context.bind("cache", cache.array.address)
        context.bind("length", cache.filled.address)

    def take(self, x: DeviceArray, keep: int) -> None:
        """Embeddings (n, D) to append, and how many of their scores are wanted."""
        count, width = x.shape
        self._x, self._first[0] = x, count - keep
        self._logits = self._device.array((keep, self._config.vocabulary), np.float32)
        self._choices = self._device.array((keep, 2), np.float32)
        self._next = self._device.array((keep, width), x.dtype)
        self.fresh = self._cache.new_slots(count)
        self._context.shape("x", x.shape)
        for name, array in (
            ("x", x),
            ("logits", self._logits),
            ("choices", self._choices),
            ("next", self._next),
            ("fresh", self.fresh),
        ):
            self._context.bind(name, array.address)

    def compute(self, length: int) -> None:
        self._cache.tell(length)
        self._context.run(self._device.stream)

    def scores(self, count: int) -> DeviceScores:
        """Of the first so many of those wanted."""
        logits = self._logits.part(0, (count, *self._logits.shape[1:]))
        return DeviceScores(self._device, logits, self._choices.part(0, (count, 2)))


class _Bucket(_Call):
    """Calls of one width: everything is bound once, and one launch computes."""

    def __init__(
        self,
        width: int,
        config: DecoderConfig,
        device: Device,
        context: Context,
        cache: _Cache,
    ) -> None:
        super().__init__(config, device, context, cache)
        x = device.array((width, config.width), cache.array.dtype)
        device.clear(x)
        self.take(x, width)
        cache.tell(0)
        self._work()  # kernels are loaded, and compiled, outside of the CUDA graph
        device.wait()
        try:
            self._launch = device.capture(self._work)
        except EngineError as error:
            log.warning("Decoding %d tokens goes without a CUDA graph: %s", width, error)
            self._launch = self._work

    def run(self, said: NDArray[Any], length: int) -> DeviceScores:
        """Append embeddings (n, D), n at most its width, behind ``length`` positions."""
        count = len(said)
        self._device.upload(self._x, said)
        self.compute(length)
        self._cache.keep(self.fresh, count, length)
        return self.scores(count)

    def compute(self, length: int) -> None:
        self._cache.tell(length)
        self._launch()

    def _work(self) -> None:
        self._context.run(self._device.stream)


class _Step(_Bucket):
    """Calls of one token, each of which can be the last one's choice."""

    def __init__(
        self,
        width: int,
        config: DecoderConfig,
        device: Device,
        context: Context,
        cache: _Cache,
    ) -> None:
        super().__init__(width, config, device, context, cache)
        self._landings = itertools.cycle([device.landing((1, 2), np.float32) for _ in range(2)])
        self._begun = 0

    def give(self, said: NDArray[Any], length: int) -> None:
        """The embedding (1, D) to begin with, and the length of the sequence before it."""
        self._device.upload(self._x, said)
        self._begun = length

    def begin(self) -> Callable[[], Choice]:
        """Append what was given or chosen last; returns what waits for the choice after it."""
        self.compute(self._begun)
        self._cache.keep(self.fresh, 1, self._begun)
        self._begun += 1
        landing = next(self._landings)
        landing.begin(self._choices)
        return lambda: _choice(landing.read()[0])

    def _work(self) -> None:
        super()._work()
        self._device.copy(self._x, self._next)
