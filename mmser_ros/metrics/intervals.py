"""How sure a difference between two captioners of the same frames is: the paired bootstrap.

Frames are drawn with replacement, both captioners are scored on the same draw, and the middle
95 % of the differences are the interval (Efron and Tibshirani, An Introduction to the Bootstrap,
1993, chapter 13). A gain whose interval lies above 0 is no accident of the frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmser_ros.metrics.scores import value

DRAWS = 2000
LEVEL = 0.95
BATCH = 100
"""Draws at a time, so that thousands of frames need little memory."""


@dataclass(frozen=True, slots=True)
class Gain:
    """A difference of two scores and its interval."""

    gain: float
    low: float
    high: float


def gain(
    before: Sequence[Mapping[str, int]],
    after: Sequence[Mapping[str, int]],
    name: str,
    draws: int = DRAWS,
    seed: int = 0,
) -> Gain:
    """How much a score rises from one captioner to another, by their tallies of the same frames.

    ``name`` is one of ``scores.NAMES``. Raises ValueError if the numbers of frames differ or
    there are none.
    """
    if len(before) != len(after) or not before:
        raise ValueError(f"{len(before)} and {len(after)} frames cannot be paired.")
    keys = sorted(set().union(*before, *after))
    both = [_table(rows, keys) for rows in (before, after)]
    rng = np.random.default_rng(seed)
    count = len(before)
    drawn: list[NDArray[np.float64]] = []
    for begin in range(0, draws, BATCH):
        often = rng.multinomial(count, [1 / count] * count, min(BATCH, draws - begin))
        drawn.append(_difference(often.astype(float), both, keys, name))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(np.concatenate(drawn), (tail, 1 - tail))
    (whole,) = _difference(np.ones((1, count)), both, keys, name)
    return Gain(float(whole), float(low), float(high))


def _table(rows: Sequence[Mapping[str, int]], keys: Sequence[str]) -> NDArray[np.float64]:
    """Tallies (frames, keys)."""
    return np.array([[row.get(key, 0) for key in keys] for row in rows], float)


def _difference(
    often: NDArray[np.float64],
    both: Sequence[NDArray[np.float64]],
    keys: Sequence[str],
    name: str,
) -> NDArray[np.float64]:
    """Of each draw (draws, frames), how much the score rises: (draws,)."""
    before, after = (
        value(name, dict(zip(keys, (often @ table).T, strict=True))) for table in both
    )
    return np.asarray(after - before)
