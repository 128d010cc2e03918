"""What the engines of a CPU share: a KV cache in numpy around graphs that somebody runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmser_ros.model.config import ModelConfig
from mmser_ros.runtime.engine import Choice, EngineInfo, Floats, Levels, lengthened, rewound
from mmser_ros.runtime.graphs import DECODE, ENCODE, GLANCE, SHARPEN, Graph
from mmser_ros.runtime.scores import HostScores, one_by_one

Run = Callable[[Mapping[str, NDArray[Any]]], Mapping[str, Floats]]
"""Runs one graph: its inputs by name to its outputs by name."""


class HostEngine:
    """Keeps the engine contract for whoever runs the four graphs on arrays of the host."""

    def __init__(
        self,
        config: ModelConfig,
        info: EngineInfo,
        embedding: Floats,
        runs: Mapping[Graph, Run],
        fewest: int,
    ) -> None:
        """``embedding`` (V, D) is the decoder's; ``fewest``: slots of the cache that the graph
        ``decode`` reads at least, where none of them is filled.
        """
        self.info, self._fewest = info, fewest
        self._config, self._embedding, self._runs = config, embedding, dict(runs)
        decoder = config.decoder
        head = decoder.width // decoder.heads
        shape = (2 * decoder.depth, decoder.heads, decoder.positions, head)
        self._cache = np.zeros(shape, np.float32)
        self._length = 0

    @property
    def length(self) -> int:
        """Positions in the KV cache."""
        return self._length

    def encode(self, pixels: Floats) -> Levels:
        """(B, 3 or 6, H, W) -> levels (B, m, N, d), and what the look head sees."""
        if len(pixels) == 0:
            return self._nothing()
        found = self._runs[ENCODE]({"pixels": pixels})
        return Levels(found["levels"], found.get("things"), pooled(found["levels"]))

    def glance(self, levels: Levels) -> Floats:
        """Last level of one image -> prefix (1, N, D)."""
        return self._runs[GLANCE]({"last": levels.tokens[:, -1]})["prefix"]

    def sharpen(
        self, levels: Levels, details: Levels, places: Floats, draft: Sequence[int]
    ) -> Floats:
        """Levels of frame and details, and a draft -> prefix (1, N, D)."""
        inputs = {
            "levels": levels.tokens,
            "details": details.tokens[None],
            "places": places[None],
            "draft": self._embed(draft)[None],
        }
        return self._runs[SHARPEN](inputs)["prefix"]

    def prefill(self, prefix: Any, ids: Sequence[int], keep: int) -> HostScores:
        """Open a sequence; scores of its last ``keep`` positions."""
        self._length = 0
        return self._append(np.concatenate([prefix[0], self._embed(ids)]), keep)

    def extend(self, ids: Sequence[int]) -> HostScores:
        """Append n ids; scores of all n."""
        return self._append(self._embed(ids), len(ids))

    def generate(self, token: int, count: int) -> Iterator[Choice]:
        """Append a token, then the most probable one after it, and so on."""
        return one_by_one(self.extend, token, count)

    def rewind(self, length: int) -> None:
        """Shorten the open sequence."""
        self._length = rewound(self._length, length)

    def close(self) -> None:
        """Free graphs, weights and cache."""
        self._runs.clear()
        del self._embedding, self._cache

    def _append(self, x: Floats, keep: int) -> HostScores:
        begin, count = self._length, len(x)
        after = lengthened(begin, count, self._cache.shape[2])
        logits, fresh = self._decode(x, count - keep)
        self._cache[:, :, begin:after] = fresh  # all that is ever copied of the cache
        self._length = after
        return HostScores(logits)

    def _decode(self, x: Floats, first: int) -> tuple[Floats, Floats]:
        """Logits of the rows of ``x`` (n, D) from ``first`` on, and the n new slots."""
        slots = None if self._length else self._fewest
        inputs = {
            "x": x,
            "cache": self._cache[:, :, :slots],
            "length": np.array([self._length]),
            "first": np.array([first]),
        }
        found = self._runs[DECODE](inputs)
        return found["logits"], found["fresh"]

    def _embed(self, ids: Sequence[int]) -> Floats:
        return self._embedding[np.asarray(ids, np.int64)]

    def _nothing(self) -> Levels:
        """What is seen in no image at all: that of a model which looks at no details."""
        vision, (rows, columns) = self._config.vision, self._config.grid
        shape = (0, len(vision.taps), self._config.visual_tokens, vision.width)
        levels, classes = np.zeros(shape, np.float32), len(self._config.things)
        things = np.zeros((0, 2 * rows, 2 * columns, classes), np.float32) if classes else None
        return Levels(levels, things, pooled(levels))


def pooled(levels: Floats) -> Floats:
    """(B, m, N, d) -> (B, m d): every level averaged over its tokens."""
    images, taps, _, width = levels.shape
    return levels.mean(2).reshape(images, taps * width)


def default_threads() -> int:
    """Two, or one on a machine with a single core."""
    return max(1, min(2, _physical_cores()))


def _physical_cores() -> int:
    """Cores that this process may use; hyper-threads of one core count once."""
    try:
        usable = os.sched_getaffinity(0)
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1
    siblings = set()
    for number in usable:
        topology = Path(f"/sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list")
        try:
            siblings.add(topology.read_text())
        except OSError:
            siblings.add(str(number))
    return len(siblings)
