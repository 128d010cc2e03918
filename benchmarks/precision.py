"""How many captions every engine and precision that is present changes, and how fast it is.

Renders held-out scenes and captions each by the model card's arithmetic (ONNX Runtime, fp32)
and by every other, one after the other, frame by frame. Both looks; a refined caption follows
from the same arithmetic's own coarse one. Last line: one JSON object; --save keeps it in
benchmarks/results/precision.json.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

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


def both_looks(captioner: Captioner, rgb: np.ndarray) -> tuple[Caption, Caption]:
    """The coarse and the refined caption of a frame."""
    glance = captioner.glance(Frame(rgb))
    return glance.caption, captioner.refine(glance)


def measure(
    captioners: dict[Arithmetic, Captioner], frames: Iterable[np.ndarray]
) -> dict[str, dict[str, float]]:
    """Of each arithmetic: share of captions that differ, and the looks' median milliseconds."""
    written: dict[Arithmetic, list[tuple[Caption, Caption]]] = {key: [] for key in captioners}
    for rgb in frames:
        for key, captioner in captioners.items():
            written[key].append(both_looks(captioner, rgb))
    rows = {}
    for key, captions in written.items():
        row: dict[str, float] = {}
        for look, name in enumerate(LOOKS):
            pairs = zip(captions, written[REFERENCE], strict=True)
            differing = [own[look].ids != other[look].ids for own, other in pairs]
            spent = [sum(both[look].milliseconds.values()) for both in captions]
            row[f"{name} differing"] = round(float(np.mean(differing)), 4)
            row[f"{name} ms p50"] = round(float(np.median(spent)), 2)
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
