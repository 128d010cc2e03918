"""Scores as pictures: reliability, F1 by kind of fact, recall by size, what is taken for what."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmser_ros.metrics.calibration import calibration_error, reliability
from mmser_ros.metrics.confusion import NOTHING, confused
from mmser_ros.metrics.facts import match
from mmser_ros.metrics.scores import LARGE, by_kind, tallies, total
from mmser_ros.types import Caption
from mmser_ros.world.grammar import KINDS, Facts, caption, parse

SIZES = (0.006, 0.01, 0.015, 0.025, 0.05, 0.1, 1.0)
"""Limits of the sizes of things, shares of the image."""
COLOURS = {"coarse": "tab:orange", "refined": "tab:blue"}
"""Of the two looks, everywhere the same."""


@dataclass(frozen=True, slots=True)
class Looks:
    """What is drawn: both looks at some frames, and what is so in them."""

    captions: Mapping[str, Sequence[Caption]]
    """By the names of COLOURS."""
    truths: Sequence[Facts]

    def texts(self, look: str) -> list[str]:
        """The captions of one look."""
        return [said.text for said in self.captions[look]]


def draw(
    folder: Path, captions: Mapping[str, Sequence[Caption]], truths: Sequence[Facts]
) -> list[Path]:
    """Write every picture into a folder; their paths.

    ``captions`` are those of the looks ``coarse`` and ``refined``, one a truth. Raises
    ImportError without matplotlib.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    looks, paths = Looks(captions, truths), []
    drawings: dict[str, tuple[Callable[[Any, Looks], None], tuple[float, float]]] = {
        "reliability": (_reliability, (4.6, 4.4)),
        "kinds": (_kinds, (6.4, 4.4)),
        "sizes": (_sizes, (5.6, 4.0)),
        "confusion": (_confusion, (9.6, 8.8)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, (drawing, size) in drawings.items():
        figure, panel = plt.subplots(figsize=size)
        drawing(panel, looks)
        figure.tight_layout()
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=120)
        plt.close(figure)
        paths.append(path)
    return paths


def _reliability(panel: Any, looks: Looks) -> None:
    """Share of right captions by confidence, of both looks."""
    panel.plot([0, 1], [0, 1], ":", color="grey", linewidth=1)
    for look, colour in COLOURS.items():
        right = [
            said.text == caption(truth)
            for said, truth in zip(looks.captions[look], looks.truths, strict=True)
        ]
        sure = [said.confidence for said in looks.captions[look]]
        if any(map(math.isnan, sure)):
            continue
        rows = reliability(sure, right, bins=10)
        label = f"{look}, off by {100 * calibration_error(rows):.1f} % on average"
        x, y = [row.confidence for row in rows], [row.right for row in rows]
        panel.plot(x, y, color=colour, linewidth=1, label=label)
        panel.scatter(x, y, [4 + 200 * row.n / len(right) for row in rows], color=colour)
    panel.set(xlabel="confidence", ylabel="share of right captions", xlim=(0, 1), ylim=(0, 1))
    panel.grid(alpha=0.3)
    if panel.get_legend_handles_labels()[1]:
        panel.legend(fontsize=8)


def _kinds(panel: Any, looks: Looks) -> None:
    """F1 of every kind of fact, of both looks."""
    found = {look: by_kind(total(tallies(looks.texts(look), looks.truths))) for look in COLOURS}
    kinds = list(dict.fromkeys(kind for rows in found.values() for kind in rows))
    for offset, (look, colour) in zip((-0.2, 0.2), COLOURS.items(), strict=True):
        values = [found[look].get(kind, {}).get("f1", 0.0) for kind in kinds]
        bars = panel.barh(np.arange(len(kinds)) + offset, values, 0.38, color=colour, label=look)
        panel.bar_label(bars, [f"{100 * value:.0f}" for value in values], fontsize=7, padding=2)
    panel.set_yticks(np.arange(len(kinds)), kinds)
    panel.set(xlabel="F1", xlim=(0, 1.08))
    panel.invert_yaxis()
    panel.grid(alpha=0.3, axis="x")
    panel.legend(fontsize=8, loc="lower left")


def _sizes(panel: Any, looks: Looks) -> None:
    """Recall of things by the share of the image that they cover."""
    for look, colour in COLOURS.items():
        found, all_of_them = np.zeros(len(SIZES) - 1), np.zeros(len(SIZES) - 1)
        for text, truth in zip(looks.texts(look), looks.truths, strict=True):
            for share, said in sizes_found(text, truth):
                place = min(max(0, np.searchsorted(SIZES, share, "right") - 1), len(found) - 1)
                all_of_them[place] += 1
                found[place] += said
        some = all_of_them > 0
        middles = np.sqrt(np.array(SIZES[:-1]) * np.minimum(SIZES[1:], 0.3))
        shares = found[some] / all_of_them[some]
        panel.plot(100 * middles[some], shares, "o-", color=colour, label=look)
        if look == "refined":
            for x, y, n in zip(100 * middles[some], shares, all_of_them[some], strict=True):
                panel.annotate(f"{n:.0f}", (x, y), (0, 6), textcoords="offset points", fontsize=7)
    panel.axvline(100 * LARGE, color="grey", linestyle=":", linewidth=1)
    panel.set(xscale="log", xlabel="% of the image that a thing covers", ylabel="recall")
    panel.set_ylim(0, 1.05)
    panel.set_xticks([100 * size for size in SIZES[:-1]], [f"{100 * s:g}" for s in SIZES[:-1]])
    panel.minorticks_off()
    panel.grid(alpha=0.3)
    panel.legend(fontsize=8, loc="lower right")


def sizes_found(text: str, truth: Facts) -> Iterator[tuple[float, bool]]:
    """Of each named thing the share of the image, and whether the caption says it."""
    missing = dict(match(parse(text).items, truth).missing)
    for place, item in enumerate(truth.items):
        for number in range(item.count):
            yield item.share / item.count, number >= missing.get(place, 0)


def _confusion(panel: Any, looks: Looks) -> None:
    """What refined captions say of things of each class, in percent of these."""
    counts: Counter[tuple[str, str]] = Counter()
    for text, truth in zip(looks.texts("refined"), looks.truths, strict=True):
        counts.update(confused(text, truth))
    names = [*(name for name in KINDS if any(name in pair for pair in counts)), NOTHING]
    table = np.array([[counts[true, said] for said in names] for true in names], float)
    share = table / np.maximum(table.sum(1, keepdims=True), 1)
    panel.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), value in np.ndenumerate(share):
        if value >= 0.005:
            ink = "white" if value > 0.5 else "black"
            text = f"{100 * value:.0f}"
            panel.text(column, row, text, ha="center", va="center", fontsize=6, color=ink)
    rows = [f"{name} ({n:.0f})" for name, n in zip(names, table.sum(1), strict=True)]
    panel.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    panel.set_yticks(range(len(names)), rows, fontsize=7)
    panel.set(xlabel="said", ylabel="true (how often)", title="% of each row")
