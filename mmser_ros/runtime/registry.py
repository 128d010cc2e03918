"""Which engines there are, and which one to take. Each is imported only when it is opened."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mmser_ros.model.config import BadModel
from mmser_ros.runtime.cuda_device import has_driver
from mmser_ros.runtime.engine import Engine, EngineError
from mmser_ros.runtime.graphs import missing_graph
from mmser_ros.runtime.progress import Progress

log = logging.getLogger(__name__)

AUTO = "auto"
NO_DRIVER = "there is no NVIDIA driver"

Told = Progress | None
Opener = Callable[[Path, int | None, str, Told], Engine]
"""Opens a model folder, with so many CPU threads, in a precision; tells what takes long."""


def _open_cuda(folder: Path, threads: int | None, precision: str, told: Told) -> Engine:
    from mmser_ros.runtime.cuda_engine import CudaEngine

    return CudaEngine(folder, precision=precision)


def _open_onnx(folder: Path, threads: int | None, precision: str, told: Told) -> Engine:
    from mmser_ros.runtime.onnx_engine import OnnxEngine

    return OnnxEngine(folder, threads=threads, precision=precision)


def _open_openvino(folder: Path, threads: int | None, precision: str, told: Told) -> Engine:
    from mmser_ros.runtime.openvino_engine import OpenVinoEngine

    return OpenVinoEngine(folder, threads=threads, precision=precision)


def _open_torch(folder: Path, threads: int | None, precision: str, told: Told) -> Engine:
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
    open: Opener
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

    def opened(folder: Path, threads: int | None, precision: str, told: Told) -> Engine:
        from mmser_ros.runtime.tensorrt_engine import open_tensorrt

        return open_tensorrt(folder, package=package, precision=precision, progress=told)

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


@dataclass(frozen=True, slots=True)
class Hindrance:
    """Why an engine does not run a model here."""

    says: str
    remedy: str = ""
    """What would help, as one would type it; empty where nothing that can be typed does."""


def hindrance(name: str, folder: Path) -> Hindrance | None:
    """What is in the way of an engine of ENGINES, as far as can be told without opening it."""
    known = ENGINES[name]
    if known.gpu and not has_driver():
        return Hindrance(NO_DRIVER)
    if known.graphs and (lacking := missing_graph(folder)) is not None:
        return Hindrance(
            f"{lacking} does not exist", f"python -m mmser_ros.runtime.export {folder}"
        )
    if known.missing:
        return Hindrance(f"{known.missing[0]} is not installed", known.remedy)
    return None


def open_engine(
    name: str,
    folder: Path,
    *,
    threads: int | None = None,
    precision: str = AUTO,
    progress: Progress | None = None,
) -> Engine:
    """Open a model folder with an engine of ENGINES, or the first that works for ``auto``.

    ``threads`` of the CPU; None lets the engine decide. ``precision`` of the arithmetic; auto
    is the engine's own, which gives the captions that the model was scored by. ``progress`` is
    told while an engine is built. An engine that is named runs or fails; one log line says what
    was taken, and why. Raises EngineError for an unknown engine or precision, a missing package,
    or an engine that does not work, BadModel for a folder that cannot be used.
    """
    if threads is not None and threads < 1:
        raise EngineError(f"An engine needs at least one thread, not {threads}.")
    if name != AUTO and name not in ENGINES:
        raise EngineError(f"There is no engine '{name}'; choose from {_names()}.")
    if name == AUTO:
        return _first(folder, threads, precision, progress)
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
    engine = _opened(known, folder, threads, precision, progress)
    log.info("Engine %s, which was asked for.", name)
    return engine


def _opened(
    known: Known, folder: Path, threads: int | None, precision: str, progress: Progress | None
) -> Engine:
    precision = known.precisions[0] if precision == AUTO else precision
    try:
        return known.open(folder, threads, precision, progress)
    except ImportError as error:
        raise EngineError(
            f"What it needs is installed, but cannot be imported ({error}). Install it anew: "
            f"{known.remedy}"
        ) from error


def _first(folder: Path, threads: int | None, precision: str, progress: Progress | None) -> Engine:
    """The first engine that has the precision and works here; said in one log line.

    One that cannot be opened makes room for the next. A model that is of no use is that for all.
    """
    able = [name for name in ENGINES if precision in (AUTO, *ENGINES[name].precisions)]
    if not able:
        every = dict.fromkeys(item for known in ENGINES.values() for item in known.precisions)
        raise EngineError(
            f"No engine has the precision '{precision}'; choose from {', '.join([AUTO, *every])}."
        )
    passed: dict[str, Hindrance] = {}
    for name in able:
        found = hindrance(name, folder)
        if found is None:
            try:
                engine = _opened(ENGINES[name], folder, threads, precision, progress)
            except BadModel:
                raise
            except Exception as error:  # noqa: BLE001 - said below, whatever it is
                found = Hindrance(f"it does not work: {_sentence(error)}")
            else:
                _tell(name, passed, precision)
                return engine
        passed[name] = found
    remedies = dict.fromkeys(found.remedy for found in passed.values() if found.remedy)
    raise EngineError(
        f"No engine can run {folder}: {reasons(passed)}. "
        f"Try: {' or '.join(remedies) or 'another precision'}"
    )


def _tell(name: str, passed: Mapping[str, Hindrance], precision: str) -> None:
    """Say which engine was taken, and why not a better one. Without a GPU that is no loss."""
    lost = any(found.says != NO_DRIVER for found in passed.values())
    level = logging.WARNING if lost else logging.INFO
    wanted = "" if precision == AUTO else f" with the precision {precision}"
    lacks = f" ({reasons(passed)})" if passed else ""
    log.log(level, "Engine %s, the first that works here%s%s.", name, wanted, lacks)


def reasons(passed: Mapping[str, Hindrance]) -> str:
    """What is in the way of engines, in words: tensorrt, cuda: there is no NVIDIA driver; ..."""
    names: dict[str, list[str]] = {}
    for name, found in passed.items():
        names.setdefault(found.says, []).append(name)
    return "; ".join(f"{', '.join(each)}: {says}" for says, each in names.items())


def _sentence(error: Exception) -> str:
    """An error in words; others than the house's own get their type in front."""
    words = str(error).rstrip(".")
    return words if isinstance(error, EngineError) else f"{type(error).__name__}: {words}"


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):  # without its parent, or in sys.modules without a spec
        return False


def _names() -> str:
    return ", ".join([AUTO, *ENGINES])
