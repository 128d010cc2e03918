"""Recorded bags (rosbag2: a folder, an .mcap or a .db3 file) read without ROS."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from mmser_ros.cli.failure import USAGE, Failure
from mmser_ros.cli.frames import Unreadable, bag_files
from mmser_ros.node import images
from mmser_ros.node.mounting import Knowledge, beside
from mmser_ros.types import Frame

try:
    import apsw
    from rosbags.interfaces import Connection
    from rosbags.rosbag2 import Reader, ReaderError
    from rosbags.serde import SerdeError
    from rosbags.typesys import Stores, get_typestore
except ModuleNotFoundError as missing:
    raise Failure(
        f"Reading bags needs the Python package rosbags: pip install rosbags ({missing})."
    ) from missing

from mmser_ros.cli.salvage import Message, salvage

INFO_TYPE, TF_STATIC = "sensor_msgs/msg/CameraInfo", "/tf_static"
IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")

# What rosbags lets out when bytes make no sense, besides errors of its own.
DAMAGE = (
    ReaderError,
    SerdeError,
    apsw.Error,
    struct.error,
    OSError,
    EOFError,
    AssertionError,
    ArithmeticError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)


_STORE = get_typestore(Stores.ROS2_HUMBLE)


class Bag:
    """A bag, as much of it as can be read. Raises Failure if that is nothing at all."""

    connections: list[Connection]
    """Its topics; the number of messages of each is in ``msgcount``."""
    troubles: list[str]
    """Sentences about what is damaged; grows while the messages are read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.troubles = []
        self.files = bag_files(path) if path.is_dir() else [path]
        self._readers: list[Reader] = []
        self._parts = self._opened()
        counted = Counter[tuple[str, str]]()
        first: dict[tuple[str, str], Connection] = {}
        for part in self._parts:
            for item in part.connections:
                first.setdefault((item.topic, item.msgtype), item)
                counted[item.topic, item.msgtype] += item.msgcount
        self.connections = [
            item._replace(msgcount=counted[key]) for key, item in sorted(first.items())
        ]
        if not self.connections:
            why = " ".join(self.troubles) or "It holds no topics."
            raise Failure(f"{path} holds nothing that can be read as a bag. {why}")

    @property
    def storage(self) -> str:
        """Suffix of its files: .mcap or .db3."""
        return ".db3" if any(file.suffix == ".db3" for file in self.files) else ".mcap"

    def messages(self, topics: Collection[str] | None = None) -> Iterator[Message]:
        """Messages of these topics, or of all, by the time they were received.

        Those of damaged files in the order they were written.
        """
        known = {(item.topic, item.msgtype): item for item in self.connections}
        for part in self._parts:
            for item, stamp, raw in part.messages(topics):
                yield known[item.topic, item.msgtype], stamp, raw

    def close(self) -> None:
        """Close its files."""
        while self._readers:
            self._readers.pop().close()

    def _opened(self) -> list[_Whole | _Damaged]:
        """The bag in one piece, or else file by file."""
        described = self.path.is_file() or (self.path / "metadata.yaml").is_file()
        if described and (reader := self._open(self.path)):
            return [_Whole(reader, self.files, self.troubles)]
        if self.path.is_file():
            return [_Damaged(self.path)]
        parts: list[_Whole | _Damaged] = []
        for file in self.files:
            reader = self._open(file)
            parts.append(_Whole(reader, [file], self.troubles) if reader else _Damaged(file))
        return parts

    def _open(self, path: Path) -> Reader | None:
        try:
            reader = Reader(path)
            reader.open()
        except DAMAGE as error:
            self.troubles.append(f"{path} is damaged or incomplete: {_reason(error)}.")
            return None
        self._readers.append(reader)
        return reader


class _Whole:
    """Files whose index can be read."""

    def __init__(self, reader: Reader, files: list[Path], troubles: list[str]) -> None:
        self._reader, self._files, self._troubles = reader, files, troubles
        self.connections = list(reader.connections)

    def messages(self, topics: Collection[str] | None) -> Iterator[Message]:
        wanted = [item for item in self.connections if topics is None or item.topic in topics]
        if not wanted:
            return
        given = Counter[tuple[str, int]]()
        try:
            for item, stamp, raw in self._reader.messages(wanted):
                given[item.topic, stamp] += 1
                yield item, stamp, raw
            return
        except DAMAGE as error:
            self._troubles.append(
                f"{self._files[0].parent} is damaged behind {given.total()} messages "
                f"({_reason(error)}); reading what there is of the rest."
            )
        for file in self._files:
            for item, stamp, raw in _Damaged(file).messages(topics):
                if given[item.topic, stamp] > 0:
                    given[item.topic, stamp] -= 1
                else:
                    yield item, stamp, raw


