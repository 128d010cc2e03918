"""Make the recorded drive that the demo plays: a bag, and the truth beside it.

A robot drives through several scenes of the synthetic world, one after the other, its camera on.
The bag (rosbag2, MCAP) holds /camera/image_raw/compressed (JPEG, 640x480) and
/camera/camera_info; truth.jsonl has for each stamp the caption that would be right, and what is
visible but too small to be asked for. The same arguments make the same images.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mmser_ros.cli.failure import OK, USAGE, Failure

if TYPE_CHECKING:
    from mmser_ros.world.drive import Shot

TRUTH = "truth.jsonl"
DRIVES = ("corridor:4", "junction:2", "room:3", "warehouse:4")
PLANNED = 10.0
"""Seconds of each drive, of which the sample shows the beginning."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe this command's arguments."""
    parser.add_argument(
        "--out", type=Path, default=Path("samples/drive"), help="folder (default %(default)s)"
    )
    parser.add_argument("--seconds", type=float, default=24.0, help="in all (default %(default)s)")
    parser.add_argument("--fps", type=float, default=8.0, help="default %(default)s")
    parser.add_argument("--quality", type=int, default=75, help="of the JPEGs (default 75)")
    parser.add_argument(
        "--drives",
        metavar="KIND:SEED",
        nargs="+",
        default=list(DRIVES),
        help=f"scene type and seed of each part (default {' '.join(DRIVES)})",
    )


def run(args: argparse.Namespace) -> int:
    """Film the drives and write the bag."""
    from rosbags.rosbag2 import StoragePlugin, Writer

    from mmser_ros.cli.drive_bag import Recorder
    from mmser_ros.world.render import NoRenderer

    if args.out.exists():
        raise Failure(f"{args.out} exists; remove it first, or name another --out.", USAGE)
    partial = args.out.absolute().parent / f".{args.out.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    folder = partial / args.out.name
    try:
        with Writer(folder, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
            recorder = Recorder(writer, args.quality)
            for shot in _shots(args):
                recorder.add(shot)
        lines = "".join(json.dumps(line) + "\n" for line in recorder.truth)
        (folder / TRUTH).write_text(lines, encoding="utf-8")
        folder.rename(args.out)
    except NoRenderer as error:
        raise Failure(str(error)) from error
    except OSError as error:
        raise Failure(f"{args.out} cannot be written: {error.strerror}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    size = sum(file.stat().st_size for file in args.out.iterdir()) / 1e6
    print(f"mmser: {len(recorder.truth)} frames, {size:.1f} MB in {args.out}.", file=sys.stderr)
    return OK


def _shots(args: argparse.Namespace) -> Iterator[Shot]:
    """The frames of all parts, their stamps in one row."""
    from mmser_ros.cli.drive_bag import BEGIN_NS, HEIGHT, WIDTH
    from mmser_ros.world.drive import film, plan, thinned
    from mmser_ros.world.grammar import SCENES
    from mmser_ros.world.render import Renderer

    count = round(args.seconds * args.fps / len(args.drives))
    renderer = Renderer(WIDTH, HEIGHT)
    begin = BEGIN_NS
    for part in args.drives:
        kind, _, seed = part.partition(":")
        if kind not in SCENES or not seed.isdecimal():
            kinds = ", ".join(SCENES)
            raise Failure(f"--drives: '{part}' is not KIND:SEED, with KIND of {kinds}.", USAGE)
        whole = plan(int(seed), PLANNED, args.fps, kind, WIDTH, HEIGHT)
        drive = thinned(dataclasses.replace(whole, cameras=whole.cameras[:count]), renderer)
        for shot in film(drive, renderer, lens=False):
            yield dataclasses.replace(shot, stamp_ns=begin + shot.stamp_ns)
        begin += round(count * 1e9 / args.fps)
