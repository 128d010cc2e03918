"""A copy of a bag with captions beside the originals."""

from __future__ import annotations

import math
import shutil
import sqlite3
from pathlib import Path
from types import TracebackType

import numpy as np
from rosbags.interfaces import (
    Connection,
    MessageDefinitionFormat,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.interfaces import ConnectionExtRosbag2 as Rosbag2
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError
from rosbags.typesys import (
    Stores,
    TypesysError,
    get_types_from_idl,
    get_types_from_msg,
    get_typestore,
)
from rosbags.typesys.store import Typestore

from mmser_ros.cli.bags import BagFrames
from mmser_ros.cli.failure import USAGE, Failure
from mmser_ros.folders import places
from mmser_ros.node.fields import caption_fields
from mmser_ros.types import Caption, Frame

STORAGES = {
    ".mcap": StoragePlugin.MCAP,
    ".db3": StoragePlugin.SQLITE3,
}
TROUBLE = (OSError, WriterError, TypesysError, sqlite3.Error)
CAPTION_TYPE = "mmser_ros/msg/Caption"
_FOREVER = QosTime(2147483647, 4294967295)
LATCHED = Qos(
    QosHistory.KEEP_LAST,
    1,
    QosReliability.RELIABLE,
    QosDurability.TRANSIENT_LOCAL,
    _FOREVER,
    _FOREVER,
    QosLiveliness.AUTOMATIC,
    _FOREVER,
    False,
)
"""Of captions, as the node offers them."""


def caption_types() -> Typestore:
    """A type store that knows Caption. Raises Failure if its definition is not installed."""
    store = get_typestore(Stores.ROS2_JAZZY)
    for folder in places("msg"):
        definition = folder / "Caption.msg"
        if definition.is_file():
            store.register(get_types_from_msg(definition.read_text("utf-8"), CAPTION_TYPE))
            return store
    looked = ", ".join(str(folder) for folder in places("msg"))
    raise Failure(f"Caption.msg is in none of {looked}; install mmser_ros again.")


class BagCopy:
    """Writes what passes through ``source``, and the captions of its frames.

    The captions are stamped like their images. By the bag's clock the coarse one is received a
    nanosecond after the image, the refined one another nanosecond later, so that their order is
    kept. Their ``age`` is NaN: nobody waited for them.

    ``target`` ending in .mcap or .db3 becomes one file, any other a folder. It appears only when
    it is complete. Raises Failure with a sentence.
    """

    left_out: list[str]
    """Topics that cannot be copied, with their types."""

    def __init__(self, source: BagFrames, target: Path, topic: str, version: int) -> None:
        if not topic.startswith("/"):
            raise Failure(f"--caption-topic is '{topic}'; it must begin with a slash.", USAGE)
        if target.exists():
            raise Failure(f"{target} exists; --bag-out does not overwrite. Name another.", USAGE)
        if any(item.topic == topic for item in source.bag.connections):
            raise Failure(
                f"{source.bag.path} has a topic {topic} already; name another with "
                "--caption-topic.",
                USAGE,
            )
        self.left_out = []
        self._source, self._target, self._topic = source, target, topic
        self._one_file = target.suffix in STORAGES
        storage = target.suffix if self._one_file else source.bag.storage
        self._work = target.absolute().parent / f".{target.name}.partial"
        self._types = caption_types()
        self._copies: dict[tuple[str, str], Connection] = {}
        shutil.rmtree(self._work, ignore_errors=True)
        self._writer = Writer(
            self._work / (target.stem if self._one_file else target.name),
            version=8 if version == 8 else 9,
            storage_plugin=STORAGES[storage],
        )

    def __enter__(self) -> BagCopy:
        try:
            self._writer.open()
            for item in self._source.bag.connections:
                self._add(item)
            self._captions = self._writer.add_connection(
                self._topic, CAPTION_TYPE, typestore=self._types, offered_qos_profiles=[LATCHED]
            )
        except TROUBLE as error:
            self._abort()
            raise self._failure(error) from error
        self._source.on_message = self._copy
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._abort()
            return
        try:
            self._writer.close()
            (made,) = self._work.iterdir()
            if self._one_file:
                (made,) = made.glob(f"*{self._target.suffix}")
            made.rename(self._target)
        except TROUBLE as trouble:
            raise self._failure(trouble) from trouble
        finally:
            shutil.rmtree(self._work, ignore_errors=True)

    def add(self, frame: Frame, coarse: Caption, refined: Caption | None) -> None:
        """Write the captions of the frame that the source gave last."""
        for later, caption in enumerate((coarse, refined), 1):
            if caption is None:
                continue
            raw = self._types.serialize_cdr(self._message(frame, caption), CAPTION_TYPE)
            try:
                self._writer.write(self._captions, self._source.received + later, raw)
            except TROUBLE as error:
                raise self._failure(error) from error

    def _copy(self, item: Connection, received: int, raw: bytes) -> None:
        copy = self._copies.get((item.topic, item.msgtype))
        if copy is None:
            return
        try:
            self._writer.write(copy, received, raw)
        except TROUBLE as error:
            raise self._failure(error) from error

    def _add(self, item: Connection) -> None:
        """Announce a topic of the original, with the definition of its type."""
        store = _definition(item) or self._types
        if item.msgtype not in store.fielddefs:
            self.left_out.append(f"{item.topic} ({item.msgtype})")
            return
        profiles = item.ext.offered_qos_profiles if isinstance(item.ext, Rosbag2) else []
        self._copies[item.topic, item.msgtype] = self._writer.add_connection(
            item.topic, item.msgtype, typestore=store, offered_qos_profiles=profiles
        )

    def _message(self, frame: Frame, caption: Caption) -> object:
        types = self._types.types
        seconds, nanoseconds = divmod(frame.stamp_ns, 1_000_000_000)
        stamp = types["builtin_interfaces/msg/Time"](seconds, nanoseconds)
        return types[CAPTION_TYPE](
            header=types["std_msgs/msg/Header"](stamp=stamp, frame_id=frame.frame_id),
            word_probabilities=np.array(caption.word_probabilities, np.float32),
            **caption_fields(frame, caption, math.nan),
        )

    def _abort(self) -> None:
        self._writer.abort()
        shutil.rmtree(self._work, ignore_errors=True)

    def _failure(self, error: Exception) -> Failure:
        return Failure(f"{self._target} cannot be written: {str(error).rstrip('.')}.")


def _definition(item: Connection) -> Typestore | None:
    """The types that the bag itself defines for a topic; None if it does not."""
    if item.msgdef.format is MessageDefinitionFormat.NONE or not item.msgdef.data:
        return None
    store = get_typestore(Stores.EMPTY)
    try:
        if item.msgdef.format is MessageDefinitionFormat.MSG:
            store.register(get_types_from_msg(item.msgdef.data, item.msgtype))
            return store
        for part in item.msgdef.data.split("=" * 80 + "\n"):
            idl = part.split("\n", 1)[1] if part.startswith("IDL: ") else part
            if idl.strip():
                store.register(get_types_from_idl(idl))
    except TypesysError:
        return None
    return store
