"""OpenVINO on the CPU, over the same graphs as ONNX Runtime. Needs openvino and onnx, no torch.

OpenVINO prepares itself anew for every shape that it meets, and a tensor without elements ends
the process. So everything that varies is padded to one of a few sizes with what does not count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmser_ros.model.config import load_config
from mmser_ros.runtime.bound import with_weights
from mmser_ros.runtime.engine import EngineError, EngineInfo, Floats, Levels, lengthened, rewound
from mmser_ros.runtime.graphs import DECODE, ENCODE, GLANCE, SHARPEN, Graph, read_parameters
from mmser_ros.runtime.onnx_engine import EMBEDDING, default_threads, pooled
from mmser_ros.runtime.weights import digest, load_weights

HINTS = {"fp32": "f32", "bf16": "bf16"}
"""OpenVINO's words for the precisions; the first is the default."""
PRECISIONS = tuple(HINTS)

WIDTHS = (1, 8, 16)
"""Tokens that one call of the decoder takes; above, every multiple of the last."""
BESIDE = (2.0, 2.0, 3.0, 3.0)
"""Place of a detail that touches nothing: fractions of the frame, which ends at 1."""
MASKED = -1e4
"""Added to the scores of padding: the chance of attending to it becomes 0."""


class OpenVinoEngine:
    """Keeps the engine contract with a static KV cache in numpy."""

    def __init__(
        self, folder: Path, *, threads: int | None = None, precision: str = PRECISIONS[0]
    ) -> None:
        """Load a model folder. Raises BadModel or EngineError.

        ``threads``: None takes two, or one on a machine with a single core. ``precision``: fp32,
        or bf16 on processors that compute with it.
        """
        self._config = config = load_config(folder / "config.json")
        needed = read_parameters(folder, config)
        weights = load_weights(folder)
        compiler = _Compiler(threads or default_threads(), precision)

        def opened(graph: Graph) -> _Network:
            proto = with_weights(folder, graph, weights, needed[graph.name])
            if graph is SHARPEN:
                add_mask(proto)
            return compiler.compile(proto.SerializeToString(), graph.path(folder))

        self._encode = opened(ENCODE)
        self._glance = opened(GLANCE)
        self._sharpen = opened(SHARPEN)
        self._decode = opened(DECODE)
        self._embedding = weights[EMBEDDING]
        decoder = config.decoder
        head = decoder.width // decoder.heads
        shape = (2 * decoder.depth, decoder.heads, decoder.positions, head)
        self._cache = np.zeros(shape, np.float32)
        self._length = 0
        self.info = EngineInfo(
            model=config.name,
            weights_hash=digest(folder),
            backend=f"openvino {compiler.version}",
            precision=precision,
            device="cpu",
        )

    @property
    def length(self) -> int:
        """Positions in the KV cache."""
        return self._length

    def encode(self, pixels: Floats) -> Levels:
        """(B, 3 or 6, H, W) -> levels (B, m, N, d), and what the look head sees."""
        config = self._config
        if len(pixels):
            found = self._encode({"pixels": pixels})
            return Levels(found["levels"], found.get("things"), pooled(found["levels"]))
        shape = (0, len(config.vision.taps), config.visual_tokens, config.vision.width)
        levels = np.zeros(shape, np.float32)
        rows, columns = config.grid
        classes = len(config.things)
        things = np.zeros((0, 2 * rows, 2 * columns, classes), np.float32) if classes else None
        return Levels(levels, things, pooled(levels))

    def glance(self, levels: Levels) -> Floats:
        """Last level of one image -> prefix (1, N, D)."""
        return self._glance({"last": levels.tokens[:, -1]})["prefix"]

    def sharpen(
        self, levels: Levels, details: Levels, places: Floats, draft: Sequence[int]
    ) -> Floats:
        """Levels of frame and details, and a draft -> prefix (1, N, D)."""
        longest = self._config.ser.draft_positions
        if len(draft) > longest:
            raise EngineError(
                f"The draft has {len(draft)} tokens; the SeR-Connector reads {longest}."
            )
        count = max(self._config.image.crops, len(places), 1)
        tokens = min(padded_width(max(len(draft), 1)), longest)
        frame = self._config.visual_tokens
        mask = np.zeros((1, 1, 1, frame + tokens), np.float32)
        mask[..., frame + len(draft) :] = MASKED
        inputs = {
            "levels": levels.tokens,
            "details": _filled(details.tokens, count)[None],
            "places": _filled(places, count, BESIDE)[None],
            "draft": _filled(self._embed(draft), tokens)[None],
            "mask": mask,
        }
        return self._sharpen(inputs)["prefix"]

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
        """Free networks, weights and cache."""
        del self._encode, self._glance, self._sharpen, self._decode
        del self._embedding, self._cache

    def _append(self, x: Floats, keep: int) -> Floats:
        count, positions = len(x), self._cache.shape[2]
        begin = self._length
        after = lengthened(begin, count, positions)
        width = min(padded_width(count), positions - begin)
        # padding stands at the end, where no token attends to it; its logits are not looked at
        skipped = count - keep
        first = width - min(padded_width(width - skipped), width)
        found = self._decode(
            {
                "x": _filled(x, width),
                "cache": self._cache,
                "length": np.array([begin]),
                "first": np.array([first]),
            }
        )
        self._cache[:, :, begin:after] = found["fresh"][:, :, :count]
        self._length = after
        return found["logits"][skipped - first :][:keep]

    def _embed(self, ids: Sequence[int]) -> Floats:
        return self._embedding[np.asarray(ids, np.int64)]


