"""Make the recorded drive that the demo plays: a bag, and the truth beside it.

A robot drives straight on in several scenes of the synthetic world's test split, one after the
other, its camera on.
The bag (rosbag2, MCAP) holds /camera/image_raw/compressed (JPEG, 640x480), /camera/camera_info
and /tf_static, which tell the camera's lens and mounting. truth.jsonl has for each stamp the
caption that would be right, and what is visible but too small to be asked for. The same
arguments make the same images.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mmser_ros.cli.failure import OK, USAGE, Failure

if TYPE_CHECKING:
    from mmser_ros.world.camera import Camera
    from mmser_ros.world.drive import Shot

TRUTH = "truth.jsonl"
SEED = 1
SCENES = (45, 46, 8, 48)
"""Of the test split: one of each kind with a clear way and two things or more at the start, chosen
by eye among the first four such ones, before any model had seen them."""
PACE = 0.3
"""Metres a second, as a robot goes indoors."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe this command's arguments."""
    parser.add_argument(
        "--out", type=Path, default=Path("samples/drive"), help="folder (default %(default)s)"
    )
    parser.add_argument("--seconds", type=float, default=24.0, help="in all (default %(default)s)")
    parser.add_argument("--fps", type=float, default=6.0, help="default %(default)s")
    parser.add_argument("--quality", type=int, default=75, help="of the JPEGs (default 75)")
    parser.add_argument(
        "--scenes",
        metavar="NUMBER",
        type=int,
        nargs="+",
        default=list(SCENES),
        help=f"frames of the test split to begin at (default {' '.join(map(str, SCENES))})",
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
    from mmser_ros.world.dataset import frame
    from mmser_ros.world.drive import Drive, film, thinned
    from mmser_ros.world.render import Renderer

    count = round(args.seconds * args.fps / len(args.scenes))
    renderer = Renderer(WIDTH, HEIGHT)
    begin = BEGIN_NS
    for number in args.scenes:
        _, _, _, scene, camera = frame(renderer, SEED, "test", number)
        mounted = _mounted(camera)
        cameras = tuple(_ahead(mounted, PACE * tick / args.fps) for tick in range(count))
        drive = thinned(Drive(scene, cameras, args.fps, number), renderer)
        # Without the lens' faults, which differ from frame to frame as no camera's do.
        for shot in film(drive, renderer, lens=False):
            yield dataclasses.replace(shot, stamp_ns=begin + shot.stamp_ns)
        begin += round(count * 1e9 / args.fps)


def _mounted(camera: Camera) -> Camera:
    """The robot's one camera, where and in the direction in which another one was placed."""
    return dataclasses.replace(
        camera, hfov=math.radians(78), z=0.65, pitch=-0.2, roll=0.01, yaw=0.0, k1=-0.08
    )


def _ahead(camera: Camera, metres: float) -> Camera:
    """The camera when the robot has driven so far straight on."""
    return dataclasses.replace(
        camera,
        x=camera.x + metres * math.cos(camera.heading),
        y=camera.y + metres * math.sin(camera.heading),
    )
