"""What each stage of a glance and of a refinement costs, frame after frame of drives.

Wall time p50 and p95 in milliseconds, for each number of threads; the process's peak memory.
Last line: one JSON object; --save keeps it in benchmarks/results/latency.json.
"""

from __future__ import annotations

import argparse
import resource
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from record import publish

from mmser_ros.captioner import Captioner
from mmser_ros.types import Caption, Frame
from mmser_ros.world.drive import drive
from mmser_ros.world.render import Renderer

SIZE = (640, 480)
DRIVES, SECONDS, FPS = 4, 10.0, 5.0


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50 and p95, rounded to hundredths."""
    return {f"p{share}": round(float(np.percentile(values, share)), 2) for share in (50, 95)}


def measure(captioner: Captioner, frames: Sequence[np.ndarray]) -> dict[str, dict[str, float]]:
    """Caption every frame twice; percentiles by look and stage, and of both looks' sums."""
    laps: dict[str, list[float]] = defaultdict(list)

    def note(look: str, caption: Caption) -> None:
        for stage, spent in caption.milliseconds.items():
            laps[f"{look} {stage}"].append(spent)
        laps[f"{look} all"].append(sum(caption.milliseconds.values()))

    captioner.warm_up()
    for rgb in frames:
        glance = captioner.glance(Frame(rgb))
        note("coarse", glance.caption)
        note("refined", captioner.refine(glance))
    return {name: percentiles(values) for name, values in laps.items()}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--save", action="store_true", help="keep the result in results/")
    arguments = parser.parse_args()
    renderer = Renderer(*SIZE)
    shots = (shot for seed in range(DRIVES) for shot in drive(renderer, 950 + seed, SECONDS, FPS))
    frames = [shot.rgb for shot in shots]
    found = {}
    for threads in arguments.threads:
        captioner = Captioner.load(arguments.model, engine=arguments.engine, threads=threads)
        found[threads] = measure(captioner, frames)
        info = captioner.info
        captioner.close()
    print(f"{'ms':20}" + "".join(f"{f'{n} threads p50':>16}{'p95':>8}" for n in found))
    for stage in found[arguments.threads[0]]:
        rows = (found[threads][stage] for threads in found)
        print(f"{stage:20}" + "".join(f"{row['p50']:16.2f}{row['p95']:8.2f}" for row in rows))
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    told = {"engine": info.backend, "weights": info.weights_hash, "frames": len(frames)}
    publish("latency", {**told, "peak_mib": peak, "threads": found}, arguments.save)


if __name__ == "__main__":
    main()
