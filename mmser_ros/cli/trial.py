"""One engine in one precision, tried in a process of its own: ``python -m mmser_ros.cli.trial``.

So its start-up is that of a fresh process, its memory is its own, its threads are in nobody's
way, and its end is not that of the benchmark.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmser_ros.cli.failure import OK, UNREADABLE

if TYPE_CHECKING:
    from mmser_ros.cli.laps import WatchedCaptioner

CONVERT = "convert"
"""The stage before both looks: from the camera's message to a frame."""


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """What is tried."""

    engine: str
    precision: str
    threads: int | None = None
    """None: as many as the engine takes by itself."""

    @property
    def name(self) -> str:
        """In words."""
        threads = "" if self.threads is None else f", {self.threads} threads"
        return f"{self.engine} {self.precision}{threads}"


class TrialFailed(RuntimeError):
    """It gave nothing; the message says why, as a sentence."""


def tried(
    what: Arithmetic, model: Path, frames: Path | None, cache: Path | None = None
) -> dict[str, Any]:
    """What a process of its own measured; without ``frames`` only its start.

    ``cache`` takes the place of the user's cache directory. Raises TrialFailed.
    """
    environment = dict(os.environ)
    if cache is not None:
        environment["XDG_CACHE_HOME"] = str(cache)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "trial.json"
        command = [sys.executable, "-m", "mmser_ros.cli.trial", str(model), str(out)]
        command += ["--engine", what.engine, "--precision", what.precision]
        command += [] if what.threads is None else ["--threads", str(what.threads)]
        command += [] if frames is None else ["--frames", str(frames)]
        command += ["--begun", repr(time.time())]
        ended = subprocess.run(command, stderr=subprocess.PIPE, text=True, env=environment)
        if not out.exists():
            last = (ended.stderr.strip().splitlines() or ["no words"])[-1]
            raise TrialFailed(f"it ended with code {ended.returncode}, saying: {last}")
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    if "problem" in found:
        raise TrialFailed(found["problem"])
    return {"engine": what.engine, "threads": what.threads, **found}


def main(arguments: Sequence[str] | None = None) -> int:
    """The process: writes what it measured, or why it could not, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--engine", required=True)
    parser.add_argument("--precision", required=True)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--frames", type=Path)
    parser.add_argument("--begun", type=float, required=True)
    args = parser.parse_args(arguments)
    from mmser_ros.cli.meters import gpu_memory
    from mmser_ros.model.config import BadModel
    from mmser_ros.runtime.engine import EngineError

    memory = gpu_memory()
    try:
        found = _measure(args, memory)
    except (BadModel, EngineError) as error:
        args.out.write_text(json.dumps({"problem": str(error)}), encoding="utf-8")
        return UNREADABLE
    args.out.write_text(json.dumps(found), encoding="utf-8")
    return OK


def _measure(args: argparse.Namespace, gpu: int | None) -> dict[str, Any]:
    from mmser_ros.cli.laps import WatchedCaptioner
    from mmser_ros.cli.meters import gpu_memory, peak_memory

    captioner = WatchedCaptioner.load(
        args.model, engine=args.engine, threads=args.threads, precision=args.precision
    )
    assert isinstance(captioner, WatchedCaptioner)
    ready = time.time() - args.begun
    captioner.warm_up()
    captioned = time.time() - args.begun
    memory = {"peak_mib": round(peak_memory() / 2**20)}
    now = gpu_memory()
    if gpu is not None and now is not None:
        memory["gpu_mib"] = round((now - gpu) / 2**20)
    found = {
        **dataclasses.asdict(captioner.info),
        "start_seconds": {"ready": round(ready, 3), "captioned": round(captioned, 3)},
        "memory": memory,
    }
    if args.frames is not None:
        found |= _by_stages(captioner, args.frames) | _at_work(captioner, args.frames)
    captioner.close()
    return found


def _by_stages(captioner: WatchedCaptioner, frames: Path) -> dict[str, Any]:
    """What every stage takes, and what decoding is with and without drafts."""
    from mmser_ros.cli.laps import BothWays, Spent, Watch, percentiles, sums
    from mmser_ros.cli.moving import messages
    from mmser_ros.node.images import to_frame

    ways, stages = BothWays(), defaultdict[str, list[Spent]](list)
    for message, camera in messages(frames):
        watch = Watch()
        frame = to_frame(message)
        watch.lap(CONVERT)
        laps = captioner.both_looks(dataclasses.replace(frame, camera=camera), ways)
        for name, spent in {**watch.laps, **laps, **sums(laps)}.items():
            stages[name].append(spent)
    return {
        "frames": len(stages[CONVERT]),
        "milliseconds": {name: percentiles(spent) for name, spent in stages.items()},
        "decoding": {"coarse": ways.row(0), "refined": ways.row(1)},
    }


def _at_work(captioner: WatchedCaptioner, frames: Path) -> dict[str, Any]:
    """Frames a second and energy a frame, as a robot captions: drafts only, nothing twice."""
    from mmser_ros.cli.meters import metered, meters
    from mmser_ros.cli.moving import messages
    from mmser_ros.node.images import to_frame

    found, lacking = meters()
    seconds: dict[str, list[float]] = {"both": [], "glance": []}
    spent: dict[str, dict[str, float]] = {}
    for looks, times in seconds.items():
        with metered(found) as spent[looks]:
            for message, camera in messages(frames):
                begun = time.perf_counter()
                glance = captioner.glance(dataclasses.replace(to_frame(message), camera=camera))
                if looks == "both":
                    captioner.refine(glance)
                times.append(time.perf_counter() - begun)
    return {
        "frames_per_second": {
            looks: round(len(times) / sum(times), 2) for looks, times in seconds.items()
        },
        "joules_per_frame": {
            looks: {name: round(joules / len(seconds[looks]), 4) for name, joules in of.items()}
            for looks, of in spent.items()
        },
        "energy_unknown": lacking if not found else [],
    }


if __name__ == "__main__":
    sys.exit(main())
