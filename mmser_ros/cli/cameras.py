"""What the command line says about the camera of a recording, and what the recording says."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING

from mmser_ros.cli.failure import USAGE, Failure

if TYPE_CHECKING:
    from mmser_ros.cli.frames import Source
    from mmser_ros.node.mounting import Given
    from mmser_ros.types import Frame


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that say how the camera is mounted, and how wide it sees."""
    group = parser.add_argument_group(
        "camera",
        "Where lens and mounting are known, distances and the path are judged better. CameraInfo "
        "and tf are read; these go before.",
    )
    group.add_argument(
        "--camera-height", metavar="METRES", type=float, help="of the camera above the floor"
    )
    group.add_argument(
        "--camera-pitch",
        metavar="DEGREES",
        type=float,
        help="of the camera, upwards positive (default 0); needs --camera-height",
    )
    group.add_argument(
        "--camera-hfov", metavar="DEGREES", type=float, help="horizontal field of view"
    )
    group.add_argument(
        "--base-frame",
        metavar="NAME",
        default="base_footprint",
        help="tf frame on the floor below the robot (default %(default)s)",
    )


class Cameras:
    """Gives frames of one source their camera, where it is known."""

    def __init__(self, args: argparse.Namespace, source: Source) -> None:
        """``args`` as ``add_arguments`` describes them. Raises Failure if they make no sense."""
        from mmser_ros.node.mounting import Knowledge, is_rectified

        self._given = given(args)
        remedy = "--camera-height and --camera-pitch say it"
        recorded = source.of_bag
        if recorded is not None:
            topic = recorded.connection.topic
            self._knowledge = Knowledge(args.base_frame, is_rectified(topic), remedy)
            self._knowledge.lens_missing = "the bag holds no CameraInfo; --camera-hfov says it"
            recorded.feed(self._knowledge)
        else:
            self._knowledge = Knowledge(args.base_frame, remedy=remedy)
            self._knowledge.lens_missing = "its lens is not said; --camera-hfov does"
            self._knowledge.mounting_missing = "its mounting is not said"

    def applied(self, frame: Frame) -> Frame:
        """The frame, with its camera if that is known."""
        return self._knowledge.applied(frame, self._given)

    @property
    def words(self) -> str:
        """Whether the camera of the last frame was known, and from what or why not."""
        return self._knowledge.words


def given(args: argparse.Namespace) -> Given:
    """What the arguments say of the camera. Raises Failure if they make no sense."""
    from mmser_ros.node.mounting import Given

    height, pitch, hfov = args.camera_height, args.camera_pitch, args.camera_hfov
    if pitch is not None and height is None:
        raise Failure("--camera-pitch needs --camera-height beside it.", USAGE)
    for name, value, low, high in (
        ("--camera-height", height, 0.01, 5.0),
        ("--camera-pitch", pitch, -80.0, 80.0),
        ("--camera-hfov", hfov, 5.0, 160.0),
    ):
        if value is not None and not low <= value <= high:
            raise Failure(f"{name} is {value:g}; it must be between {low:g} and {high:g}.", USAGE)
    return Given(height or 0.0, math.radians(pitch or 0.0), math.radians(hfov or 0.0))
