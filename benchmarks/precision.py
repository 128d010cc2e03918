"""How many captions every engine and precision that is present changes, and how fast it is.

Renders held-out scenes and captions each by the model card's arithmetic (ONNX Runtime, fp32)
and by every other, one after the other, frame by frame. Both looks; a refined caption follows
from the same arithmetic's own coarse one. Medians of wall and of CPU time in milliseconds. Last
line: one JSON object; --save keeps it in benchmarks/results/precision.json.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from record import publish

from mmser_ros.captioner import Captioner
from mmser_ros.runtime.engine import EngineError
from mmser_ros.runtime.registry import ENGINES
from mmser_ros.types import Caption, Frame
from mmser_ros.world import dataset
from mmser_ros.world.render import Renderer

REFERENCE = ("onnx", "fp32")
LOOKS = ("coarse", "refined")

Arithmetic = tuple[str, str]
"""An engine and a precision."""


def load_every(model: str, threads: int) -> tuple[dict[Arithmetic, Captioner], dict[str, str]]:
    """Captioners of all engines and precisions that work here; why the others do not."""
    found: dict[Arithmetic, Captioner] = {}
    absent: dict[str, str] = {}
    for name, known in ENGINES.items():
        for precision in known.precisions:
            try:
                captioner = Captioner.load(
                    model, engine=name, threads=threads, precision=precision
                )
            except EngineError as error:
                absent[f"{name} {precision}"] = str(error)
                continue
            captioner.warm_up()
            found[name, precision] = captioner
    if REFERENCE not in found:
        raise SystemExit(f"There is nothing to compare with: {absent[' '.join(REFERENCE)]}")
    return found, absent


@dataclass(frozen=True, slots=True)
class Look:
    """One caption, and the milliseconds that it took."""

    caption: Caption
    wall: float
    cpu: float


def both_looks(captioner: Captioner, rgb: np.ndarray) -> tuple[Look, Look]:
    """The coarse and the refined caption of a frame."""
    clocks = [(time.perf_counter(), time.process_time())]
    glance = captioner.glance(Frame(rgb))
    clocks.append((time.perf_counter(), time.process_time()))
    refined = captioner.refine(glance)
    clocks.append((time.perf_counter(), time.process_time()))
    coarse, second = 1e3 * np.diff(np.array(clocks), axis=0)
    return Look(glance.caption, *coarse), Look(refined, *second)


def measure(
    captioners: dict[Arithmetic, Captioner], frames: Iterable[np.ndarray]
) -> dict[str, dict[str, float]]:
    """Of each arithmetic: share of captions that differ, and median milliseconds."""
    written: dict[Arithmetic, list[tuple[Look, Look]]] = {key: [] for key in captioners}
    for rgb in frames:
        for key, captioner in captioners.items():
            written[key].append(both_looks(captioner, rgb))
    rows = {}
    for key, looks in written.items():
        row: dict[str, float] = {}
        for look, name in enumerate(LOOKS):
            own = [both[look] for both in looks]
            others = [both[look] for both in written[REFERENCE]]
            pairs = zip(own, others, strict=True)
            differing = [one.caption.ids != other.caption.ids for one, other in pairs]
            row[f"{name} differing"] = round(float(np.mean(differing)), 4)
            row[f"{name} ms"] = round(float(np.median([one.wall for one in own])), 2)
            row[f"{name} cpu ms"] = round(float(np.median([one.cpu for one in own])), 2)
        rows[" ".join(key)] = row
    return rows


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--frames", type=int, default=500, help="held-out scenes")
    parser.add_argument("--save", action="store_true", help="keep the result in results/")
    arguments = parser.parse_args()
    captioners, absent = load_every(arguments.model, arguments.threads)
    for name, reason in absent.items():
        print(f"without {name}: {reason}")
    renderer = Renderer(dataset.WIDTH, dataset.HEIGHT)
    scenes = (dataset.frame(renderer, 0, "test", n)[0] for n in range(arguments.frames))
    rows = measure(captioners, scenes)
    columns = list(rows[" ".join(REFERENCE)])
    print(f"{'':16}" + "".join(f"{column:>20}" for column in columns))
    for name, row in rows.items():
        print(f"{name:16}" + "".join(f"{row[column]:>20}" for column in columns))
    infos = {" ".join(key): captioner.info for key, captioner in captioners.items()}
    told = {
        "weights": infos[" ".join(REFERENCE)].weights_hash,
        "frames": arguments.frames,
        "threads": arguments.threads,
        "backends": {name: info.backend for name, info in infos.items()},
    }
    publish("precision", {**told, "arithmetics": rows}, arguments.save)


if __name__ == "__main__":
    main()
