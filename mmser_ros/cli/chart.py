"""Charts as inline SVG; their colours come from the page's style."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mmser_ros.metrics.calibration import calibration_error, reliability

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


def reliability_chart(predictions: Sequence[tuple[float, bool]]) -> str:
    """Confidence against the share that was right, in bins; a dot's area tells how many.

    A sentence if no confidence is known.
    """
    known = [(sure, right) for sure, right in predictions if not math.isnan(sure)]
    if not known:
        return "<p>The model does not know how sure it is.</p>"
    rows = reliability([sure for sure, _ in known], [right for _, right in known], bins=10)
    side = HEIGHT - TOP - BOTTOM
    left = (WIDTH - side) // 2

    def place(x: float, y: float) -> tuple[float, float]:
        return round(left + x * side, 1), round(HEIGHT - BOTTOM - y * side, 1)

    error = calibration_error(rows)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="Share of right captions at each confidence">'
    ]
    for tick in (0, 0.5, 1):
        (x, y), (end, _) = place(0, tick), place(1, tick)
        parts.append(f'<line class="grid" x1="{x}" x2="{end}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{x - 5}" y="{y + 4}" text-anchor="end">{100 * tick:g}</text>')
        x, y = place(tick, 0)
        parts.append(f'<text x="{x}" y="{y + 15}" text-anchor="middle">{100 * tick:g} %</text>')
    (x, y), (end, top) = place(0, 0), place(1, 1)
    parts.append(f'<line class="ideal" x1="{x}" y1="{y}" x2="{end}" y2="{top}"/>')
    for row in rows:
        x, y = place(row.confidence, row.right)
        radius = 2 + 14 * math.sqrt(row.n / len(known))
        parts.append(f'<circle cx="{x}" cy="{y}" r="{radius:.1f}"><title>')
        parts.append(f"{row.n} captions, {100 * row.right:.0f} % right</title></circle>")
    parts.append(
        f'<text x="{left}" y="12">% right by confidence; '
        f"expected calibration error {100 * error:.1f} %</text>"
    )
    return "".join([*parts, "</svg>"])


def _step(most: float) -> float:
    """A round distance of grid lines: about four of them up to ``most``."""
    rough = max(most, 1e-6) / 4
    unit = 10 ** math.floor(math.log10(rough))
    return next(unit * nice for nice in (1, 2, 5, 10) if unit * nice >= rough)