class _Network:
    """A compiled graph: arrays by name in, arrays by name out."""

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()
        self._outputs = [output.get_any_name() for output in compiled.outputs]

    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, Floats]:
        # the inputs are read where they lie; what comes out is a copy
        whole = {name: np.ascontiguousarray(value) for name, value in inputs.items()}
        found = self._request.infer(whole, share_inputs=True)
        return {name: found[name] for name in self._outputs}


class _Compiler:
    """OpenVINO's CPU device with settings that leave the rest of the machine alone."""

    def __init__(self, threads: int, precision: str) -> None:
        try:
            import openvino
        except ImportError as error:
            raise EngineError(
                f"The engine 'openvino' needs the package openvino ({error}): "
                "pip install openvino onnx"
            ) from error
        self.version = openvino.__version__.split("-")[0]
        self._core = openvino.Core()
        able = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "bf16" and "BF16" not in able:
            raise EngineError(
                "This processor does not compute in bf16; run OpenVINO in the precision fp32."
            )
        self._settings = {
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": HINTS[precision],
            "NUM_STREAMS": 1,
            # threads bound to cores would meet other nodes' threads there
            "ENABLE_CPU_PINNING": False,
        }

    def compile(self, model: bytes, path: Path) -> _Network:
        try:
            read = self._core.read_model(model)
            return _Network(self._core.compile_model(read, "CPU", self._settings))
        except RuntimeError as error:
            raise EngineError(f"OpenVINO cannot open {path}: {error}") from error


def padded_width(tokens: int) -> int:
    """The size to which so many tokens are padded."""
    largest = WIDTHS[-1]
    fitting = (width for width in WIDTHS if width >= tokens)
    return next(fitting, -(-tokens // largest) * largest)


def add_mask(proto: Any) -> None:
    """Give the graph ``sharpen`` an input ``mask`` (1, 1, 1, N + T), added to attention scores.

    With it a draft can be padded; as exported, every position of a draft counts.
    """
    from onnx import TensorProto, helper

    graph = proto.graph
    shape = [1, 1, 1, "N + T"]
    graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, shape))
    nodes: list[Any] = []
    for node in graph.node:
        if node.op_type == "Softmax":
            scores = f"{node.input[0]}_masked"
            nodes.append(helper.make_node("Add", [node.input[0], "mask"], [scores]))
            node.input[0] = scores
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)


def _filled(values: Floats, count: int, row: Any = 0.0) -> Floats:
    """Rows ``row`` appended to ``values`` until there are ``count``."""
    whole = np.empty((count, *values.shape[1:]), np.float32)
    whole[: len(values)], whole[len(values) :] = values, row
    return whole