class _Damaged:
    """A file that is walked from its beginning, as far as it makes sense."""

    def __init__(self, file: Path) -> None:
        self._file = file
        counts = Counter[int]()
        found: dict[int, Connection] = {}
        for item, _, _ in salvage(file):
            counts[item.id] += 1
            found[item.id] = item
        self.connections = [item._replace(msgcount=counts[key]) for key, item in found.items()]

    def messages(self, topics: Collection[str] | None) -> Iterator[Message]:
        for item, stamp, raw in salvage(self._file):
            if topics is None or item.topic in topics:
                yield item, stamp, raw


def _reason(error: BaseException) -> str:
    return (str(error) or type(error).__name__).rstrip(".")


class BagFrames:
    """The frames of one image topic of a bag."""

    def __init__(self, bag: Bag, topic: str | None = None) -> None:
        self.bag = bag
        self.connection = image_topic(bag, topic)
        self.on_message: Callable[[Connection, int, bytes], None] | None = None
        """Sees every message of the bag, each image just before its frame is given."""
        self.received = 0
        """When the message of the frame just given was received, ns."""
        self._info = info_topic(bag, self.connection.topic)
        self._knowledge: Knowledge | None = None

    def feed(self, knowledge: Knowledge) -> None:
        """Tell it what the bag says about the camera: of the mounting and the first lens now, of
        other lenses just before their frames are given.
        """
        self._knowledge = knowledge
        told = len(self.bag.troubles)
        for item, _, raw in self.bag.messages([TF_STATIC]):
            self._learn(item, raw)
        if self._info is not None:
            for item, _, raw in self.bag.messages([self._info.topic]):
                self._learn(item, raw)
                break
        del self.bag.troubles[told:]  # they will be met again with the frames

    def _learn(self, item: Connection, raw: bytes) -> None:
        if self._knowledge is None:
            return
        try:
            message: Any = _STORE.deserialize_cdr(raw, item.msgtype)
            if item.topic == TF_STATIC:
                self._knowledge.transforms.add(message)
            else:
                self._knowledge.info(message)
        except DAMAGE:
            return  # the camera's state is told with the frames: not known

    @property
    def of_bag(self) -> BagFrames:
        """Itself."""
        return self

    @property
    def troubles(self) -> list[str]:
        """What of the bag is damaged."""
        return self.bag.troubles

    @property
    def total(self) -> int | None:
        """How many messages the topic has."""
        return self.connection.msgcount

    def frames(self) -> Iterator[Frame | Unreadable]:
        """A frame for every image message of the topic, in order."""
        topic = self.connection.topic
        topics = [topic] if self._info is None else [topic, self._info.topic]
        sequence = 0
        for item, received, raw in self.bag.messages(None if self.on_message else topics):
            if self.on_message:
                self.on_message(item, received, raw)
            if item == self._info:
                self._learn(item, raw)
            if item != self.connection:
                continue
            self.received = received
            try:
                message: Any = _STORE.deserialize_cdr(raw, item.msgtype)
                yield images.to_frame(message, sequence, topic)
            except images.UnsupportedImage as error:
                yield Unreadable(topic, sequence, str(error))
            except DAMAGE as error:
                reason = f"The message cannot be deserialised: {_reason(error)}."
                yield Unreadable(topic, sequence, reason)
            sequence += 1


def info_topic(bag: Bag, image: str) -> Connection | None:
    """The CameraInfo that goes with an image topic: the one beside it, or the only one."""
    found = [item for item in bag.connections if item.msgtype == INFO_TYPE]
    near = [item for item in found if item.topic == beside(image)]
    return near[0] if near else found[0] if len(found) == 1 else None


def image_topic(bag: Bag, topic: str | None) -> Connection:
    """The topic to caption. Raises Failure, naming those there are, if it is not clear which."""
    found = [item for item in bag.connections if item.msgtype in IMAGE_TYPES]
    names = ", ".join(f"{item.topic} ({item.msgcount} frames)" for item in found)
    if topic is not None:
        chosen = [item for item in found if item.topic == topic]
        if not chosen:
            instead = f"its image topics are {names}" if names else "it has no image topics"
            raise Failure(f"{bag.path} has no image topic '{topic}'; {instead}.", USAGE)
        return chosen[0]
    if not found:
        others = ", ".join(f"{item.topic} ({item.msgtype})" for item in bag.connections)
        raise Failure(f"{bag.path} has no image topics, only {others}.")
    if len(found) > 1:
        raise Failure(f"{bag.path} has several image topics; choose by --topic: {names}.", USAGE)
    return found[0]
