"""The table of ablation.py: what the captions of its rows are worth, over frames and seeds."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmser_ros.metrics import captions
from mmser_ros.metrics.intervals import gain
from mmser_ros.metrics.repair import repair
from mmser_ros.metrics.scores import by_kind, score, tallies, total
from mmser_ros.world.grammar import Facts, caption

TOLD = (
    "fact_f1",
    "fact_precision",
    "fact_recall",
    "cider_d",
    "exact_match",
    "chair_i",
    "chair_s",
    "repaired",
    "damaged",
)
"""Scores of a row; the last two hold it against the coarse captions."""
PAIRED = ("fact_f1", "exact_match", "chair_i")
"""Scores of which the gain over other rows is told."""
BY_KIND = ("precision", "recall", "f1")
GLANCE, BOTH = "glance", "both"
T95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}
"""By number of seeds, how many standard errors of a mean the 95 % interval reaches (Student)."""
Captions = Sequence[str]
"""One a frame."""


def scores(said: Captions, coarse: Captions, truths: Sequence[Facts]) -> dict[str, float]:
    """Of the captions of one row and seed. A perfect caption has a CIDEr-D of 10."""
    found = score(said, truths)
    found |= repair(coarse, said, truths)
    true = [[caption(truth)] for truth in truths]
    found |= captions.score(said, true, ["cider_d"]).whole
    return {name: found[name] for name in TOLD}


def summary(
    rows: Iterable[Mapping[str, Any]], order: Iterable[str], truths: Sequence[Facts]
) -> dict[str, Any]:
    """Scores of every row, also by kind of fact, and what the second look gains over the others.

    ``rows`` hold ``row`` (a name), ``seed`` and ``captions``; they are told in ``order``.
    """
    alike: dict[str, list[Captions]] = defaultdict(list)
    for row in rows:
        alike[row["row"]].append(row["captions"])
    there = [name for name in order if name in alike]
    counted = {
        name: [
            total(frame)
            for frame in zip(*(tallies(said, truths) for said in alike[name]), strict=True)
        ]
        for name in there
    }
    found: dict[str, Any] = {"rows": {}, "gains": {}}
    for name in there:
        each = [scores(said, alike[GLANCE][0], truths) for said in alike[name]]
        kinds = by_kind(total(counted[name]))
        found["rows"][name] = {
            "seeds": len(each),
            **{key: interval([one[key] for one in each]) for key in TOLD},
            "kinds": {kind: rounded(of, BY_KIND) for kind, of in kinds.items()},
        }
        if BOTH in counted and name != BOTH:
            gains = {key: gain(counted[name], counted[BOTH], key) for key in PAIRED}
            found["gains"][name] = {
                key: rounded(dataclasses.asdict(one)) for key, one in gains.items()
            }
    return found


def interval(values: Sequence[float]) -> dict[str, float]:
    """Mean over seeds, at most five; from two on, how far its 95 % interval reaches."""
    whole = {"mean": statistics.fmean(values)}
    if len(values) in T95:
        whole["reach"] = T95[len(values)] * statistics.stdev(values) / math.sqrt(len(values))
    return rounded(whole)


def rounded(figures: Mapping[str, float], keys: Iterable[str] = ()) -> dict[str, float]:
    """These of some figures, or all, to five digits."""
    return {key: round(figures[key], 5) for key in keys or figures}


def show(found: Mapping[str, Any]) -> None:
    """Print the table."""
    print(f"{'% (CIDEr-D: of 10)':31}" + "".join(f"{key:>16}" for key in TOLD) + f"{'seeds':>7}")
    for name, row in found["rows"].items():
        cells = []
        for key in TOLD:
            scale = 1 if key == "cider_d" else 100
            reach = f" ± {scale * row[key]['reach']:.1f}" if "reach" in row[key] else ""
            cells.append(f"{scale * row[key]['mean']:.1f}{reach}")
        print(f"{name:31}" + "".join(f"{cell:>16}" for cell in cells) + f"{row['seeds']:>7}")
