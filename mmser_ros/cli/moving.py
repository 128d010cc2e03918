"""Frames to measure on: of rendered drives, of rendered scenes, or of a recorded drive."""

from __future__ import annotations

import dataclasses
import itertools
import json
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from mmser_ros.cli.failure import Failure
from mmser_ros.types import CameraModel, Frame

if TYPE_CHECKING:
    from mmser_ros.cli.frames import Unreadable

SECONDS, FPS = 10.0, 5.0
"""Of each drive: how long it is, and how many frames a second are looked at."""
DRIVES = 950
"""Seed of the first one; a model's training renders others."""
PIXELS, CAMERAS = "frames.npy", "cameras.json"
"""Files that frames are saved in."""


def drives(count: int) -> Iterator[Frame]:
    """Frames of rendered drives, one drive after the other. Raises NoRenderer."""
    from mmser_ros.world.drive import drive
    from mmser_ros.world.render import Renderer

    renderer = Renderer(640, 480)
    shots = (shot for n in itertools.count(DRIVES) for shot in drive(renderer, n, SECONDS, FPS))
    for shot in itertools.islice(shots, count):
        yield Frame(shot.rgb, camera=shot.camera.model())


def scenes(count: int) -> Iterator[Frame]:
    """Held-out scenes by themselves: no frame resembles the one before. Raises NoRenderer."""
    from mmser_ros.cli.scenes import held_out

    for view in held_out(count, 0):
        yield Frame(view.rgb, camera=view.camera)


def recorded(path: Path, count: int) -> Iterator[Frame]:
    """Frames of a bag, a video or images, again from the start where there are fewer.

    Raises Failure with a sentence.
    """
    from mmser_ros.cli.bags import BagFrames
    from mmser_ros.cli.frames import open_source
    from mmser_ros.node.mounting import Knowledge

    left = count
    while left > 0:
        source, knowledge = open_source(path), Knowledge()
        if isinstance(source, BagFrames):
            source.feed(knowledge)
        before = left
        for item in _readable(source.frames()):
            yield knowledge.applied(item)
            left -= 1
            if not left:
                return
        if left == before:
            raise Failure(f"{path} has no frame that can be read.")


def _readable(items: Iterator[Frame | Unreadable]) -> Iterator[Frame]:
    return (item for item in items if isinstance(item, Frame))


def save(folder: Path, frames: Sequence[Frame]) -> None:
    """Write frames for other processes. Raises Failure unless all are of one size."""
    sizes = {frame.rgb.shape for frame in frames}
    if len(sizes) != 1:
        raise Failure(f"The frames have {len(sizes)} different sizes; measure on one.")
    np.save(folder / PIXELS, np.stack([frame.rgb[..., ::-1] for frame in frames]))
    cameras = [frame.camera and dataclasses.asdict(frame.camera) for frame in frames]
    (folder / CAMERAS).write_text(json.dumps(cameras), encoding="utf-8")


def messages(folder: Path) -> Iterator[tuple[Any, CameraModel | None]]:
    """Frames that ``save`` wrote, each as the message of a camera's driver (sensor_msgs/Image,
    bgr8, as rclpy hands it over), and the camera. Nothing is kept in memory.
    """
    cameras = json.loads((folder / CAMERAS).read_text(encoding="utf-8"))
    for bgr, camera in zip(np.load(folder / PIXELS, mmap_mode="r"), cameras, strict=True):
        height, width, _ = bgr.shape
        message = SimpleNamespace(
            header=SimpleNamespace(stamp=SimpleNamespace(sec=0, nanosec=0), frame_id="camera"),
            height=height,
            width=width,
            encoding="bgr8",
            is_bigendian=0,
            step=3 * width,
            data=array("B", bgr.tobytes()),
        )
        if camera is not None:
            camera["distortion"] = tuple(camera["distortion"])
        yield message, None if camera is None else CameraModel(**camera)
