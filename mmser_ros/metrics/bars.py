"""What a model that is shipped has to reach, held against its scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Bar:
    """One of them."""

    path: str
    """Keys of the scores with dots between: ``refined.chair_i``."""
    bar: float
    most: bool = False
    """Whether the score must not be above the bar; else it must not be below."""

    def met(self, value: float) -> bool:
        """Whether a score is good enough. NaN is not."""
        return value <= self.bar if self.most else value >= self.bar


ABOVE_ZERO = 1e-4
"""The least that is not 0 in scores of four decimals."""
BARS = tuple(
    Bar(f"gains.{gain}.fact_f1.low", ABOVE_ZERO)
    for gain in ("refined_over_coarse", "refined_over_shuffled", "true_over_refined")
)
"""A second look that reads its draft and sees more than the glance is better than its glance,
better with its own draft than with another frame's, and better yet with the true one: each for
sure, so that the lower ends of the intervals are above 0."""


def held_against(scores: Mapping[str, Any], bars: Iterable[Bar] = BARS) -> list[dict[str, Any]]:
    """Each bar as ``name``, ``value``, ``bar``, ``at`` (``least`` or ``most``) and ``met``.

    A score that is missing or None is not met.
    """
    found = []
    for bar in bars:
        value: Any = scores
        for key in bar.path.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        found.append(
            {
                "name": bar.path,
                "value": value,
                "bar": bar.bar,
                "at": "most" if bar.most else "least",
                "met": value is not None and bar.met(value),
            }
        )
    return found
