"""Play the images of a bag on their topic, as a camera would; `ros2 bag` is not needed.

BAG is a rosbag2 folder, an .mcap or a .db3 file. Its CameraInfo and /tf_static, which tell the
camera's lens and mounting, are played too. Images are stamped with the time at which they are
published, so that what listens takes them for live ones, unless --stamps recorded.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmser_ros.cli.failure import OK, UNREADABLE, USAGE, Failure
from mmser_ros.node.images import stamp_ns
from mmser_ros.node.transport import for_large_images

if TYPE_CHECKING:
    from rosbags.interfaces import Connection

    from mmser_ros.cli.bags import Bag
    from mmser_ros.node.camera import Camera


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
    """Play; 1 if nobody listened, or something could not be read."""
    from mmser_ros.cli.bags import TF_STATIC, Bag, image_topic, info_topic
    from mmser_ros.cli.frames import is_bag

    for name in ("rate", "frames"):
        value = getattr(args, name)
        if value is not None and not value > 0:
            raise Failure(f"--{name} is {value}; it must be more than 0.", USAGE)
    if not args.bag.exists() or not is_bag(args.bag):
        raise Failure(f"{args.bag} is no bag (a rosbag2 folder, an .mcap or a .db3 file).")
    bag = Bag(args.bag)
    topic = image_topic(bag, args.topic)
    info = info_topic(bag, topic.topic)
    static = next((item for item in bag.connections if item.topic == TF_STATIC), None)
    others = {item.topic: item.msgtype for item in (info, static) if item is not None}
    os.environ.update(for_large_images())
    try:
        from mmser_ros.node.camera import Camera
    except ImportError as error:
        raise Failure(
            f"Playing needs ROS 2, and {error.name} is missing. Source a ROS installation, or "
            "install mmser_ros by pip, which brings ROS along."
        ) from error
    with contextlib.closing(bag), Camera(topic.topic, topic.msgtype, others) as camera:
        if args.wait and not camera.wait(args.wait):
            raise Failure(f"Nobody subscribed to {topic.topic} within {args.wait:g} s.")
        for missing in camera.missing:
            print(f"mmser: {missing} is not played; its message type is missing.", file=sys.stderr)
        belongs = [name for name in others if name not in camera.missing]
        tally = _Tally()
        if TF_STATIC in belongs:
            belongs.remove(TF_STATIC)
            for _, _, raw in bag.messages([TF_STATIC]):
                if (message := tally.read(camera, raw, TF_STATIC)) is not None:
                    camera.publish(message, topic=TF_STATIC)
        while True:
            before = tally.played
            _once(bag, camera, topic, belongs, args, tally)
            if not args.loop or tally.played == before:
                break
        camera.drain(2.0)
    for sentence in bag.troubles:
        print(f"mmser: {sentence}", file=sys.stderr)
    print(f"mmser: {tally} on {topic.topic}.", file=sys.stderr)
    return OK if tally.played and not tally.unreadable and not bag.troubles else UNREADABLE


@dataclass
class _Tally:
    played: int = 0
    unreadable: int = 0

    def read(self, camera: Camera, raw: bytes, topic: str) -> Any:
        """The message that the bytes are, or None; the first that is none is told."""
        from mmser_ros.node.camera import Damaged

        try:
            return camera.read(raw, topic)
        except Damaged as error:
            if not self.unreadable:
                print(f"mmser: a message of {topic} is not played: {error}", file=sys.stderr)
            self.unreadable += 1
            return None

    def __str__(self) -> str:
        said = f"{self.played} frames played"
        return f"{said}, {self.unreadable} messages unreadable" if self.unreadable else said


def _once(
    bag: Bag,
    camera: Camera,
    images: Connection,
    belongs: Sequence[str],
    args: argparse.Namespace,
    tally: _Tally,
) -> None:
    """Play the bag from begin to end: images, and the topics that belong to them."""
    begin = time.monotonic()
    first: int | None = None
    number = 0
    stamps: dict[int, int] = {}
    for item, received, raw in bag.messages([images.topic, *belongs]):
        is_image = item == images
        if is_image and number == args.frames:
            break
        number += is_image
        message = tally.read(camera, raw, item.topic)
        if message is None:
            continue
        first = received if first is None else first
        due = begin + (received - first) / 1e9 / args.rate
        time.sleep(max(0.0, due - time.monotonic()))
        recorded = stamp_ns(message)
        stamp: int | None = None
        if args.stamps == "now":
            # An image and its CameraInfo have one stamp, as recorded so played.
            stamps = {recorded: stamps.get(recorded) or time.time_ns()}
            stamp = stamps[recorded]
        if is_image:
            if args.json:
                told = {"frame": number - 1, "stamp_ns": stamp or recorded}
                print(json.dumps({**told, "recorded_ns": recorded}), flush=True)
            tally.played += 1
        camera.publish(message, stamp, item.topic)
