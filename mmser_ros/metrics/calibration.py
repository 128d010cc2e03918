"""Whether a confidence means what it says: reliability, its error, and what it can tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

BINS = 15
"""As in Guo et al., On Calibration of Modern Neural Networks (ICML 2017)."""


@dataclass(frozen=True, slots=True)
class Bin:
    """What became of predictions of about the same confidence."""

    low: float
    high: float
    n: int
    confidence: float
    """Mean confidence, 0 to 1."""
    right: float
    """Share that was right, 0 to 1."""


def reliability(confidence: ArrayLike, right: ArrayLike, bins: int = BINS) -> list[Bin]:
    """Bins of equal width over 0 to 1 that hold at least one prediction.

    ``confidence`` (n,) in 0..1, ``right`` (n,) of truth values. Raises ValueError where they
    are none, differ in number, or a confidence is no probability.
    """
    sure, fine = _checked(confidence, right)
    if ((sure < 0) | (sure > 1)).any():
        raise ValueError("A confidence lies outside 0 to 1.")
    place = np.minimum((sure * bins).astype(int), bins - 1)
    found = []
    for number in np.unique(place):
        some = place == number
        found.append(
            Bin(
                low=float(number) / bins,
                high=float(number + 1) / bins,
                n=int(some.sum()),
                confidence=float(sure[some].mean()),
                right=float(fine[some].mean()),
            )
        )
    return found


def calibration_error(rows: Sequence[Bin]) -> float:
    """Expected calibration error of a reliability table: mean gap, weighted by n."""
    total = sum(row.n for row in rows)
    return sum(row.n * abs(row.confidence - row.right) for row in rows) / total


def auroc(score: ArrayLike, positive: ArrayLike) -> float:
    """Chance that a positive scores higher than a negative, ties counting half.

    NaN where there are only positives, or none. Raises ValueError as ``reliability`` does.
    """
    values, wanted = _checked(score, positive)
    many = int(wanted.sum())
    if many in (0, len(wanted)):
        return float("nan")
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    above = rank[wanted].sum() - many * (many + 1) / 2
    return float(above / (many * (len(wanted) - many)))


def _checked(values: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    numbers, flags = np.asarray(values, np.float64), np.asarray(truth, bool)
    if numbers.ndim != 1 or numbers.shape != flags.shape or not len(numbers):
        raise ValueError(f"Shapes {numbers.shape} and {flags.shape}: one truth a value is needed.")
    if np.isnan(numbers).any():
        raise ValueError("A value is NaN.")
    return numbers, flags
