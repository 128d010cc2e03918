"""``mmser train``: make the built-in model from nothing."""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``mmser train``."""
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("work"),
        help="folder for rendered frames and checkpoints; a killed run goes on from here",
    )
    parser.add_argument("--frames", type=int, default=32000, help="rendered training frames")
    parser.add_argument("--validation", type=int, default=1500, help="rendered validation frames")
    parser.add_argument("--scale", type=float, default=1.0, help="length of every stage")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)


def run(args: argparse.Namespace) -> int:
    """Render what is missing, train, write the model folder."""
    try:
        from mmser_ros.train import nano
    except ImportError as error:
        raise SystemExit(
            f"Training needs torch and more ({error.name} is missing): "
            "pip install 'mmser-ros[train,world]'."
        ) from error
    from mmser_ros.world.dataset import render_split

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    shards = args.work / "shards"
    for split, count in (("validation", args.validation), ("train", args.frames)):
        render_split(shards, split, count, seed=args.seed, workers=args.workers)
    nano.run(shards, args.work, args.out, nano.plan(args.scale, args.seed))
    return 0
