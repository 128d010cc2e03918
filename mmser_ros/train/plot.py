"""The course of a training run as a picture: ``python -m mmser_ros.train.plot WORK``.

Draws ``WORK/progress.jsonl`` into ``WORK/progress.png``: a panel a stage, every measured loss
over the steps. ``mmser train`` does so at its end.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

from mmser_ros.train.lines import rows
from mmser_ros.train.recipe import STAGES

Curve = dict[int, float]
"""Loss by step; a step that was repeated after a kill counts once."""


def curves(path: Path) -> dict[str, dict[str, Curve]]:
    """Curves by stage and by what was measured. Raises OSError."""
    found: dict[str, dict[str, Curve]] = defaultdict(lambda: defaultdict(dict))
    for row in rows(path):
        stage, step = row.pop("stage"), row.pop("step")
        for name, value in row.items():
            found[stage][name][step] = value
    return found


def draw(work: Path) -> Path:
    """Write the picture; its path. Raises OSError."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    measured = curves(work / "progress.jsonl")
    stages = [stage for stage in STAGES if stage in measured]
    figure, panels = plt.subplots(
        1, max(1, len(stages)), figsize=(4.2 * max(1, len(stages)), 3.4), squeeze=False
    )
    for panel, stage in zip(panels[0], stages, strict=False):
        for name, curve in measured[stage].items():
            steps = sorted(curve)
            style = "--" if name == "validation" else "-"
            panel.plot(steps, [curve[step] for step in steps], style, label=name, linewidth=1.2)
        if min(min(curve.values()) for curve in measured[stage].values()) > 0:
            panel.set_yscale("log")
        panel.set_title(stage)
        panel.set_xlabel("step")
        panel.grid(alpha=0.3)
        panel.legend(fontsize=7)
    panels[0][0].set_ylabel("loss")
    figure.tight_layout()
    picture = work / "progress.png"
    figure.savefig(picture, dpi=120)
    plt.close(figure)
    return picture


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m mmser_ros.train.plot WORK")
    try:
        print(draw(Path(sys.argv[1])))
    except OSError as error:
        sys.exit(f"{sys.argv[1]} cannot be drawn: {error}")
