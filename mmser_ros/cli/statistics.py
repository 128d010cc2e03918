"""What a run of the demo amounts to, in numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` (0 to 1) of the values do not exceed; NaN of none."""
    known = sorted(value for value in values if not math.isnan(value))
    return known[max(0, math.ceil(share * len(known)) - 1)] if known else math.nan


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of the report's head and of the demo's last lines."""

    played: int
    """Frames that the camera published."""
    coarse: Sequence[float]
    """Latency of each coarse caption: seconds from exposure to arrival."""
    refined: Sequence[float]
    coarse_inference: Sequence[float]
    """Seconds spent computing each coarse caption."""
    refined_inference: Sequence[float]
    changed: int
    """Refined captions that differ from the coarse one."""
    refined_calls: Sequence[int]
    """Decoder calls spent on each refined caption."""
    refined_words: Sequence[int]
    """Words of each refined caption."""
    judged: int
    """Last captions whose truth is known."""
    right: int
    """Those with nothing wrong in them."""
    facts_right: int
    """Facts of the last captions that are true."""
    facts: int
    """Facts that these captions say or should have said."""

    def tiles(self) -> list[tuple[str, str, str]]:
        """(value, name, note) of what to show."""
        found = [
            (
                f"{len(self.coarse)} of {self.played}",
                "frames captioned",
                "a newer frame replaces one that waits",
            ),
            (
                _ms(percentile(self.coarse, 0.5)),
                "to the coarse caption",
                f"p95 {_ms(percentile(self.coarse, 0.95))}, computing "
                f"{_ms(percentile(self.coarse_inference, 0.5))}",
            ),
            (
                _ms(percentile(self.refined, 0.5)),
                "to the refined caption",
                f"p95 {_ms(percentile(self.refined, 0.95))}, computing "
                f"{_ms(percentile(self.refined_inference, 0.5))}",
            ),
        ]
        if self.refined:
            calls = sum(self.refined_calls) / len(self.refined)
            words = sum(self.refined_words) / len(self.refined)
            found += [
                (
                    f"{100 * self.changed / len(self.refined):.0f}%",
                    "changed by the second look",
                    f"{self.changed} of {len(self.refined)} captions",
                ),
                (
                    f"{calls:.1f}",
                    "decoder calls a refinement",
                    f"word by word it would be {words + 1:.0f}",
                ),
            ]
        if self.judged:
            found.append(
                (
                    f"{100 * self.facts_right / max(1, self.facts):.0f}%",
                    "of the facts are right",
                    f"{self.right} of {self.judged} captions without a fault",
                )
            )
        return found


def _ms(seconds: float) -> str:
    return "–" if math.isnan(seconds) else f"{1e3 * seconds:.0f} ms"
