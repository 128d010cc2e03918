"""Which engines there are, and which one to take. Each is imported only when it is opened."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmser_ros.runtime.engine import Engine, EngineError
from mmser_ros.runtime.graphs import missing_graph

log = logging.getLogger(__name__)

AUTO = "auto"


def _open_onnx(folder: Path, threads: int | None) -> Engine:
    from mmser_ros.runtime.onnx_engine import OnnxEngine

    return OnnxEngine(folder, threads=threads)


def _open_torch(folder: Path, threads: int | None) -> Engine:
    from mmser_ros.runtime.torch_engine import TorchEngine

    return TorchEngine(folder, threads=threads)


@dataclass(frozen=True, slots=True)
class _Known:
    package: str
    open: Callable[[Path, int | None], Engine]


ENGINES = {
    "onnx": _Known("onnxruntime", _open_onnx),
    "torch": _Known("torch", _open_torch),
}
"""Every engine by its name."""


def open_engine(name: str, folder: Path, *, threads: int | None = None) -> Engine:
    """Open a model folder with an engine of ENGINES, or the best one here for ``auto``.

    ``threads`` of the CPU; None lets the engine decide. Raises EngineError for an unknown
    engine or one whose package is missing, BadModel for a folder that cannot be used.
    """
    if threads is not None and threads < 1:
        raise EngineError(f"An engine needs at least one thread, not {threads}.")
    if name == AUTO:
        name = _best(folder)
    elif name not in ENGINES:
        raise EngineError(f"There is no engine '{name}'; choose from {_names()}.")
    package = ENGINES[name].package
    if not _installed(package):
        raise EngineError(
            f"The engine '{name}' needs the package {package}, which is not installed: "
            f"pip install {package}"
        )
    engine = ENGINES[name].open(folder, threads)
    log.debug("opened %s", engine.info)
    return engine


def _best(folder: Path) -> str:
    """ONNX Runtime is the fastest engine on a CPU; torch, where only it can run the model."""
    lacking = missing_graph(folder)
    if _installed("onnxruntime") and lacking is None:
        log.info("engine onnx: ONNX Runtime is installed and the model has its graphs")
        return "onnx"
    reason = "onnxruntime is not installed" if lacking is None else f"{lacking} does not exist"
    if not _installed("torch"):
        raise EngineError(
            f"No engine can run {folder}: {reason}, and torch is not installed. "
            "Try: pip install onnxruntime"
        )
    log.warning("engine torch, slower on a CPU: %s", reason)
    return "torch"


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # a module put into sys.modules without a spec
        return False


def _names() -> str:
    return ", ".join([AUTO, *ENGINES])
