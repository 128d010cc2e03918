"""How long does making the built-in model take on this machine?

Runs the whole of `mmser train`, rendering included, on a share of the frames and of the steps,
and reckons from the time of each part what the whole of it takes. Nothing else should run
meanwhile. A model that has learnt little writes long captions, so the figure is rather too high.

Last line: one JSON object; --save keeps it in benchmarks/results/training_time.json.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from record import publish

from mmser_ros.model.config import BadModel
from mmser_ros.tokens import build_word_level
from mmser_ros.train.calibrate import FAMILIAR
from mmser_ros.train.recipe import STAGES, find_recipe, load_recipe
from mmser_ros.train.times import spent
from mmser_ros.world import grammar

FIXED = ("validation", "shipping")
"""Parts that take as long for a share of the recipe as for the whole."""


def run(config: str, frames: int, share: float) -> dict[str, float]:
    """Seconds by part of a run that does so much of the recipe.

    Raises SystemExit with a sentence where it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "mmser_ros.cli", "train", "--config", config]
        command += ["--frames", str(frames), "--scale", str(share)]
        command += ["--work", f"{folder}/work", "--out", f"{folder}/model"]
        done = subprocess.run(command, check=False)
        if done.returncode:
            raise SystemExit(f"A run with {share:g} of the recipe failed ({done.returncode}).")
        return spent(Path(folder, "work"))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="nano", help="a recipe, by name or path")
    parser.add_argument(
        "--share",
        type=float,
        help=f"of the recipe that is run (default: such that it has {FAMILIAR} frames, as many as "
        "shipping looks at)",
    )
    parser.add_argument("--save", action="store_true", help="keep the result in results/")
    told = parser.parse_args()
    vocabulary = build_word_level(grammar.words()).vocabulary
    try:
        recipe = load_recipe(find_recipe(told.config), vocabulary)
    except BadModel as error:
        raise SystemExit(str(error)) from error
    share = min(1.0, FAMILIAR / recipe.frames) if told.share is None else told.share
    if not 0 < share <= 1:
        parser.error("--share is above 0 and at most 1.")
    took = run(told.config, round(recipe.frames * share), share)
    whole = {part: s if part in FIXED else s / share for part, s in took.items()}
    for part, seconds in whole.items():
        print(f"{part:>14} {seconds / 60:6.1f} minutes")
    print(f"{'all of it':>14} {sum(whole.values()) / 60:6.1f} minutes")
    publish(
        "training_time",
        {
            "recipe": told.config,
            "frames": recipe.frames,
            "steps": {stage: recipe.plan.of(stage).steps for stage in STAGES},
            "share": share,
            "parts": {part: round(seconds / 60, 1) for part, seconds in whole.items()},
            "minutes": round(sum(whole.values()) / 60, 1),
        },
        told.save,
    )


if __name__ == "__main__":
    main()
