"""Caption recorded frames: every one, in order, with the same result every time.

INPUT is a bag (a rosbag2 folder, an .mcap or a .db3 file; ROS is not needed), a video, a folder
of images (in natural order: image2 before image10), or one image. A JSON object a frame goes to
--out, or to standard output:

  source               topic or file that the frame came from
  stamp_ns             when it was exposed, nanoseconds; 0 when unknown (images)
  frame_seq, frame_id  which frame of the source, from 0; the camera's coordinate frame
  coarse, refined      the captions; refined is null where no second look was taken
  ..._confidence       calibrated chance that nothing in the caption is wrong; null if unknown
  familiarity          share of held-out training-world frames no more familiar; null if unknown
  trusted              whether the last caption may be relied on; untrusted is never an all-clear
  changed, truncated   whether refinement changed the text; whether it hit the length limit
  decoder_calls        decoder passes spent on each caption
  milliseconds         wall time of each stage of each caption
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mmser_ros.cli import cameras
from mmser_ros.cli.failure import OK, UNREADABLE, USAGE, Failure

if TYPE_CHECKING:
    from mmser_ros.captioner import Captioner
    from mmser_ros.cli.bag_copy import BagCopy
    from mmser_ros.cli.frames import Source
    from mmser_ros.types import Caption, Frame

    Sink: TypeAlias = Callable[[Frame, Caption, Caption | None], None]

TOLD = 10
"""Unreadable frames that are told one by one; the rest is only counted."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe this command's arguments."""
    parser.add_argument("input", metavar="INPUT", type=Path, help="what to caption")
    parser.add_argument(
        "--out", metavar="FILE.jsonl", help="write the captions there (default -: standard output)"
    )
    parser.add_argument(
        "--bag-out",
        metavar="BAG",
        type=Path,
        help="also write a copy of the bag with captions beside the originals: a new folder, or "
        "a new file if it ends in .mcap or .db3",
    )
    parser.add_argument(
        "--bag-version",
        type=int,
        choices=(8, 9),
        default=9,
        help="of its metadata: 9 for Jazzy and later, 8 for Humble (default %(default)s)",
    )
    parser.add_argument(
        "--caption-topic",
        metavar="NAME",
        default="/caption",
        help="topic of the captions in it (default %(default)s)",
    )
    parser.add_argument("--topic", metavar="NAME", help="image topic, if the bag has several")
    parser.add_argument(
        "--refine",
        choices=("always", "uncertain", "never"),
        default="always",
        help="take a second look always (default), where the first is uncertain, or never",
    )
    add_model_arguments(parser)
    cameras.add_arguments(parser)


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that choose what captions, the same for all commands."""
    parser.add_argument(
        "--model", default="nano", help="built-in model, or a model folder (default %(default)s)"
    )
    parser.add_argument(
        "--engine",
        default="auto",
        help="auto (default) takes the first that works; or tensorrt, tensorrt-rtx, cuda, onnx, "
        "openvino, torch, which then runs or fails",
    )
    parser.add_argument("--threads", metavar="N", type=int, help="CPU threads of the engine")
    parser.add_argument(
        "--precision",
        default="auto",
        help="of the engine's arithmetic: auto (fp32), fp32, int8 (onnx), bf16 (openvino, cuda) "
        "or fp16 (tensorrt)",
    )
    parser.add_argument(
        "--beams",
        metavar="N",
        type=int,
        default=1,
        help="search with so many beams for more probable captions (default 1: greedy)",
    )


def run(args: argparse.Namespace) -> int:
    """Caption; 1 if something could not be read."""
    from mmser_ros.cli.frames import open_source

    source = open_source(args.input, args.topic)
    recorded = source.of_bag
    with contextlib.ExitStack() as stack:
        if recorded is not None:
            stack.callback(recorded.bag.close)
        copy: BagCopy | None = None
        if args.bag_out is not None:
            from mmser_ros.cli.bag_copy import BagCopy

            if recorded is None:
                raise Failure("--bag-out copies a bag, but the input is none.", USAGE)
            copy = BagCopy(recorded, args.bag_out, args.caption_topic, args.bag_version)
        captioner = load_captioner(args)
        stack.callback(captioner.close)
        captioner.warm_up()
        camera = cameras.Cameras(args, source) if captioner.config.image.ground else None
        sinks: list[Sink] = []
        if args.out or copy is None:
            from mmser_ros.cli.records import Lines

            sinks.append(stack.enter_context(Lines(args.out or "-")).add)
        if copy is not None:
            sinks.append(stack.enter_context(copy).add)
        begin = time.perf_counter()
        tally = _caption(captioner, source, camera, args.refine, sinks)
        spent = time.perf_counter() - begin
    for sentence in source.troubles:
        print(f"mmser: {sentence}", file=sys.stderr)
    if copy is not None and copy.left_out:
        print(
            f"mmser: not in {args.bag_out}, because the bag does not define their types: "
            f"{', '.join(copy.left_out)}.",
            file=sys.stderr,
        )
    print(f"mmser: {tally}, {spent:.1f} s.", file=sys.stderr)
    if camera is not None and tally.captioned:
        print(f"mmser: the camera is {camera.words}.", file=sys.stderr)
    whole = tally.captioned and not tally.unreadable and not source.troubles
    return OK if whole else UNREADABLE


def load_captioner(args: argparse.Namespace) -> Captioner:
    """The captioner that add_model_arguments' arguments ask for."""
    from mmser_ros.captioner import Captioner
    from mmser_ros.cli.opening import opening

    if args.threads is not None and args.threads < 1:
        raise Failure(f"--threads is {args.threads}; it must be at least 1.", USAGE)
    if args.beams < 1:
        raise Failure(f"--beams is {args.beams}; it must be at least 1.", USAGE)
    with opening() as progress:
        return Captioner.load(
            args.model,
            engine=args.engine,
            threads=args.threads,
            precision=args.precision,
            beams=args.beams,
            progress=progress,
        )


@dataclass
class _Tally:
    captioned: int = 0
    refined: int = 0
    unreadable: int = 0

    def __str__(self) -> str:
        frames = "frame" if self.captioned == 1 else "frames"
        said = f"{self.captioned} {frames} captioned"
        if self.refined < self.captioned:
            said += f", {self.refined} of them refined"
        return f"{said}, {self.unreadable} unreadable" if self.unreadable else said


def _caption(
    captioner: Captioner,
    source: Source,
    camera: cameras.Cameras | None,
    refine: str,
    sinks: list[Sink],
) -> _Tally:
    from tqdm import tqdm

    from mmser_ros.cli.frames import Unreadable

    tally = _Tally()
    told = 0
    hidden = not sys.stderr.isatty()
    with tqdm(total=source.total, unit=" frames", disable=hidden, file=sys.stderr) as bar:
        for item in source.frames():
            bar.update()
            if isinstance(item, Unreadable):
                tally.unreadable += item.frames
                told += 1
                if told <= TOLD:
                    what = f"frame {item.sequence} of {item.source}"
                    tqdm.write(f"mmser: {what} is unreadable: {item.reason}", file=sys.stderr)
                continue
            glance = captioner.glance(camera.applied(item) if camera else item)
            twice = refine == "always" or (
                refine == "uncertain" and captioner.worth_refining(glance)
            )
            refined = captioner.refine(glance) if twice else None
            tally.refined += twice
            for sink in sinks:
                sink(item, glance.caption, refined)
            tally.captioned += 1
    return tally
