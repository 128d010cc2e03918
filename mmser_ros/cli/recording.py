"""The recording that the demo plays, with what is known to be true in it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2

from mmser_ros.cli.failure import Failure
from mmser_ros.cli.sample import TRUTH
from mmser_ros.folders import places
from mmser_ros.node.mounting import BadCamera, Knowledge, Mounting


@dataclass(frozen=True, slots=True)
class Moment:
    """One frame of the recording."""

    number: int
    stamp_ns: int
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class Truth:
    """What is so in one frame."""

    caption: str
    optional: str
    """Clauses about what is visible, but too small to be asked for."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Frames of one image topic."""

    bag: Path
    topic: str
    kind: str
    """Type of its messages."""
    moments: tuple[Moment, ...]
    truths: Mapping[int, Truth]
    """By stamp; empty where nothing is known."""
    mounting: Mounting | None = None
    """Where the camera is on its robot, if the bag tells."""

    @classmethod
    def load(
        cls, bag: Path | None, topic: str | None, frames: int | None, seconds: float | None
    ) -> Recording:
        """Read a bag, or the installed sample; its first ``frames`` or ``seconds`` only.

        Raises Failure with a sentence.
        """
        from mmser_ros.cli.bags import Bag, BagFrames
        from mmser_ros.cli.frames import is_bag
        from mmser_ros.types import Frame

        folder = bag or sample()
        if not folder.exists() or not is_bag(folder):
            raise Failure(f"{folder} is no bag (a rosbag2 folder, an .mcap or a .db3 file).")
        opened = Bag(folder)
        source = BagFrames(opened, topic)
        knowledge = Knowledge()
        source.feed(knowledge)
        mounting: Mounting | None = None
        moments: list[Moment] = []
        first: int | None = None
        for item in source.frames():
            if frames is not None and len(moments) == frames:
                break
            if not isinstance(item, Frame):
                continue
            if first is None:
                first = source.received
                with contextlib.suppress(BadCamera):
                    mounting = knowledge.mounting(item.frame_id)
            if seconds is not None and source.received - first > seconds * 1e9:
                break
            done, jpeg = cv2.imencode(".jpg", item.rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 75])
            if done:
                moments.append(Moment(item.sequence, item.stamp_ns, jpeg.tobytes()))
        opened.close()
        if not moments:
            raise Failure(f"{folder} has no frame that can be read on {source.connection.topic}.")
        connection = source.connection
        return cls(
            folder,
            connection.topic,
            connection.msgtype,
            tuple(moments),
            _truths(folder),
            mounting,
        )


def sample() -> Path:
    """The bag of the installed sample drive. Raises Failure where it is not."""
    for folder in places("samples"):
        if (folder / "drive" / "metadata.yaml").is_file():
            return folder / "drive"
    raise Failure(
        "The sample drive is not installed; make one with: mmser sample --out samples/drive, "
        "then name it with --bag."
    )


def _truths(bag: Path) -> dict[int, Truth]:
    file = (bag if bag.is_dir() else bag.parent) / TRUTH
    if not file.is_file():
        return {}
    try:
        lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        return {line["stamp_ns"]: Truth(line["caption"], line["optional"]) for line in lines}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Failure(f"{file} is not what `mmser sample` writes: {error!r}.") from error
