"""Command lines of benchmarks that caption frames; the captioner and the frames for them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator

from tqdm import tqdm

from mmser_ros.captioner import Captioner
from mmser_ros.cli.scenes import View, held_out


def options(doc: str, frames: int, of: str = "held-out scenes") -> argparse.ArgumentParser:
    """Options that all of them have; ``frames`` is how many they take untold."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--model", default="nano", help="built-in model, or a model folder")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--threads", type=int, help="of the engine; default its own choice")
    parser.add_argument("--frames", type=int, default=frames, help=f"{of} ({frames})")
    parser.add_argument("--save", action="store_true", help="keep the result in results/")
    return parser


def add_rendering(parser: argparse.ArgumentParser) -> None:
    """Options of those that have scenes rendered."""
    parser.add_argument("--seed", type=int, default=0, help="of the scenes")
    workers = min(4, os.cpu_count() or 1)
    parser.add_argument("--workers", type=int, default=workers, help="rendering processes")


def opened(told: argparse.Namespace) -> Captioner:
    """The captioner that was asked for."""
    return Captioner.load(told.model, engine=told.engine, threads=told.threads)


def rendered(told: argparse.Namespace, split: str = "test") -> Iterator[View]:
    """The scenes that were asked for; tells how far it is."""
    views = held_out(told.frames, told.seed, split, told.workers)
    yield from tqdm(views, total=told.frames)
