"""What the shipped model knows about itself: confidence, when to look twice, familiarity.

All is measured with the captioner that is shipped. The curves are fitted on validation frames,
which share no scene graph with training or test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmser_ros.captioner import Captioner
from mmser_ros.metrics.scores import tally
from mmser_ros.model.config import CalibrationConfig, Knots
from mmser_ros.train.data import Examples
from mmser_ros.trust import evidence
from mmser_ros.types import Caption, Frame
from mmser_ros.world.grammar import Facts

Floats: TypeAlias = NDArray[np.float64]

CALIBRATED = 1500
"""Validation frames that the curves are fitted on, at most."""
FAMILIAR = 6000
"""Training frames whose pooled levels say what is familiar, at most."""
BLOCK = 40
"""Captions averaged before a curve is made to rise; the curve of single ones follows chance."""
KEPT = 0.95
"""Share of the second look's whole gain that ``refine: uncertain`` keeps."""
SHRINKAGE = 0.003
"""Share of the mean variance added to the covariance's diagonal, so that it can be inverted."""


def measure(
    captioner: Captioner, frames: Examples, held: Examples
) -> tuple[CalibrationConfig, dict[str, Tensor]]:
    """The calibration, and the statistics of familiarity, of a captioner that has neither.

    ``frames`` are those of training, ``held`` those of validation.
    """
    looks: dict[str, list[Caption]] = {"coarse": [], "refined": []}
    near: list[Floats] = []
    few = min(CALIBRATED, len(held))
    for index in range(few):
        glance = captioner.glance(_frame(held, index))
        near.append(glance.levels.pooled[0])
        looks["coarse"].append(glance.caption)
        looks["refined"].append(captioner.refine(glance))
    rows = np.linspace(0, len(frames) - 1, min(FAMILIAR, len(frames))).astype(int)
    pooled = [captioner.pooled(_frame(frames, row)) for row in rows.tolist()]
    return (
        calibration(looks["coarse"], looks["refined"], held.captions[:few], held.facts[:few]),
        familiarity(np.array(pooled, np.float64), np.array(near, np.float64)),
    )


def _frame(frames: Examples, index: int) -> Frame:
    return Frame(frames.shards.image(index), camera=frames.told[index])


def calibration(
    coarse: list[Caption],
    refined: list[Caption],
    captions: list[tuple[int, ...]],
    facts: list[Facts],
) -> CalibrationConfig:
    """The curves from word probabilities to "nothing is wrong", and when to look twice.

    ``captions`` are the true ones as ids, ``facts`` what is true in the same frames.
    """

    def curve(said: list[Caption]) -> Knots:
        right = [one.ids == true for one, true in zip(said, captions, strict=True)]
        return chances(_evidence(said), np.array(right))

    first = curve(coarse)
    sure = along(first, _evidence(coarse))
    gain = np.array(
        [
            worth(after.text, truth) - worth(before.text, truth)
            for before, after, truth in zip(coarse, refined, facts, strict=True)
        ]
    )
    return CalibrationConfig(first, curve(refined), refine_below(sure, gain))


def _evidence(said: list[Caption]) -> Floats:
    return np.array([evidence(one.word_probabilities) for one in said])


def worth(text: str, truth: Facts) -> int:
    """How many facts a caption has right, less those that it states wrongly."""
    count = tally(text, truth)
    return count["due right"] + count["said right"] - count["said"]


@dataclass(frozen=True, slots=True)
class Pool:
    """Neighbours in x that get the same y."""

    first: float
    last: float
    """Where on x it begins and ends: means of its first and its last block."""
    total: float
    """Sum of y."""
    count: int

    @property
    def mean(self) -> float:
        """Of y."""
        return self.total / self.count


def pools(x: Floats, y: Floats) -> list[Pool]:
    """Isotonic regression of y (n,) on x (n,): pools from left to right, whose means rise.

    Blocks of neighbours are joined with the ones before until they do (pool adjacent violators).
    """
    found: list[Pool] = []
    for block in np.array_split(np.argsort(x, kind="stable"), max(1, len(x) // BLOCK)):
        place = float(x[block].mean())
        pool = Pool(place, place, float(y[block].sum()), len(block))
        while found and (found[-1].mean >= pool.mean or found[-1].last >= pool.first):
            left = found.pop()
            pool = Pool(left.first, pool.last, left.total + pool.total, left.count + pool.count)
        found.append(pool)
    return found


def knots(found: list[Pool], heights: Sequence[float]) -> Knots:
    """The curve that is level over each pool, and straight from one to the next."""
    return tuple(
        (place, height)
        for pool, height in zip(found, heights, strict=True)
        for place in dict.fromkeys((pool.first, pool.last))
    )


def chances(x: Floats, right: NDArray[np.bool_]) -> Knots:
    """The curve from evidence ``x`` (n,) to the chance of being right.

    Half a right and half a wrong caption are added to each pool: no finite number of captions
    shows that none is ever wrong.
    """
    found = pools(x, right.astype(np.float64))
    heights = np.array([(pool.total + 0.5) / (pool.count + 1) for pool in found])
    return knots(found, np.maximum.accumulate(heights).tolist())


def refine_below(sure: Floats, gain: Floats, kept: float = KEPT) -> float:
    """The least confidence that has ``kept`` of the second look's gain below it.

    ``sure`` (n,) are coarse confidences, ``gain`` (n,) what the second look was worth to each.
    It is taken to be worth less the surer the coarse caption was, and where it would do harm,
    nothing. 0 if it is worth nothing anywhere.
    """
    found = pools(sure, -gain.astype(np.float64))
    curve = knots(found, [pool.mean for pool in found])
    ordered = np.sort(sure)
    expected = np.maximum(0.0, -along(curve, ordered)).cumsum()
    if expected[-1] == 0:
        return 0.0
    last = ordered[np.searchsorted(expected, kept * expected[-1])]
    above = ordered[ordered > last]
    return float((last + above[0]) / 2) if len(above) else 1.0


def along(curve: Knots, x: Floats) -> Floats:
    """A curve's y at each x."""
    places, heights = zip(*curve, strict=True)
    return np.asarray(np.interp(x, places, heights), np.float64)


def familiarity(pooled: Floats, held: Floats) -> dict[str, Tensor]:
    """Mean and precision of training frames, quantiles of the distances of held-out ones.

    ``pooled`` (n, m d) and ``held`` (k, m d) are levels averaged over their tokens.
    """
    mean = pooled.mean(0)
    covariance = np.cov(pooled.T)
    covariance += SHRINKAGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    precision = np.linalg.inv(covariance)
    away = held - mean
    distances = np.sqrt(np.einsum("nd,de,ne->n", away, precision, away))
    quantiles = np.quantile(distances, np.linspace(0, 1, 101))
    arrays = {"mean": mean, "precision": precision, "quantiles": quantiles}
    return {name: torch.from_numpy(value.astype(np.float32)) for name, value in arrays.items()}
