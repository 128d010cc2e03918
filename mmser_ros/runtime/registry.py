"""Which engines there are, and which one to take. Each is imported only when it is opened."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmser_ros.runtime.cuda_device import has_driver
from mmser_ros.runtime.engine import Engine, EngineError
from mmser_ros.runtime.graphs import missing_graph

log = logging.getLogger(__name__)

AUTO = "auto"
NO_DRIVER = "there is no NVIDIA driver"


def _open_cuda(folder: Path, threads: int | None, precision: str) -> Engine:
    from mmser_ros.runtime.cuda_engine import CudaEngine

    return CudaEngine(folder, precision=precision)


def _open_onnx(folder: Path, threads: int | None, precision: str) -> Engine:
    from mmser_ros.runtime.onnx_engine import OnnxEngine

    return OnnxEngine(folder, threads=threads, precision=precision)


def _open_openvino(folder: Path, threads: int | None, precision: str) -> Engine:
    from mmser_ros.runtime.openvino_engine import OpenVinoEngine

    return OpenVinoEngine(folder, threads=threads, precision=precision)


def _open_torch(folder: Path, threads: int | None, precision: str) -> Engine:
    from mmser_ros.runtime.torch_engine import TorchEngine

    return TorchEngine(folder, threads=threads)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an engine before it is imported."""

    packages: tuple[str, ...]
    """Without which it cannot run."""
    precisions: tuple[str, ...]
    """Of its arithmetic; the first is the default, and gives the captions of the model card."""
    graphs: bool
    """Whether it runs a model's ONNX graphs."""
    open: Callable[[Path, int | None, str], Engine]
    """Of a model folder, CPU threads and a precision."""
    gpu: bool = False
    """Whether it runs on an NVIDIA GPU."""
    extra: str = ""
    """What pip calls its packages together, where their own names do not tell."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Those of its packages that are not installed."""
        return tuple(package for package in self.packages if not _installed(package))

    @property
    def remedy(self) -> str:
        """What installs its packages."""
        return f"pip install {self.extra or ' '.join(self.packages)}"


def _tensorrt(package: str) -> Known:
    """TensorRT or TensorRT-RTX, which are two packages of one interface."""

    def opened(folder: Path, threads: int | None, precision: str) -> Engine:
        from mmser_ros.runtime.tensorrt_engine import open_tensorrt

        return open_tensorrt(folder, package=package, precision=precision)

    packages = (package, "onnx", "cuda.bindings")
    extra = f"'mmser-ros[{package.replace('_', '-')}]'"
    return Known(packages, ("fp32", "fp16"), True, opened, gpu=True, extra=extra)


ENGINES = {
    "tensorrt": _tensorrt("tensorrt"),
    "tensorrt-rtx": _tensorrt("tensorrt_rtx"),
    "cuda": Known(("torch",), ("fp32", "bf16"), False, _open_cuda, gpu=True),
    "onnx": Known(("onnxruntime",), ("fp32", "int8"), True, _open_onnx),
    "openvino": Known(("openvino", "onnx"), ("fp32", "bf16"), True, _open_openvino),
    "torch": Known(("torch",), ("fp32",), False, _open_torch),
}
"""Every engine by its name, in the order in which ``auto`` tries them. For ONNX Runtime to stay
before OpenVINO it has to be as fast in ``benchmarks/precision.py``."""


def open_engine(
    name: str, folder: Path, *, threads: int | None = None, precision: str = AUTO
) -> Engine:
    """Open a model folder with an engine of ENGINES, or the first that works for ``auto``.

    ``threads`` of the CPU; None lets the engine decide. ``precision`` of the arithmetic; auto
    is the engine's own, which gives the captions that the model was scored by. An engine that
    is named runs or fails. Raises EngineError for an unknown engine or precision, or a missing
    package, BadModel for a folder that cannot be used.
    """
    if threads is not None and threads < 1:
        raise EngineError(f"An engine needs at least one thread, not {threads}.")
    if name != AUTO and name not in ENGINES:
        raise EngineError(f"There is no engine '{name}'; choose from {_names()}.")
    if name == AUTO:
        return _first(folder, threads, precision)
    known = ENGINES[name]
    if precision not in (AUTO, *known.precisions):
        raise EngineError(
            f"The engine '{name}' has no precision '{precision}'; choose from "
            f"{', '.join([AUTO, *known.precisions])}."
        )
    if known.missing:
        raise EngineError(
            f"The engine '{name}' needs the package {known.missing[0]}, which is not installed: "
            f"{known.remedy}"
        )
    engine = known.open(folder, threads, known.precisions[0] if precision == AUTO else precision)
    log.debug("opened %s", engine.info)
    return engine


def _first(folder: Path, threads: int | None, precision: str) -> Engine:
    """The first engine that has the precision and works here; said in one log line.

    Of those for a GPU, one that cannot be opened makes room for the next.
    """
    able = [name for name in ENGINES if precision in (AUTO, *ENGINES[name].precisions)]
    if not able:
        every = dict.fromkeys(item for known in ENGINES.values() for item in known.precisions)
        raise EngineError(
            f"No engine has the precision '{precision}'; choose from {', '.join([AUTO, *every])}."
        )
    lacking = missing_graph(folder)
    hindrances: dict[str, None] = {}
    remedies = {f"python -m mmser_ros.runtime.export {folder}": None} if lacking else {}
    for name in able:
        known = ENGINES[name]
        if known.gpu and not has_driver():
            hindrances[NO_DRIVER] = None
        elif known.graphs and lacking is not None:
            hindrances[f"{lacking} does not exist"] = None
        elif known.missing:
            hindrances[f"{known.missing[0]} is not installed"] = None
            remedies[known.remedy] = None
        else:
            try:
                engine = open_engine(name, folder, threads=threads, precision=precision)
            except EngineError as error:
                if not known.gpu:
                    raise
                hindrances[f"{name} does not work ({error})"] = None
                continue
            _tell(name, [text for text in hindrances if text != NO_DRIVER], precision)
            return engine
    remedies = remedies or {"another precision": None}
    raise EngineError(
        f"No engine can run {folder}: {', '.join(hindrances)}. Try: {' or '.join(remedies)}"
    )


def _tell(name: str, hindrances: list[str], precision: str) -> None:
    """Say which engine was taken, and why."""
    if hindrances:
        log.warning("engine %s, not a better one: %s", name, ", ".join(hindrances))
        return
    packages = " and ".join(ENGINES[name].packages)
    wanted = "" if precision == AUTO else f"; it is the best with the precision {precision}"
    log.info("engine %s: %s can be imported, the model has its graphs%s", name, packages, wanted)


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):  # without its parent, or in sys.modules without a spec
        return False


def _names() -> str:
    return ", ".join([AUTO, *ENGINES])
