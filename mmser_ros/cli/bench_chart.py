"""What ``mmser bench`` measured, as a picture: both looks of every engine, stage by stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmser_ros.cli.bench_table import name
from mmser_ros.cli.laps import PLAIN, STAGES

COLOURS = {
    "preprocess": "tab:olive",
    "encode": "tab:blue",
    "glance or sharpen": "tab:cyan",
    "decode": "tab:orange",
    "words": "tab:grey",
}
"""By the kind of a stage."""
KINDS = {"glance": "glance or sharpen", "sharpen": "glance or sharpen", PLAIN: "decode"}
"""Of stages that are not called by their kind."""


def draw(path: Path, whole: dict[str, Any]) -> None:
    """Write the PNG. Raises ImportError without matplotlib, OSError where it cannot be written.

    Each engine has two bars, of the medians of the stages: with drafts above, plainly below.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    results = whole["results"]
    figure, panels = plt.subplots(
        1, 2, figsize=(11, 1.4 + 0.7 * len(results)), sharey=True, squeeze=False
    )
    for panel, (look, stages) in zip(panels[0], STAGES.items(), strict=True):
        for row, result in enumerate(results):
            for decode, height in (("decode", row - 0.2), (PLAIN, row + 0.2)):
                _bar(panel, height, look, [decode if s == "decode" else s for s in stages], result)
        panel.set(title=f"{look} caption", xlabel="milliseconds, p50")
        panel.grid(alpha=0.3, axis="x")
        panel.margins(x=0.12)
    panels[0][0].set_yticks(range(len(results)), [name(result) for result in results])
    panels[0][0].invert_yaxis()
    keys = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in COLOURS.values()]
    figure.legend(keys, list(COLOURS), loc="lower center", ncols=len(keys), fontsize=8)
    title = (
        f"{whole['model']}, {whole['machine']['processor']}; upper bars with drafts, lower plain"
    )
    figure.suptitle(title, fontsize=10)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, format="png")
    plt.close(figure)


def _bar(panel: Any, height: float, look: str, stages: list[str], result: dict[str, Any]) -> None:
    left = 0.0
    for stage in stages:
        wide = result["milliseconds"][f"{look} {stage}"]["p50"]
        panel.barh(height, wide, 0.36, left, color=COLOURS[KINDS.get(stage, stage)])
        left += wide
    panel.text(left, height, f" {left:.1f}", va="center", fontsize=7)
