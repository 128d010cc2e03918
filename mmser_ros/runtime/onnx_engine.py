"""The engine of machines without a GPU: ONNX Runtime on the CPU. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime
from numpy.typing import NDArray

from mmser_ros.model.config import load_config
from mmser_ros.runtime.bound import Weights, check_weights, with_weights
from mmser_ros.runtime.engine import EngineError, EngineInfo, Floats
from mmser_ros.runtime.graphs import DECODE, GRAPHS, Graph, Shapes, read_parameters
from mmser_ros.runtime.host_engine import HostEngine, Run, default_threads
from mmser_ros.runtime.quantise import quantise
from mmser_ros.runtime.weights import EMBEDDING, digest, load_weights

PRECISIONS = ("fp32", "int8")
"""The first is the default."""
AWAKE = "200"
"""Microseconds that a thread waits awake for its share of the next product: to wake it takes as
long as many a product of a small model. Where no graph runs, it gives its core away at once."""


class OnnxEngine(HostEngine):
    """Keeps the engine contract by ONNX Runtime."""

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

        sessions = {
            graph: open_session(folder, graph, weights, needed[graph.name], threads, precision)
            for graph in GRAPHS
        }
        info = EngineInfo(
            model=config.name,
            weights_hash=digest(folder),
            backend=f"onnxruntime {onnxruntime.__version__}",
            precision=precision,
            device="cpu",
        )
        runs = {graph: _run(session) for graph, session in sessions.items()}
        super().__init__(config, info, weights[EMBEDDING], runs, _fewest(sessions[DECODE]))


def _fewest(decode: onnxruntime.InferenceSession) -> int:
    """Slots that the decoder reads at least: all of them in graphs of version 0.2."""
    (slots,) = (value.shape[2] for value in decode.get_inputs() if value.name == "cache")
    return slots if isinstance(slots, int) else 0


def _run(session: onnxruntime.InferenceSession) -> Run:
    names = [output.name for output in session.get_outputs()]

    # inputs are read where they lie and outputs handed over: to bind memory would save no copy
    def run(inputs: Mapping[str, NDArray[Any]]) -> dict[str, Floats]:
        return dict(zip(names, session.run(names, inputs), strict=True))

    return run


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
    options.add_session_config_entry("session.force_spinning_stop", "1")
    # known since 1.26; older ones choose for how long themselves
    options.add_session_config_entry("session.intra_op.spin_duration_us", AWAKE)
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
