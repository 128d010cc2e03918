"""Checks of ``mmser doctor``: what runs a model here, and which of it ``engine: auto`` takes."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from pathlib import Path

from mmser_ros.cli.finding import Finding, fail, ok, warn
from mmser_ros.cli.machine import installed
from mmser_ros.folders import find_model
from mmser_ros.model.config import BadModel
from mmser_ros.runtime.cuda_driver import Driver

OPTIONAL = {
    "TensorRT": "tensorrt",
    "TensorRT-RTX": "tensorrt_rtx",
    "OpenVINO": "openvino",
    "torch": "torch",
}
"""Runtimes beside ONNX Runtime, and the packages that are imported."""
SYSTEM = Path("/usr/lib")
"""Where JetPack puts its Python packages."""


def onnx_runtime(model: str) -> Iterator[Finding]:
    """Whether ONNX Runtime captions a blank frame, and how long that takes."""
    from mmser_ros.captioner import Captioner
    from mmser_ros.runtime.engine import EngineError

    name = "ONNX Runtime"
    if importlib.util.find_spec("onnxruntime") is None:
        yield fail(name, "not installed", "pip install onnxruntime")
        return
    try:
        captioner = Captioner.load(model, engine="onnx")
        captioner.warm_up()
        computed = time.process_time()
        seconds = captioner.warm_up()
        computed = time.process_time() - computed
    except BadModel as error:
        yield warn(name, f"not tried: {error}", "Mend the model first.")
        return
    except EngineError as error:
        yield fail(name, str(error), "pip install --upgrade onnxruntime")
        return
    info = captioner.info
    took = f"{1e3 * seconds:.0f} ms, {1e3 * computed:.0f} ms of CPU time"
    yield ok(name, f"{info.backend}, {info.precision}: two looks in {took}")


def optional() -> Iterator[Finding]:
    """Which other runtimes are installed; none is imported, which would take seconds."""
    for name, package in OPTIONAL.items():
        version = installed(package)
        elsewhere = next(SYSTEM.glob(f"python3*/dist-packages/{package}"), None)
        if version or elsewhere is None:
            yield ok(name, version or "not installed, optional")
        else:
            yield warn(
                name,
                f"in {elsewhere.parent}, where this Python does not look",
                "Make the virtual environment with --system-site-packages, by that Python.",
            )


def auto(model: str, driver: Driver) -> Iterator[Finding]:
    """Which engine the node takes where none is named, and what a better one lacks."""
    from mmser_ros.runtime.registry import ENGINES, Hindrance, hindrance, reasons

    subject = "engine"
    try:
        folder = find_model(model)
    except BadModel as error:
        yield warn(subject, f"not known: {error}", "Mend the model first.")
        return
    passed: dict[str, Hindrance] = {}
    for name, known in ENGINES.items():
        found = hindrance(name, folder)
        if found is None and known.gpu and not driver.gpus:
            found = Hindrance("the NVIDIA driver is of no use")
        if found is None:
            break
        passed[name] = found
    lacks = f" ({reasons(passed)})" if passed else ""
    remedies = [f"{each.remedy} (for {name})" for name, each in passed.items() if each.remedy]
    if len(passed) == len(ENGINES):
        yield fail(subject, f"none can run the model{lacks}", " or ".join(remedies))
        return
    says = f"auto takes {name}{lacks}"
    if known.gpu and known.graphs:
        says += "; mmser build tries it, and builds it ahead of time"
    yield warn(subject, says, remedies[0]) if remedies else ok(subject, says)
