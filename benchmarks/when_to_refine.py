"""Which frames are worth a second look, and how much of its gain do a few of them give?

Captions held-out scenes twice and takes the refined captions of a growing share of frames, those
first that a score of the coarse caption calls for:

  confidence     the product of all word probabilities
  lowest word    the least of them
  lowest clause  the least product of a clause's
  random         none
  hindsight      the gain itself, which nobody knows beforehand: no score does better

The model's own threshold (refine: uncertain) was fitted on validation scenes; these are of the
test split. Draws benchmarks/results/when_to_refine.png. Last line: one JSON object; --save keeps
it, and the picture, in benchmarks/results.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from options import add_rendering, opened, options, rendered
from record import RESULTS, publish

from mmser_ros.metrics.scores import tallies, value
from mmser_ros.train.calibrate import KEPT, worth
from mmser_ros.trust import evidence
from mmser_ros.types import Caption, Frame

SHOWN = ("fact_f1", "exact_match", "chair_i")
Floats = NDArray[np.float64]


def lowest_clause(said: Caption) -> float:
    """Logarithm of the least product of word probabilities between two full stops."""
    ends = [number for number, word in enumerate(said.words, 1) if word == "."]
    clauses = [said.word_probabilities[a:b] for a, b in pairwise([0, *ends])]
    return min(map(evidence, clauses), default=0.0)


class Mixture:
    """Scores of captions of which only some are refined."""

    def __init__(self, before: Sequence[Any], after: Sequence[Any]) -> None:
        """Of the tallies of coarse and refined captions of the same frames."""
        keys = sorted(set().union(*before, *after))
        coarse, refined = (
            np.array([[row.get(key, 0) for key in keys] for row in rows], float)
            for rows in (before, after)
        )
        self._keys, self._begin, self._change = keys, coarse.sum(0), refined - coarse

    def course(self, name: str, order: NDArray[np.int64]) -> Floats:
        """A score with the first 0, 1, ..., n frames of an order refined: (n + 1,)."""
        change = np.concatenate([np.zeros((1, len(self._keys))), self._change[order]])
        sums = self._begin + change.cumsum(0)
        return np.asarray(value(name, dict(zip(self._keys, sums.T, strict=True))))


def needed(course: Floats) -> float:
    """Least share of frames from which on KEPT of the whole gain is never lost again."""
    enough = course >= course[0] + KEPT * (course[-1] - course[0])
    last_short = np.flatnonzero(~enough)
    first = 0 if not len(last_short) else last_short[-1] + 1
    return float(first / (len(course) - 1))


def draw(curves: dict[str, dict[str, Floats]], own: dict[str, float]) -> None:
    """Every score against the share of refined frames."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(SHOWN), figsize=(4.2 * len(SHOWN), 3.6))
    for panel, name in zip(panels, SHOWN, strict=True):
        for score, courses in curves.items():
            course = 100 * courses[name]
            style = ":" if score in ("random", "hindsight") else "-"
            panel.plot(np.linspace(0, 100, len(course)), course, style, label=score)
        panel.plot(100 * own["share"], 100 * own[name], "ko", label="refine: uncertain")
        panel.set(xlabel="frames refined, %", title=f"{name.replace('_', ' ')}, %")
    panels[0].legend(fontsize=8)
    figure.tight_layout()
    RESULTS.mkdir(exist_ok=True)
    figure.savefig(RESULTS / "when_to_refine.png", dpi=120)


def main() -> None:
    """The command line."""
    parser = options(__doc__, 2000)
    add_rendering(parser)
    arguments = parser.parse_args()
    captioner = opened(arguments)
    coarse, refined, truths, own = [], [], [], []
    for view in rendered(arguments):
        glance = captioner.glance(Frame(view.rgb, camera=view.camera))
        coarse.append(glance.caption)
        refined.append(captioner.refine(glance))
        own.append(captioner.worth_refining(glance))
        truths.append(view.truth)
    mixture = Mixture(
        *(tallies([said.text for said in look], truths) for look in (coarse, refined))
    )
    scores = {
        "confidence": [evidence(said.word_probabilities) for said in coarse],
        "lowest word": [min(said.word_probabilities, default=1.0) for said in coarse],
        "lowest clause": [lowest_clause(said) for said in coarse],
        "random": np.random.default_rng(0).random(len(coarse)).tolist(),
        "hindsight": [
            worth(before.text, truth) - worth(after.text, truth)
            for before, after, truth in zip(coarse, refined, truths, strict=True)
        ],
    }
    orders = {name: np.argsort(score, kind="stable") for name, score in scores.items()}
    curves = {
        score: {name: mixture.course(name, order) for name in SHOWN}
        for score, order in orders.items()
    }
    mine = np.argsort(~np.array(own), kind="stable")
    told = {"share": float(np.mean(own))}
    told |= {name: float(mixture.course(name, mine)[sum(own)]) for name in SHOWN}
    points = np.linspace(0, len(coarse), 11).astype(int)
    found = {
        score: {
            "needed": round(needed(courses["fact_f1"]), 4),
            **{name: courses[name][points].round(4).tolist() for name in SHOWN},
        }
        for score, courses in curves.items()
    }
    print(f"{'facts F1, %, of a share refined':32}" + "".join(f"{10 * k:>7} %" for k in range(11)))
    for score, courses in found.items():
        cells = "".join(f"{100 * f1:9.2f}" for f1 in courses["fact_f1"])
        print(f"{score:14}{100 * courses['needed']:6.1f} % keep {100 * KEPT:.0f} %{cells}")
    print(f"refine: uncertain refines {100 * told['share']:.1f} %, F1 {100 * told['fact_f1']:.2f}")
    if arguments.save:
        draw(curves, told)
    info = {"weights": captioner.info.weights_hash, "frames": len(coarse)}
    publish("when_to_refine", {**info, "uncertain": told, "by": found}, arguments.save)


if __name__ == "__main__":
    main()
