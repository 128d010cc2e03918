"""Frames from files: one image, a folder of images, a video, or a bag.

Every source gives its frames in order, and says of each unreadable one why.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from mmser_ros.cli.failure import Failure
from mmser_ros.node import codecs
from mmser_ros.node.images import UnsupportedImage
from mmser_ros.types import Frame

if TYPE_CHECKING:
    from mmser_ros.cli.bags import BagFrames

IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
BAGS = (".mcap", ".db3")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A frame that could not be read."""

    source: str
    """Topic or file that it should have come from."""
    sequence: int
    """Which frame of the source, from 0."""
    reason: str
    """A sentence."""
    frames: int = 1
    """How many frames this stands for."""


class Source(Protocol):
    """Where frames come from."""

    @property
    def of_bag(self) -> BagFrames | None:
        """The same with all that bags know besides; None for another source."""
        ...

    @property
    def troubles(self) -> list[str]:
        """Sentences about damage of the whole; complete when all frames were given."""
        ...

    @property
    def total(self) -> int | None:
        """How many frames to expect; None when unknown. Only for showing progress."""
        ...

    def frames(self) -> Iterator[Frame | Unreadable]:
        """Every frame, in order."""
        ...


def open_source(path: Path, topic: str | None = None) -> Source:
    """The source that ``path`` is. Raises Failure with a sentence if it is none.

    ``topic`` chooses one of a bag's image topics.
    """
    if not path.exists():
        raise Failure(f"{path} does not exist.")
    if path.suffix.lower() == ".bag":
        raise Failure(
            f"{path} is a ROS 1 bag. Convert it first: rosbags-convert --src {path} --dst NAME"
        )
    if is_bag(path):
        from mmser_ros.cli import bags  # only here: images need no rosbags, which takes its time

        return bags.BagFrames(bags.Bag(path), topic)
    if topic is not None:
        raise Failure(f"{path} is no bag, so it has no topic '{topic}'; leave --topic out.", 2)
    if path.is_dir():
        files = sorted(
            (file for file in path.iterdir() if file.suffix.lower() in IMAGES), key=natural
        )
        if not files:
            raise Failure(
                f"{path} holds neither a bag (metadata.yaml, .mcap, .db3) nor images "
                f"({' '.join(IMAGES)})."
            )
        return ImageFiles(files)
    if path.suffix.lower() in IMAGES:
        return ImageFiles([path])
    return Video(path)


def is_bag(path: Path) -> bool:
    """Whether ``path`` is a bag file, or a folder with a bag in it."""
    if path.is_dir():
        return (path / "metadata.yaml").is_file() or bool(bag_files(path))
    return path.suffix.lower() in BAGS


def bag_files(folder: Path) -> list[Path]:
    """The bag files in a folder, in order."""
    return sorted((file for file in folder.iterdir() if file.suffix in BAGS), key=natural)


def natural(path: Path) -> tuple[tuple[bool, int, str], ...]:
    """Sorting key with which image2 comes before image10."""
    parts = re.findall(r"\d+|\D+", path.name)
    return tuple((not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts)


class ImageFiles:
    """Images, each in a file of its own. Their stamps are unknown."""

    of_bag = None

    def __init__(self, files: list[Path]) -> None:
        self._files = files
        self.troubles: list[str] = []

    @property
    def total(self) -> int | None:
        """One frame a file."""
        return len(self._files)

    def frames(self) -> Iterator[Frame | Unreadable]:
        """A frame a file, its name as the source."""
        for sequence, file in enumerate(self._files):
            try:
                yield Frame(read_image(file), sequence=sequence, source=file.name)
            except UnsupportedImage as error:
                yield Unreadable(file.name, sequence, str(error))


def read_image(file: Path) -> NDArray[np.uint8]:
    """Pixels of an image file: (H, W, 3) RGB. Raises UnsupportedImage with a sentence."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise UnsupportedImage(f"The file cannot be read: {error.strerror}.") from error
    if file.suffix.lower() in (".jpg", ".jpeg", ".png"):
        return codecs.decode(raw, file.suffix[1:])
    try:
        bgr = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR) if raw else None
    except cv2.error:
        bgr = None
    if bgr is None:
        raise UnsupportedImage(f"The {len(raw)} bytes do not decode as an image.")
    rgb: NDArray[np.uint8] = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    return rgb


class Video:
    """The frames of a video file; their stamps count from its beginning."""

    of_bag = None
    TOLERANCE = 0.05
    """Containers that store no frame count make OpenCV estimate it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.troubles: list[str] = []
        # Damage is told by us, frame by frame.
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
        capture = cv2.VideoCapture(str(path))
        opened = capture.isOpened()
        self._claimed = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if opened else 0
        capture.release()
        if not opened:
            raise Failure(
                f"{path} cannot be opened as a video, and its name is not that of a bag "
                f"({' '.join(BAGS)}) or an image ({' '.join(IMAGES)}). It may be damaged, or "
                "of a codec that this build of OpenCV lacks."
            )

    @property
    def total(self) -> int | None:
        """What the container claims, often an estimate."""
        return self._claimed if self._claimed > 0 else None

    def frames(self) -> Iterator[Frame | Unreadable]:
        """Every frame until the video ends; what its end lacks counts as unreadable."""
        capture = cv2.VideoCapture(str(self._path))
        count = 0
        try:
            while True:
                read, bgr = capture.read()
                if not read:
                    break
                stamp = round(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
                rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
                yield Frame(rgb, stamp, sequence=count, source=self._path.name)
                count += 1
        finally:
            capture.release()
        missing = self._claimed - count
        if missing > max(2, self.TOLERANCE * self._claimed) or count == 0:
            yield Unreadable(
                self._path.name,
                count,
                f"The video claims {self._claimed} frames, but ends or is damaged after {count}.",
                max(1, missing),
            )
