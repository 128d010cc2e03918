"""Does the captioner notice frames that are not of its world?

Held-out frames of its own world, with and without a known camera, against photographs, other
renderers' scenes and broken frames (strange_frames.py). Of each kind:

  flagged    frames that look less familiar than min_familiarity
  auroc      chance that such a frame looks less familiar than one of its own world, ties half
  trusted    frames with a caption, coarse or refined, that is trusted

What is not installed is left out, and said. Last line: one JSON object; --save keeps it in
benchmarks/results/familiarity.json.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from options import add_rendering, opened, options, rendered
from record import publish
from strange_frames import Missing, broken, bullet_scenes, coloured, miniworld_scenes, photographs

from mmser_ros.captioner import Captioner
from mmser_ros.cli.scenes import View
from mmser_ros.metrics.calibration import auroc
from mmser_ros.types import CameraModel, Caption, Frame

Frames = Iterable[tuple[np.ndarray, CameraModel | None]]
OTHERS = 80
"""Scenes of each other renderer."""


def captions(captioner: Captioner, frames: Frames) -> list[tuple[Caption, Caption]]:
    """Both captions of every frame."""
    found = []
    for rgb, camera in frames:
        glance = captioner.glance(Frame(rgb, camera=camera))
        found.append((glance.caption, captioner.refine(glance)))
    return found


def row(captioner: Captioner, seen: list[tuple[Caption, Caption]], own: list[float]) -> Any:
    """Figures of one kind of frames; ``own`` are familiarities of the model's own world."""
    familiar = [coarse.familiarity for coarse, _ in seen]
    strange = [True] * len(familiar) + [False] * len(own)
    unlike = -np.array([*familiar, *own])
    return {
        "frames": len(seen),
        "flagged": round(float(np.mean(np.array(familiar) < captioner.trust.min_familiarity)), 4),
        "auroc": round(auroc(unlike, strange), 4),
        "trusted": sum(coarse.trusted or refined.trusted for coarse, refined in seen),
    }


def own_world(views: list[View]) -> dict[str, Frames]:
    """The model's own world, as different robots would show it."""
    wide = slice(60, 420)
    return {
        "own world": [(view.rgb, view.camera) for view in views],
        "own, camera unknown": [(view.rgb, None) for view in views],
        "own, cut to 16:9": [(np.ascontiguousarray(view.rgb[wide]), None) for view in views],
    }


def strangers(views: list[View], folders: list[Path]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Kinds of strange frames by name; each is made when it is asked for."""
    yield "photographs", photographs
    for folder in folders:
        yield folder.name, lambda folder=folder: coloured(folder)
    yield "PyBullet", lambda: bullet_scenes(OTHERS)
    yield "MiniWorld", lambda: miniworld_scenes(OTHERS)
    for name, frames in broken([view.rgb for view in views]).items():
        yield name, lambda frames=frames: frames


def main() -> None:
    """The command line."""
    parser = options(__doc__, 500, "of the model's own world")
    add_rendering(parser)
    parser.add_argument(
        "--photos", type=Path, nargs="*", default=[], help="folders of more photographs"
    )
    arguments = parser.parse_args()
    captioner = opened(arguments)
    views = list(rendered(arguments))
    seen = {name: captions(captioner, frames) for name, frames in own_world(views).items()}
    own = [coarse.familiarity for coarse, _ in seen["own world"]]
    missing = {}
    for name, make in strangers(views, arguments.photos):
        try:
            seen[name] = captions(captioner, ((rgb, None) for rgb in make()))
        except Missing as error:
            missing[name] = str(error)
    figures = {name: row(captioner, pairs, own) for name, pairs in seen.items()}
    print(f"{'':22}{'frames':>8}{'flagged %':>11}{'auroc':>9}{'trusted':>9}")
    for name, found in figures.items():
        print(
            f"{name:22}{found['frames']:8}{100 * found['flagged']:11.1f}"
            f"{found['auroc']:9.4f}{found['trusted']:9}"
        )
    for name, sentence in missing.items():
        print(f"{name} is left out: {sentence}")
    told = {
        "weights": captioner.info.weights_hash,
        "min_familiarity": captioner.trust.min_familiarity,
        "min_confidence": captioner.trust.min_confidence,
    }
    publish("familiarity", {**told, "kinds": figures, "missing": missing}, arguments.save)


if __name__ == "__main__":
    main()
