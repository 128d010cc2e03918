"""Make the built-in model from nothing: render scenes, train, write a model folder.

A run that was killed goes on where its last checkpoint in --work was written.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import os
from pathlib import Path

from mmser_ros.cli.failure import Failure
from mmser_ros.memory import keep_freed

KEPT = 1 << 30
"""Freed bytes kept for the next step: giving them back cost a quarter of the time on two cores
(32 x 90 tokens of 192)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``mmser train``."""
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("work"),
        help="folder for rendered frames and checkpoints (default: %(default)s)",
    )
    parser.add_argument(
        "--config",
        default="nano",
        help="a recipe: a YAML file, or the built-in one (default: %(default)s)",
    )
    parser.add_argument("--frames", type=int, help="training frames, instead of the recipe's")
    parser.add_argument("--validation", type=int, help="validation frames, likewise")
    parser.add_argument("--seed", type=int, help="of frames, weights and data order, likewise")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="length of every stage (default: %(default)s)"
    )
    parser.add_argument(
        "--device",
        choices=("auto", "cpu"),
        default="auto",
        help="auto takes a GPU if there is one",
    )
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="rendering processes"
    )


def run(args: argparse.Namespace) -> int:
    """Render what is missing, train, write the model folder."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch starts its threads
    try:
        from accelerate import Accelerator

        from mmser_ros.metrics import captions
        from mmser_ros.train.recipe import claim, find_recipe, load_recipe
        from mmser_ros.train.run import run as train
        from mmser_ros.train.times import timed
    except ImportError as error:
        raise Failure(
            f"Training needs torch and more ({error.name} is missing): "
            "pip install 'mmser-ros[train,world]'."
        ) from error
    from mmser_ros.tokens import build_word_level
    from mmser_ros.world import grammar
    from mmser_ros.world.dataset import render_split

    tokenizer = build_word_level(grammar.words())
    recipe = load_recipe(find_recipe(args.config), tokenizer.vocabulary).scaled(args.scale)
    named = {name: getattr(args, name) for name in ("frames", "validation", "seed")}
    recipe = dataclasses.replace(recipe, **{n: v for n, v in named.items() if v is not None})
    if recipe.frames < 100 or recipe.validation < 10 or args.scale <= 0:
        raise Failure(
            "Training needs at least 100 frames, 10 to validate, and a scale above 0.", 2
        )
    captions.require()  # by the last stage, hours later
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S"
    )
    logging.getLogger("mmser_ros").setLevel(logging.INFO)
    keep_freed(KEPT)
    accelerator = Accelerator(mixed_precision="bf16", cpu=args.device == "cpu")
    shards = args.work / "shards"
    if accelerator.is_main_process:
        claim(args.work, recipe)
        for split, count, part in (
            ("validation", recipe.validation, "validation"),
            ("train", recipe.frames, "rendering"),
        ):
            with timed(args.work, part):
                render_split(shards, split, count, seed=recipe.seed, workers=args.workers)
    accelerator.wait_for_everyone()
    train(recipe, tokenizer, shards, args.work, args.out, accelerator)
    return 0
