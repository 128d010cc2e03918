"""A chart of latencies as inline SVG; its colours come from the page's style."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 480, 210
LEFT, RIGHT, TOP, BOTTOM = 40, 8, 22, 30


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one colour."""

    name: str
    """Also its CSS class."""
    points: Sequence[tuple[float, float]]
    """(seconds into the drive, latency in seconds)."""


def latency_chart(series: Sequence[Series]) -> str:
    """The SVG; a sentence if there is nothing to draw."""
    known = [
        Series(one.name, [(x, 1e3 * y) for x, y in one.points if not math.isnan(y)])
        for one in series
    ]
    values = [y for one in known for _, y in one.points]
    if not values:
        return "<p>No latency is known.</p>"
    last = max(1e-9, *(x for one in known for x, _ in one.points))
    step = _step(max(values))
    top = step * math.ceil(max(values) / step + 1e-9)

    def place(x: float, y: float) -> tuple[float, float]:
        across, up = x / last, y / top
        return (
            round(LEFT + across * (WIDTH - LEFT - RIGHT), 1),
            round(HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM), 1),
        )

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="Latency of each caption over the drive, in milliseconds">'
    ]
    for tick in range(round(top / step) + 1):
        _, y = place(0, tick * step)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{LEFT - 5}" y="{y + 4}" text-anchor="end">{tick * step:g}</text>')
    every = _step(last)
    for tick in range(int(last / every) + 1):
        x, y = place(tick * every, 0)
        parts.append(f'<text x="{x}" y="{y + 15}" text-anchor="middle">{tick * every:g} s</text>')
    parts.append('<text x="4" y="12">ms from exposure to arrival</text>')
    x = WIDTH - RIGHT
    for one in reversed(known):
        parts.append(
            f'<text class="{one.name} key" x="{x}" y="12" text-anchor="end">{one.name}</text>'
        )
        x -= 8 * len(one.name) + 8
    for one in known:
        line = " ".join(f"{x},{y}" for x, y in (place(*point) for point in one.points))
        parts.append(f'<polyline class="{one.name}" points="{line}"/>')
    return "".join([*parts, "</svg>"])


def _step(most: float) -> float:
    """A round distance of grid lines: about four of them up to ``most``."""
    rough = max(most, 1e-6) / 4
    unit = 10 ** math.floor(math.log10(rough))
    return next(unit * nice for nice in (1, 2, 5, 10) if unit * nice >= rough)
