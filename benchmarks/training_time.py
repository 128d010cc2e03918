"""How long does making the built-in model take on this machine?

Runs the whole of `mmser train`, rendering included, on a small share of the frames and of the
steps, then on twice that share. What the second run takes longer, that share of the recipe
takes; the rest (validation frames, calibration, export) is the same in every run. Nothing else
should run meanwhile.

Last line: one JSON object; --save keeps it in benchmarks/results/training_time.json.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time

from record import publish

from mmser_ros.model.config import BadModel
from mmser_ros.tokens import build_word_level
from mmser_ros.train.recipe import STAGES, Recipe, find_recipe, load_recipe
from mmser_ros.world import grammar


def spent(config: str, recipe: Recipe, share: float) -> float:
    """Seconds of a run that does so much of the recipe.

    Raises SystemExit with a sentence where it fails.
    """
    frames = str(round(recipe.frames * share))
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "mmser_ros.cli", "train", "--config", config]
        command += ["--frames", frames, "--scale", str(share)]
        command += ["--work", f"{folder}/work", "--out", f"{folder}/model"]
        began = time.monotonic()
        done = subprocess.run(command, check=False)
    if done.returncode:
        raise SystemExit(f"A run with {share:g} of the recipe failed ({done.returncode}).")
    return time.monotonic() - began


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="nano", help="a recipe, by name or path")
    parser.add_argument(
        "--share", type=float, default=0.02, help="of the recipe, in the first run"
    )
    parser.add_argument("--save", action="store_true", help="keep the result in results/")
    told = parser.parse_args()
    if not 0 < told.share <= 0.5:
        parser.error("--share is above 0 and at most 0.5: the second run does twice as much.")
    vocabulary = build_word_level(grammar.words()).vocabulary
    try:
        recipe = load_recipe(find_recipe(told.config), vocabulary)
    except BadModel as error:
        raise SystemExit(str(error)) from error
    shares = (told.share, 2 * told.share)
    small, large = (spent(told.config, recipe, share) for share in shares)
    whole = small + (large - small) / told.share * (1 - told.share)
    print(f"{shares[0]:g} of it: {small:.0f} s; {shares[1]:g}: {large:.0f} s")
    print(f"all of it: {whole / 60:.0f} minutes")
    publish(
        "training_time",
        {
            "recipe": told.config,
            "frames": recipe.frames,
            "steps": {stage: recipe.plan.of(stage).steps for stage in STAGES},
            "shares": shares,
            "seconds": [round(small, 1), round(large, 1)],
            "minutes": round(whole / 60, 1),
        },
        told.save,
    )


if __name__ == "__main__":
    main()
