"""Measure how fast this machine captions: every stage, with every engine that runs here.

Each engine is tried in a process of its own, in each of its precisions: how long it takes to
start (the first time, and again with what it built kept), then on the same frames, stage by
stage, wall time p50 and p95 and CPU time in milliseconds, plain greedy decoding beside
draft-verified one, frame by frame in turn; frames a second, memory, and energy where the platform
tells it. Nothing else should run meanwhile.

The last line is one JSON object; --json writes it to a file, --chart draws it.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmser_ros.cli.failure import OK, USAGE, Failure

if TYPE_CHECKING:
    from mmser_ros.cli.trial import Arithmetic
    from mmser_ros.types import Frame

MODEL = "nano"
FRAMES = {"": 200, "base": 5, "small": 20}
"""How many, by size; a model that is named takes the first."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe this command's arguments."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--model", help=f"built-in model, or a model folder (default {MODEL})")
    which.add_argument(
        "--size",
        choices=("base", "small"),
        help="random weights of this size instead: base is CLIP ViT-L/14-336 with OPT-125M, small "
        "is only to try this command. Made in the user's cache, once; base takes 1 GB",
    )
    parser.add_argument(
        "--engine", nargs="+", metavar="NAME", help="try these alone (default: all that run here)"
    )
    parser.add_argument("--precision", nargs="+", metavar="NAME", help="try these alone")
    parser.add_argument(
        "--threads",
        type=int,
        nargs="+",
        metavar="N",
        help="CPU threads to try (default: as many as each engine takes by itself)",
    )
    parser.add_argument(
        "--frames", type=int, metavar="N", help="default 200; 5 of base, 20 of small"
    )
    parser.add_argument(
        "--on",
        default="auto",
        metavar="WHAT",
        help="drives or scenes, which are rendered, or a bag, video, folder or image; auto takes "
        "drives, and the sample drive where nothing can be rendered",
    )
    parser.add_argument(
        "--no-cold",
        action="store_true",
        help="leave the first start out, and use what the user's cache holds of built engines",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there too")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw the result, as PNG")


def run(args: argparse.Namespace) -> int:
    """Measure, tell, and give the exit code."""
    from mmser_ros.cli import bench_table
    from mmser_ros.cli.measured_on import machine
    from mmser_ros.cli.moving import save
    from mmser_ros.cli.random_model import random_model
    from mmser_ros.folders import find_model
    from mmser_ros.runtime.weights import digest

    count = FRAMES[args.size or ""] if args.frames is None else args.frames
    if count < 1:
        raise Failure(f"--frames is {count}; it must be at least 1.", USAGE)
    if args.chart is not None and importlib.util.find_spec("matplotlib") is None:
        raise Failure("--chart needs matplotlib: pip install matplotlib", USAGE)
    wanted = list(_wanted(args))
    name = args.model or MODEL
    model = find_model(name) if args.size is None else random_model(args.size)
    kind, frames = _frames(args.on, count)
    results, absent = [], dict[str, str]()
    with tempfile.TemporaryDirectory(prefix="mmser-bench-") as folder:
        save(Path(folder), frames)
        del frames
        for what in wanted:
            result = _tried(what, model, Path(folder), absent, cold=not args.no_cold)
            if result is not None:
                results.append(result)
                bench_table.show_stages(what.name, result)
    whole = {
        "machine": machine(),
        "model": args.size or name,
        "weights": digest(model),
        "frames": count,
        "of": kind,
        "random_weights": args.size is not None,
        "results": results,
        "absent": absent,
    }
    bench_table.show_all(whole)
    print(json.dumps(whole))
    if args.json is not None:
        _write(args.json, whole)
    if args.chart is not None and results:
        _draw(args.chart, whole)
    if not results:
        raise Failure("No engine could be measured.")
    return OK


def _wanted(args: argparse.Namespace) -> Iterator[Arithmetic]:
    """What is to be tried. Raises Failure for a name that there is not."""
    from mmser_ros.cli.trial import Arithmetic
    from mmser_ros.runtime.registry import ENGINES

    known = {precision for engine in ENGINES.values() for precision in engine.precisions}
    for flag, names, among in (
        ("--engine", args.engine, set(ENGINES)),
        ("--precision", args.precision, known),
    ):
        strange = set(names or ()) - among
        if strange:
            there = ", ".join(sorted(among))
            raise Failure(f"{flag} is {', '.join(sorted(strange))}; there are {there}.", USAGE)
    if any(threads < 1 for threads in args.threads or ()):
        raise Failure("--threads must be at least 1.", USAGE)
    for name, engine in ENGINES.items():
        for precision in engine.precisions:
            if name in (args.engine or [name]) and precision in (args.precision or [precision]):
                # threads are the CPU's: where a GPU computes, one try tells all
                for threads in [None] if engine.gpu else args.threads or [None]:
                    yield Arithmetic(name, precision, threads)


def _frames(what: str, count: int) -> tuple[str, Sequence[Frame]]:
    """What is looked at, in a word, and the frames."""
    from mmser_ros.cli import moving
    from mmser_ros.cli.recording import sample
    from mmser_ros.world.render import NoRenderer

    try:
        if what in ("auto", "drives"):
            return "rendered drives", list(moving.drives(count))
        if what == "scenes":
            return "rendered scenes", list(moving.scenes(count))
    except (NoRenderer, ImportError) as error:
        if what != "auto":
            raise Failure(f"Nothing can be rendered: {error}") from error
        print(f"mmser: taking the sample drive, since nothing can be rendered: {error}",
              file=sys.stderr)  # fmt: skip
    path = sample() if what == "auto" else Path(what)
    return str(path) if what != "auto" else "sample drive", list(moving.recorded(path, count))


def _tried(
    what: Arithmetic, model: Path, frames: Path, absent: dict[str, str], *, cold: bool
) -> dict[str, Any] | None:
    """What a trial found; None where it is absent, with the reason noted."""
    from mmser_ros.cli.trial import TrialFailed, tried
    from mmser_ros.runtime.registry import ENGINES, hindrance

    hindered = hindrance(what.engine, model)
    if hindered is not None:
        absent[f"{what.engine} {what.precision}"] = hindered.says
        return None
    known = ENGINES[what.engine]
    patience = " (is built first, which takes minutes)" if known.gpu and known.graphs else ""
    print(f"mmser: {what.name} ...{patience}", file=sys.stderr, flush=True)
    try:
        if not cold:
            return tried(what, model, frames)
        with tempfile.TemporaryDirectory(prefix="mmser-bench-") as cache:
            first = tried(what, model, None, Path(cache))
            again = tried(what, model, frames, Path(cache))
    except TrialFailed as error:
        absent[what.name] = str(error)
        return None
    return {**again, "first_start_seconds": first["start_seconds"]}


def _draw(path: Path, whole: dict[str, Any]) -> None:
    from mmser_ros.cli.bench_chart import draw

    try:
        draw(path, whole)
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}.") from error


def _write(path: Path, whole: dict[str, Any]) -> None:
    from mmser_ros.files import replacing

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            partial.write_text(json.dumps(whole, indent=2) + os.linesep, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}.") from error
