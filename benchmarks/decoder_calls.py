"""How many decoder calls drafts save, and whether they change a token.

Renders held-out scenes and drives, captions each frame with the draft-verified decoder and
with the plain greedy one, and compares; what that saves in time, `mmser bench` tells. Last
line: one JSON object; --save keeps it in benchmarks/results/decoder_calls.json.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from options import opened, options
from record import publish

from mmser_ros.captioner import Captioner
from mmser_ros.cli.laps import BothWays, Watch
from mmser_ros.types import Frame
from mmser_ros.world import dataset
from mmser_ros.world.drive import drive
from mmser_ros.world.render import Renderer


def pictures(renderer: Renderer, kind: str, count: int) -> Iterator[np.ndarray]:
    """``count`` scenes by themselves, or frames of drives at ten a second."""
    if kind == "scenes":
        for number in range(count):
            yield dataset.frame(renderer, 0, "test", number)[0]
    else:
        shots = (shot for seed in range(count) for shot in drive(renderer, 900 + seed, 10.0, 10.0))
        for _, shot in zip(range(count), shots, strict=False):
            yield shot.rgb


def measure(captioner: Captioner, frames: Iterable[np.ndarray]) -> dict[str, dict[str, float]]:
    """Caption all frames; figures of the coarse and of the refined captions."""
    ways = BothWays()
    captioner.decode = ways.of(Watch())
    for rgb in frames:
        captioner.refine(captioner.glance(Frame(rgb)))
    return {"coarse": ways.row(0), "refined": ways.row(1)}


def main() -> None:
    """The command line."""
    parser = options(__doc__, 1000, "of each kind")
    arguments = parser.parse_args()
    captioner = opened(arguments)
    captioner.warm_up()
    renderer = Renderer(dataset.WIDTH, dataset.HEIGHT)
    found = {
        kind: measure(captioner, pictures(renderer, kind, arguments.frames))
        for kind in ("scenes", "drives")
    }
    columns = list(found["scenes"]["coarse"])
    print(" " * 16 + "".join(f"{column:>15}" for column in columns))
    for kind, looks in found.items():
        for look, row in looks.items():
            print(f"{kind:8}{look:8}" + "".join(f"{row[column]:>15}" for column in columns))
    info = captioner.info
    told = {"engine": info.backend, "weights": info.weights_hash}
    publish("decoder_calls", {**told, **found}, arguments.save)


if __name__ == "__main__":
    main()
