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
from mmser_ros.runtime.buckets import BESIDE, filled, padded_width
from mmser_ros.runtime.engine import EngineError, EngineInfo, Floats, Levels
from mmser_ros.runtime.graphs import DECODE, GRAPHS, SHARPEN, Graph, read_parameters
from mmser_ros.runtime.host_engine import HostEngine, default_threads
from mmser_ros.runtime.weights import EMBEDDING, digest, load_weights

HINTS = {"fp32": "f32", "bf16": "bf16"}
"""OpenVINO's words for the precisions; the first is the default."""
PRECISIONS = tuple(HINTS)

MASKED = -1e4
"""Added to the scores of padding: the chance of attending to it becomes 0."""


class OpenVinoEngine(HostEngine):
    """Keeps the engine contract by OpenVINO."""

    def __init__(
        self, folder: Path, *, threads: int | None = None, precision: str = PRECISIONS[0]
    ) -> None:
        """Load a model folder. Raises BadModel or EngineError.

        ``threads``: None takes two, or one on a machine with a single core. ``precision``: fp32,
        or bf16 on processors that compute with it.
        """
        config = load_config(folder / "config.json")
        needed = read_parameters(folder, config)
        weights = load_weights(folder)
        compiler = _Compiler(threads or default_threads(), precision)

        def opened(graph: Graph) -> _Network:
            proto = with_weights(folder, graph, weights, needed[graph.name])
            if graph is SHARPEN:
                add_mask(proto)
            return compiler.compile(proto.SerializeToString(), graph.path(folder))

        info = EngineInfo(
            model=config.name,
            weights_hash=digest(folder),
            backend=f"openvino {compiler.version}",
            precision=precision,
            device="cpu",
        )
        runs = {graph: opened(graph) for graph in GRAPHS}
        super().__init__(config, info, weights[EMBEDDING], runs, runs[DECODE].fewest("cache", 2))

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
            "details": filled(details.tokens, count)[None],
            "places": filled(places, count, BESIDE)[None],
            "draft": filled(self._embed(draft), tokens)[None],
            "mask": mask,
        }
        return self._runs[SHARPEN](inputs)["prefix"]

    def _decode(self, x: Floats, first: int) -> tuple[Floats, Floats]:
        count = len(x)
        width = min(padded_width(count), self._cache.shape[2] - self._length)
        # padding stands at the end, where no token attends to it; its logits are not looked at
        from_row = width - min(padded_width(width - first), width)
        logits, fresh = super()._decode(filled(x, width), from_row)
        return logits[first - from_row : count - from_row], fresh[:, :, :count]


class _Network:
    """A compiled graph: arrays by name in, arrays by name out."""

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()
        self._outputs = [output.get_any_name() for output in compiled.outputs]
        self._shapes = {given.get_any_name(): given.partial_shape for given in compiled.inputs}

    def fewest(self, name: str, axis: int) -> int:
        """How short an axis of an input can be."""
        size = self._shapes[name][axis]
        return 1 if size.is_dynamic else int(size.get_length())

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
