"""How many decoder calls drafts save, and whether they change a token.

Renders held-out scenes and drives, captions each frame with the draft-verified decoder and
with the plain greedy one, and compares. Last line: one JSON object; --save keeps it in
benchmarks/results/decoder_calls.json.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterable, Iterator

import numpy as np
from record import publish

from mmser_ros.captioner import Captioner
from mmser_ros.decode import draft, greedy
from mmser_ros.decode.greedy import Decoded
from mmser_ros.types import Frame
from mmser_ros.world import dataset
from mmser_ros.world.drive import drive
from mmser_ros.world.render import Renderer


class Comparison:
    """Writes every caption both ways, and remembers calls and time of each."""

    def __init__(self) -> None:
        self.plain: list[Decoded] = []
        self.verified: list[Decoded] = []
        self.milliseconds: dict[str, list[float]] = {"plain": [], "verified": []}

    def __call__(self, engine, prefix, prompt, candidate, *, end, limit) -> Decoded:
        begin = time.perf_counter()
        self.plain.append(greedy.decode(engine, prefix, prompt, end=end, limit=limit))
        between = time.perf_counter()
        found = draft.decode(engine, prefix, prompt, candidate, end=end, limit=limit)
        after = time.perf_counter()
        self.verified.append(found)
        self.milliseconds["plain"].append((between - begin) * 1e3)
        self.milliseconds["verified"].append((after - between) * 1e3)
        return found

    def row(self, first: int) -> dict[str, float]:
        """Figures of every second caption from ``first`` on: one look's."""
        plain, verified = self.plain[first::2], self.verified[first::2]
        return {
            "captions": len(plain),
            "tokens": round(statistics.mean(len(one.ids) + 1 for one in plain), 2),
            "calls": round(statistics.mean(one.calls for one in verified), 2),
            "one_call": round(statistics.mean(one.calls == 1 for one in verified), 3),
            "ms_greedy_p50": round(statistics.median(self.milliseconds["plain"][first::2]), 2),
            "ms_draft_p50": round(statistics.median(self.milliseconds["verified"][first::2]), 2),
            "differing": sum(a.ids != b.ids for a, b in zip(plain, verified, strict=True)),
        }


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
    comparison = Comparison()
    captioner.decode = comparison
    for rgb in frames:
        captioner.refine(captioner.glance(Frame(rgb)))
    return {"coarse": comparison.row(0), "refined": comparison.row(1)}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--frames", type=int, default=200, help="of each kind")
    parser.add_argument("--save", action="store_true", help="keep the result in results/")
    arguments = parser.parse_args()
    captioner = Captioner.load(arguments.model, engine=arguments.engine, threads=arguments.threads)
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
