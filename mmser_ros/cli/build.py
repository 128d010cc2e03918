"""Build a model's engine for this machine's GPU ahead of time, so that the node starts at once.

TensorRT compiles a model for the GPU at hand, which takes minutes. What is built is kept in the
user's cache directory (XDG_CACHE_HOME, else ~/.cache) for this GPU, version and these weights;
the node builds by itself what it does not find there. The other engines need no building.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmser_ros.cli.failure import OK, USAGE, Failure

BACKENDS = ("tensorrt", "tensorrt-rtx")
"""Engines that are built, in the order in which auto tries them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe this command's arguments."""
    parser.add_argument(
        "--model", default="nano", help="built-in model, or a model folder (default %(default)s)"
    )
    parser.add_argument(
        "--backend",
        choices=("auto", *BACKENDS),
        default="auto",
        help="what the node's engine will be; auto takes the first that is installed",
    )
    parser.add_argument(
        "--precision",
        default="auto",
        help="of the engine's arithmetic, as the node's: auto (fp32), fp32 or fp16",
    )


def run(args: argparse.Namespace) -> int:
    """Build what the store does not hold, load all of it, and say where it is."""
    from mmser_ros.cli.opening import opening
    from mmser_ros.folders import find_model
    from mmser_ros.runtime.registry import AUTO, ENGINES
    from mmser_ros.runtime.tensorrt_engine import open_tensorrt

    folder = find_model(args.model)
    name = _installed() if args.backend == AUTO else args.backend
    precisions = ENGINES[name].precisions
    precision = precisions[0] if args.precision == AUTO else args.precision
    if precision not in precisions:
        raise Failure(f"--precision is {precision}; {name} has {', '.join(precisions)}.", USAGE)
    package = name.replace("-", "_")
    with opening() as progress:
        engine = open_tensorrt(folder, package=package, precision=precision, progress=progress)
    info = engine.info
    engine.close()
    print(f"{info.model} for {info.device}: {info.backend}, {info.precision}. {_kept(folder)}")
    return OK


def _installed() -> str:
    from mmser_ros.runtime.registry import ENGINES

    found = next((name for name in BACKENDS if not ENGINES[name].missing), None)
    if found is None:
        remedies = " or ".join(ENGINES[name].remedy for name in BACKENDS)
        raise Failure(f"Neither TensorRT nor TensorRT-RTX is installed whole: {remedies}.")
    return found


def _kept(folder: Path) -> str:
    """In a sentence, which plans of a model the store holds."""
    from mmser_ros.runtime.store import Store, megabytes
    from mmser_ros.runtime.weights import digest

    store, weights = Store(), digest(folder)
    sizes = [
        entry.size
        for entry in store.entries()
        if entry.manifest is not None and entry.manifest.key.weights == weights
    ]
    return f"{store.folder} holds {len(sizes)} plans of it, {megabytes(sum(sizes))}."
