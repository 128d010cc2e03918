"""Make the built-in model from nothing: render scenes, train, write a model folder.

A run that was killed goes on where its last checkpoint in --work was written.
"""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path

from mmser_ros.cli.failure import Failure


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
        "--frames", type=int, default=30000, help="training frames (default: %(default)s)"
    )
    parser.add_argument(
        "--validation", type=int, default=1500, help="validation frames (default: %(default)s)"
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, help="length of every stage (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of frames, weights and data order")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="rendering processes"
    )


def run(args: argparse.Namespace) -> int:
    """Render what is missing, train, write the model folder."""
    if args.frames < 100 or args.validation < 10 or args.scale <= 0:
        raise Failure(
            "Training needs at least 100 frames, 10 to validate, and a scale above 0.", 2
        )
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch starts its threads
    try:
        from mmser_ros.train import nano
        from mmser_ros.train.memory import keep_freed_memory
    except ImportError as error:
        raise Failure(
            f"Training needs torch and more ({error.name} is missing): "
            "pip install 'mmser-ros[train,world]'."
        ) from error
    from mmser_ros.world.dataset import render_split

    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S"
    )
    logging.getLogger("mmser_ros").setLevel(logging.INFO)
    keep_freed_memory()
    shards = args.work / "shards"
    for split, count in (("validation", args.validation), ("train", args.frames)):
        render_split(shards, split, count, seed=args.seed, workers=args.workers)
    nano.run(shards, args.work, args.out, nano.plan(args.scale, args.seed))
    return 0
