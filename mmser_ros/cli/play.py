"""Play the images of a bag on their topic, as a camera would; `ros2 bag` is not needed.

BAG is a rosbag2 folder, an .mcap or a .db3 file. The images are stamped with the time at which
they are published, so that what listens takes them for live ones, unless --stamps recorded.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import struct
import sys
import time
from pathlib import Path

from mmser_ros.cli.failure import OK, UNREADABLE, USAGE, Failure
from mmser_ros.node.transport import for_large_images


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe this command's arguments."""
    parser.add_argument("bag", metavar="BAG", type=Path)
    parser.add_argument("--topic", metavar="NAME", help="image topic, if the bag has several")
    parser.add_argument("--rate", type=float, default=1.0, help="speed (default %(default)s)")
    parser.add_argument("--frames", metavar="N", type=int, help="play so many frames only")
    parser.add_argument("--loop", action="store_true", help="begin again when it ends")
    parser.add_argument("--stamps", choices=("now", "recorded"), default="now")
    parser.add_argument(
        "--wait",
        metavar="SECONDS",
        type=float,
        default=0.0,
        help="wait so long for a subscriber, and give up if none comes (default: do not wait)",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print an object for each frame: frame (its number in the bag), stamp_ns (as "
        "published), recorded_ns (as recorded)",
    )


def run(args: argparse.Namespace) -> int:
    """Play; 1 if nobody listened or there was nothing to play."""
    from mmser_ros.cli.bags import Bag, image_topic, is_bag

    if not args.rate > 0:
        raise Failure(f"--rate is {args.rate}; it must be more than 0.", USAGE)
    if not args.bag.exists() or not is_bag(args.bag):
        raise Failure(f"{args.bag} is no bag (a rosbag2 folder, an .mcap or a .db3 file).")
    bag = Bag(args.bag)
    topic = image_topic(bag, args.topic)
    os.environ.update(for_large_images())
    try:
        from mmser_ros.node.camera import Camera
    except ImportError as error:
        raise Failure(
            f"Playing needs ROS 2, and {error.name} is missing. Source a ROS installation, or "
            "install mmser_ros by pip, which brings ROS along."
        ) from error
    with contextlib.closing(bag), Camera(topic.topic, topic.msgtype) as camera:
        if args.wait and not camera.wait(args.wait):
            raise Failure(f"Nobody subscribed to {topic.topic} within {args.wait:g} s.")
        played = 0
        while True:
            begin = time.monotonic()
            first: int | None = None
            for number, (_, received, raw) in enumerate(bag.messages([topic.topic])):
                if number == args.frames:
                    break
                first = received if first is None else first
                due = begin + (received - first) / 1e9 / args.rate
                time.sleep(max(0.0, due - time.monotonic()))
                recorded = _recorded(raw)
                stamp = time.time_ns() if args.stamps == "now" else None
                if args.json:
                    told = {"frame": number, "stamp_ns": stamp or recorded}
                    print(json.dumps({**told, "recorded_ns": recorded}), flush=True)
                camera.publish(raw, stamp)
                played += 1
            if not args.loop or not played:
                break
        camera.drain(2.0)
    print(f"mmser: {played} frames played on {topic.topic}.", file=sys.stderr)
    return OK if played else UNREADABLE


def _recorded(raw: bytes) -> int:
    """The stamp at the beginning of every serialised image (its header comes first)."""
    seconds, nanoseconds = struct.unpack_from("<iI" if raw[1] & 1 else ">iI", raw, 4)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)
