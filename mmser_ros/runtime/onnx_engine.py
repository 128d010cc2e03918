"""The engine of machines without a GPU: ONNX Runtime on the CPU. Needs no torch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from mmser_ros.model.config import load_config
from mmser_ros.runtime.bound import Weights, check_weights, with_weights
from mmser_ros.runtime.engine import EngineError, EngineInfo, Floats, Levels, lengthened, rewound
from mmser_ros.runtime.graphs import (
    DECODE,
    ENCODE,
    GLANCE,
    SHARPEN,
    Graph,
    Shapes,
    read_parameters,
)
from mmser_ros.runtime.quantise import quantise
from mmser_ros.runtime.weights import digest, load_weights

EMBEDDING = "decoder.embedding.weight"
PRECISIONS = ("fp32", "int8")
"""The first is the default."""


class OnnxEngine:
    """Keeps the engine contract with a static KV cache in numpy."""

    def __init__(
        self, folder: Path, *, threads: int | None = None, precision: str = PRECISIONS[0]
    ) -> None:
        """Load a model folder. Raises BadModel or EngineError.

        ``threads``: None takes two, or one on a machine with a single core: more gain little
        on small models, and the robot has other things to do. ``precision``: fp32, or int8 for
        matrix products by weights in eight bits, faster and not quite the same.
        """
        config = load_config(folder / "config.json")
        needed = read_parameters(folder, config)
        weights = load_weights(folder)
        threads = threads or default_threads()

        def opened(graph: Graph) -> onnxruntime.InferenceSession:
            return open_session(folder, graph, weights, needed[graph.name], threads, precision)

        self._encode = opened(ENCODE)
        self._glance = opened(GLANCE)
        self._sharpen = opened(SHARPEN)
        self._decode = opened(DECODE)
        self._embedding = weights[EMBEDDING]
        self._no_levels = (0, len(config.vision.taps), config.visual_tokens, config.vision.width)
        rows, columns = config.grid
        classes = len(config.things)
        none = np.zeros((0, 2 * rows, 2 * columns, classes), np.float32)
        self._no_things = none if classes else None
        decoder = config.decoder
        head = decoder.width // decoder.heads
        shape = (2 * decoder.depth, decoder.heads, decoder.positions, head)
        self._cache = np.zeros(shape, np.float32)
        self._length = 0
        self.info = EngineInfo(
            model=config.name,
            weights_hash=digest(folder),
            backend=f"onnxruntime {onnxruntime.__version__}",
            precision=precision,
            device="cpu",
        )

    @property
    def length(self) -> int:
        """Positions in the KV cache."""
        return self._length

    def encode(self, pixels: Floats) -> Levels:
        """(B, 3 or 6, H, W) -> levels (B, m, N, d), and what the look head sees."""
        if len(pixels) == 0:
            levels, things = np.zeros(self._no_levels, np.float32), self._no_things
        else:
            levels, *shown = self._encode.run(None, {"pixels": pixels})
            things = shown[0] if shown else None
        return Levels(levels, things, pooled(levels))

    def glance(self, levels: Levels) -> Floats:
        """Last level of one image -> prefix (1, N, D)."""
        prefix: Floats = self._glance.run(None, {"last": levels.tokens[:, -1]})[0]
        return prefix

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
        prefix: Floats = self._sharpen.run(None, inputs)[0]
        return prefix

    def prefill(self, prefix: Any, ids: Sequence[int], keep: int) -> Floats:
        """Open a sequence; logits (keep, V) of its last positions."""
        self._length = 0
        return self._append(np.concatenate([prefix[0], self._embed(ids)]), keep)

    def extend(self, ids: Sequence[int]) -> Floats:
        """Append n ids; logits (n, V)."""
        return self._append(self._embed(ids), len(ids))

    def rewind(self, length: int) -> None:
        """Shorten the open sequence."""
        self._length = rewound(self._length, length)

    def close(self) -> None:
        """Free sessions, weights and cache."""
        del self._encode, self._glance, self._sharpen, self._decode
        del self._embedding, self._cache

    def _append(self, x: Floats, keep: int) -> Floats:
        begin = self._length
        after = lengthened(begin, len(x), self._cache.shape[2])
        inputs = {
            "x": x,
            "cache": self._cache,
            "length": np.array([begin]),
            "first": np.array([len(x) - keep]),
        }
        logits: Floats
        logits, fresh = self._decode.run(None, inputs)
        self._cache[:, :, begin:after] = fresh
        self._length = after
        return logits

    def _embed(self, ids: Sequence[int]) -> Floats:
        return self._embedding[np.asarray(ids, np.int64)]


def pooled(levels: Floats) -> Floats:
    """(B, m, N, d) -> (B, m d): every level averaged over its tokens."""
    images, taps, _, width = levels.shape
    return levels.mean(2).reshape(images, taps * width)


def open_session(
    folder: Path,
    graph: Graph,
    weights: Weights,
    needed: Shapes,
    threads: int,
    precision: str = PRECISIONS[0],
) -> onnxruntime.InferenceSession:
    """One graph of a model folder with its weights bound to it. Raises BadModel, EngineError."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # threads that wait by spinning would take the cores from the robot's other nodes
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    path = graph.path(folder)
    model: str | bytes
    if precision == "int8":
        proto = with_weights(folder, graph, weights, needed)
        quantise(proto)
        model = proto.SerializeToString()
    else:
        check_weights(folder, graph, weights, needed)
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(weights[name]) for name in needed]
        options.add_external_initializers(list(needed), values)
        model = str(path)
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library's own exceptions have no common base but this
        raise EngineError(f"ONNX Runtime cannot open {path}: {error}") from error


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
