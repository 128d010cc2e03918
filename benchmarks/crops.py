"""What the second look's crops cost and give: captions with more and fewer of them.

A crop is looked at if it takes away enough doubt (``salience.WORTH``). Captions every frame with
no crop, with the best one, the best two and so on, and scores what other limits would have given.
The limit was chosen on validation scenes; --split test tells what it is worth elsewhere. Gains
over looking at all crops are paired, with their 95 % intervals.

Last line: one JSON object; --save keeps it in benchmarks/results/crops.json.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from options import add_rendering, opened, options, rendered
from record import publish

from mmser_ros import salience
from mmser_ros.captioner import Captioner
from mmser_ros.metrics.intervals import gain
from mmser_ros.metrics.scores import tallies, total, value
from mmser_ros.types import Frame, Glance

LIMITS = (0.0, 0.05, 0.1, 0.2, 0.3, salience.WORTH, 0.75, 1.0, 1.5, math.inf)
"""Least doubts to try."""
SHOWN = ("fact_f1", "exact_match", "chair_i", "recall_1pct")


def refined(captioner: Captioner, glance: Glance, taken: list[float]) -> list[str]:
    """Captions of a frame with none, one, two, ... crops."""
    said = []
    for least in (math.inf, *taken):
        captioner.least_doubt = least
        said.append(captioner.refine(glance).text)
    return said


def main() -> None:
    """The command line."""
    parser = options(__doc__, 2000)
    add_rendering(parser)
    parser.add_argument("--split", choices=("validation", "test"), default="test")
    arguments = parser.parse_args()
    captioner = opened(arguments)
    if not captioner.config.things:
        raise SystemExit(f"The model {captioner.config.name} does not choose its crops.")
    taken, said, truths = [], [], []
    for view in rendered(arguments, arguments.split):
        glance = captioner.glance(Frame(view.rgb, camera=view.camera))
        taken.append(captioner.places(glance)[1].tolist())
        said.append(refined(captioner, glance, taken[-1]))
        truths.append(view.truth)
    counts = {least: (np.array(taken) >= least).sum(1) for least in LIMITS}
    rows = {
        least: tallies([texts[k] for texts, k in zip(said, some, strict=True)], truths)
        for least, some in counts.items()
    }
    found: list[dict[str, Any]] = []
    for least, some in counts.items():
        scores = {name: round(float(value(name, total(rows[least]))), 4) for name in SHOWN}
        over = dataclasses.asdict(gain(rows[LIMITS[0]], rows[least], "fact_f1"))
        found.append(
            {
                "least": None if math.isinf(least) else least,
                "crops": round(float(some.mean()), 3),
                **scores,
                "gain": {name: round(part, 4) for name, part in over.items()},
            }
        )
        figures = "".join(f"  {name} {100 * score:5.1f}" for name, score in scores.items())
        middle, low, high = (100 * over[part] for part in ("gain", "low", "high"))
        print(
            f"{least:5} {some.mean():5.2f} crops{figures}  {middle:+.2f} [{low:+.2f}, {high:+.2f}]"
        )
    info = {"weights": captioner.info.weights_hash, "frames": len(truths)}
    info |= {"split": arguments.split, "worth": salience.WORTH}
    publish("crops", {**info, "limits": found}, arguments.save)


if __name__ == "__main__":
    main()
