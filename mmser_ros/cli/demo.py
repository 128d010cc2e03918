"""Play a recorded drive into the captioner over ROS 2, and write a report.

Three processes, as on a robot: a camera that plays the bag in real time, the captioner node, and
this one, which listens on /caption. They talk over DDS, in a domain of their own. A table shows
what comes in; OUT/report.html has every frame with its captions, and works offline.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

from mmser_ros.cli.failure import OK, USAGE, Failure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe this command's arguments."""
    parser.add_argument(
        "--bag", type=Path, help="what to play (default: the sample drive that is installed)"
    )
    parser.add_argument("--topic", metavar="NAME", help="image topic, if the bag has several")
    parser.add_argument(
        "--out", type=Path, default=Path("demo"), help="folder of the report (default demo)"
    )
    parser.add_argument("--rate", type=float, default=1.0, help="speed (default %(default)s)")
    parser.add_argument("--frames", metavar="N", type=int, help="play so many frames only")
    parser.add_argument(
        "--seconds",
        type=float,
        default=60.0,
        help="play so much of the recording only (default %(default)s)",
    )
    parser.add_argument(
        "--model", default="nano", help="built-in model, or a model folder (default nano)"
    )
    parser.add_argument(
        "--engine", default="auto", help="as the node's: auto, tensorrt, onnx ... (default auto)"
    )


def run(args: argparse.Namespace) -> int:
    """Play, listen, report. Raises Failure with a sentence if a stage is missing."""
    from mmser_ros.captioner import find_model
    from mmser_ros.cli.performance import perform
    from mmser_ros.cli.recording import Recording
    from mmser_ros.cli.story import tell

    for name in ("rate", "frames", "seconds"):
        value = getattr(args, name)
        if value is not None and not value > 0:
            raise Failure(f"--{name} is {value}; it must be more than 0.", USAGE)
    # The other processes are ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    begin = time.monotonic()
    model = find_model(args.model)
    recording = Recording.load(args.bag, args.topic, args.frames, args.seconds)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        performance = perform(recording, args.out, args.rate, str(model), args.engine)
        report = args.out / "report.html"
        numbers = tell(report, recording, performance)
    except OSError as error:
        raise Failure(f"{args.out} cannot be written: {error.strerror}.") from error
    for value, name, note in numbers.tiles():
        print(f"{value:>12}  {name} ({note})")
    print(f"\n{report} is ready, {time.monotonic() - begin:.0f} s.")
    return OK
