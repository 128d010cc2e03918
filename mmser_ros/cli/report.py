"""The demo's report: one HTML page with pictures in it, which needs no network."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Template

from mmser_ros.cli.cards import Shown, card, style, tile
from mmser_ros.cli.chart import Series, latency_chart
from mmser_ros.cli.statistics import Numbers
from mmser_ros.files import replacing


def write(path: Path, frames: Sequence[Shown], numbers: Numbers, facts: dict[str, str]) -> None:
    """Write the page. ``facts`` are lines about what ran."""
    folder = Path(__file__).parent
    chosen = {frame.number for frame in _one_a_second(frames)}
    coarse = [(f.seconds, f.coarse.latency) for f in frames if f.coarse]
    refined = [(f.seconds, f.refined.latency) for f in frames if f.refined]
    page = Template((folder / "report.html").read_text(encoding="utf-8")).substitute(
        style=style(),
        tiles="\n".join(tile(*one) for one in numbers.tiles()),
        chart=latency_chart([Series("coarse", coarse), Series("refined", refined)]),
        some="\n".join(card(frame) for frame in frames if frame.number in chosen),
        rest="\n".join(card(frame) for frame in frames if frame.number not in chosen),
        others=len(frames) - len(chosen),
        facts="\n".join(
            f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>"
            for name, value in facts.items()
        ),
    )
    with replacing(path) as partial:
        partial.write_text(page, encoding="utf-8")


def _one_a_second(frames: Sequence[Shown]) -> Iterator[Shown]:
    due = -math.inf
    for frame in frames:
        if frame.seconds >= due:
            due = frame.seconds + 1 - 1e-6
            yield frame
