"""Checks of ``mmser doctor``: Python, this package, the model, the GPU's driver and memory."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from mmser_ros.cli.finding import Finding, fail, ok, warn
from mmser_ros.folders import find_model, places
from mmser_ros.model.config import BadModel, load_config
from mmser_ros.runtime.cuda_driver import Driver

OLDEST, NEWEST = (3, 10), (3, 13)
PACKAGES = {
    "numpy": "numpy",
    "cv2": "opencv-python-headless",
    "safetensors": "safetensors",
    "tokenizers": "tokenizers",
    "tqdm": "tqdm",
}
"""What captioning imports, and the name under which pip knows it."""
SPARE = 400_000_000
"""Bytes of memory that the captioner takes beside its weights, generously."""


def python() -> Iterator[Finding]:
    """Whether this package is made for this Python."""
    version = sys.version_info[:2]
    says = f"{platform.python_version()}, {platform.machine()}, {os.cpu_count()} CPUs"
    if OLDEST <= version <= NEWEST:
        yield ok("Python", says)
        return
    between = " to ".join(".".join(map(str, each)) for each in (OLDEST, NEWEST))
    yield fail("Python", says, f"Take Python {between}; with ROS, the one that ROS was made for.")


def package() -> Iterator[Finding]:
    """Whether mmser_ros is installed whole, with what it imports."""
    missing = [pip for name, pip in PACKAGES.items() if importlib.util.find_spec(name) is None]
    if missing:
        yield fail(
            "mmser_ros", f"{', '.join(missing)} missing", f"pip install {' '.join(missing)}"
        )
    if not any((place / "captioner.yaml").is_file() for place in places("config")):
        yield warn(
            "mmser_ros",
            "its configuration files are not installed",
            "Install it by pip or colcon, not by copying the Python files alone.",
        )
    elif not missing:
        yield ok("mmser_ros", installed("mmser_ros") or "not installed by pip")


def model(name: str) -> Iterator[Finding]:
    """Whether the files of the model are whole."""
    from mmser_ros.runtime.graphs import read_parameters
    from mmser_ros.runtime.weights import digest, load_weights
    from mmser_ros.tokens import Tokenizer

    try:
        folder = find_model(name)
        config = load_config(folder / "config.json")
        Tokenizer.load(folder / "tokenizer.json")
        load_weights(folder)
        read_parameters(folder, config)
        weights = digest(folder)
    except BadModel as error:
        yield fail("model", str(error), "Install it again, or name another one with --model.")
        return
    says = f"{config.name} {config.version} in {folder}, weights {weights}"
    scored = _scored(folder)
    if scored not in ("", weights):
        yield warn(
            "model",
            f"{says}, but its scores are of the weights {scored}",
            "Install it again unless these weights are yours; its scores say nothing of them.",
        )
        return
    yield ok("model", says)


def _scored(folder: Path) -> str:
    """Hash of the weights that a model's scores are of; empty if it has none."""
    try:
        content = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
        return str(content.get("weights_hash", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def nvidia(driver: Driver) -> Iterator[Finding]:
    """Whether there is a GPU that can be used."""
    if not driver.installed:
        yield ok("NVIDIA driver", "none; captioning needs no GPU")
    elif driver.problem:
        yield warn(
            "NVIDIA driver",
            f"of no use: {driver.problem}",
            "Let nvidia-smi work first (on a Jetson: tegrastats); a container needs "
            "--gpus all or --runtime nvidia.",
        )
    for gpu in driver.gpus:
        memory = f"{gpu.memory / 1e9:.0f} GB"
        says = f"{gpu.name}, compute capability {gpu.capability}, {memory}, CUDA {driver.cuda}"
        yield ok("NVIDIA driver", says)


def memory(model: str) -> Iterator[Finding]:
    """Whether the model fits into the memory that is free."""
    free = free_memory()
    if free is None:
        yield ok("memory", "this system does not tell how much is free")
        return
    try:
        weights = (find_model(model) / "model.safetensors").stat().st_size
    except (BadModel, OSError):
        weights = 0
    needed = SPARE + 4 * weights  # half precision in the file, single in memory, and copies
    says = f"{free / 1e9:.1f} GB free, the captioner takes up to {needed / 1e9:.1f} GB"
    if free >= needed:
        yield ok("memory", says)
    else:
        yield warn("memory", says, "End other programs, or give the container more memory.")


def free_memory(root: Path = Path("/")) -> int | None:
    """Bytes that can still be taken, within the limit of the container; None if unknown."""
    known = []
    for line in _lines(root / "proc/meminfo"):
        if line.startswith("MemAvailable:"):
            known.append(int(line.split()[1]) * 1024)
    group = root / "sys/fs/cgroup"
    limit = "".join(_lines(group / "memory.max"))
    if limit.isdecimal():
        used = int("".join(_lines(group / "memory.current")) or 0)
        cached = [
            line for line in _lines(group / "memory.stat") if line.startswith("inactive_file ")
        ]
        known.append(int(limit) - used + sum(int(line.split()[1]) for line in cached[:1]))
    return max(0, min(known)) if known else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def installed(package: str) -> str:
    """The version of a package, which is not imported; empty if it is not installed.

    By the name that pip knows it by, or Python: tensorrt may come as tensorrt-cu12.
    """
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        module = package.replace("-", "_")
        givers = importlib.metadata.packages_distributions().get(module, ())
        return next((importlib.metadata.version(giver) for giver in givers), "")
