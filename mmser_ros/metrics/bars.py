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
    of: str = ""
    """Keys of another score that this one is told as a share of."""

    @property
    def name(self) -> str:
        """What is held against the bar."""
        return f"{self.path} / {self.of}" if self.of else self.path

    def score(self, scores: Mapping[str, Any]) -> float | None:
        """The value among the scores; None where it is missing."""
        value = _at(scores, self.path)
        if not self.of or value is None:
            return value
        whole = _at(scores, self.of)
        return round(value / whole, 4) if whole else None

    def met(self, value: float) -> bool:
        """Whether a score is good enough. NaN is not."""
        return value <= self.bar if self.most else value >= self.bar


ABOVE_ZERO = 1e-4
"""The least that is not 0 in scores of four decimals."""
BARS = (
    Bar("refined.chair_i", 0.025, most=True),
    Bar("refined.chair_i", 0.75, most=True, of="coarse.chair_i"),
    Bar("refined.recall_1pct", 0.92),
    Bar("refined.colour_accuracy", 0.95),
    Bar("refined.side_accuracy", 0.95),
    Bar("refined.path_state", 0.97),
    Bar("refined.false_clear", 0.003, most=True),
    Bar("refined.exact_match", 0.55),
    Bar("repair.repaired", 0.3),
    Bar("repair.damaged", 0.01, most=True),
    Bar("confidence.refined.calibration_error", 0.03, most=True),
    Bar("familiarity.unfamiliar", 0.03, most=True),
    *(
        Bar(f"gains.{gain}.fact_f1.low", ABOVE_ZERO)
        for gain in ("refined_over_coarse", "refined_over_shuffled", "true_over_refined")
    ),
)
"""What the planner relies on, what the second look is for, and that it reads its draft: better
than its glance, better with its own draft than with another frame's, and better yet with the true
one, each for sure, so that the lower ends of the intervals are above 0."""


def held_against(scores: Mapping[str, Any], bars: Iterable[Bar] = BARS) -> list[dict[str, Any]]:
    """Each bar as ``name``, ``value``, ``bar``, ``at`` (``least`` or ``most``) and ``met``.

    A score that is missing or None is not met.
    """
    found = []
    for bar in bars:
        value = bar.score(scores)
        found.append(
            {
                "name": bar.name,
                "value": value,
                "bar": bar.bar,
                "at": "most" if bar.most else "least",
                "met": value is not None and bar.met(value),
            }
        )
    return found


def _at(scores: Mapping[str, Any], path: str) -> Any:
    """The value at keys with dots between; None where one is missing."""
    value: Any = scores
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
