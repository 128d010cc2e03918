"""Small recordings for tests: pictures that differ, in bags, folders and videos."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

BEGIN = 1_700_000_000_000_000_000
PERIOD = 50_000_000
"""Nanoseconds between frames."""
TOPIC = "/camera/image_raw"
STORAGE = {"mcap": StoragePlugin.MCAP, "db3": StoragePlugin.SQLITE3}
TYPES = get_typestore(Stores.ROS2_JAZZY)


def picture(number: int, width: int = 96, height: int = 64) -> NDArray[np.uint8]:
    """RGB, another one for each number."""
    rng = np.random.default_rng(number)
    small = rng.integers(0, 256, (4, 6, 3), np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def jpeg(number: int) -> bytes:
    return cv2.imencode(".jpg", picture(number)[..., ::-1])[1].tobytes()


def header(number: int):
    seconds, nanoseconds = divmod(BEGIN + number * PERIOD, 1_000_000_000)
    stamp = TYPES.types["builtin_interfaces/msg/Time"](seconds, nanoseconds)
    return TYPES.types["std_msgs/msg/Header"](stamp=stamp, frame_id="camera_optical_frame")


def compressed(number: int, data: bytes | None = None) -> bytes:
    """A serialised CompressedImage."""
    kind = "sensor_msgs/msg/CompressedImage"
    data = jpeg(number) if data is None else data
    message = TYPES.types[kind](header(number), "jpeg", np.frombuffer(data, np.uint8))
    return bytes(TYPES.serialize_cdr(message, kind))


def raw(number: int, encoding: str = "rgb8") -> bytes:
    """A serialised Image."""
    kind = "sensor_msgs/msg/Image"
    rgb = picture(number)
    height, width, _ = rgb.shape
    message = TYPES.types[kind](
        header(number), height, width, encoding, 0, 3 * width, rgb.reshape(-1)
    )
    return bytes(TYPES.serialize_cdr(message, kind))


def text(number: int) -> bytes:
    kind = "std_msgs/msg/String"
    return bytes(TYPES.serialize_cdr(TYPES.types[kind](f"note {number}"), kind))


def write_bag(
    folder: Path,
    storage: str,
    images: Sequence[bytes],
    kind: str = "CompressedImage",
    topics: Sequence[str] = (TOPIC,),
    packed: bool = False,
) -> Path:
    """A bag with these serialised images on each topic, and a note beside each image.

    ``packed``: the chunks of an MCAP file are compressed.
    """
    writer = Writer(folder, version=9, storage_plugin=STORAGE[storage])
    if packed:
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    with writer:
        connections = [
            writer.add_connection(topic, f"sensor_msgs/msg/{kind}", typestore=TYPES)
            for topic in topics
        ]
        notes = writer.add_connection("/notes", "std_msgs/msg/String", typestore=TYPES)
        for number, image in enumerate(images):
            received = BEGIN + number * PERIOD + 3_000_000
            for connection in connections:
                writer.write(connection, received, image)
            writer.write(notes, received + 1000, text(number))
    return folder


def write_old_bag(path: Path, topics: dict[str, tuple[str, Sequence[bytes]]]) -> Path:
    """A .db3 file as Humble writes it: without message definitions, hashes and metadata."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript(
            "CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT,"
            " serialization_format TEXT, offered_qos_profiles TEXT);"
            "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER,"
            " timestamp INTEGER, data BLOB);"
        )
        for key, (name, (kind, messages)) in enumerate(topics.items(), 1):
            database.execute("INSERT INTO topics VALUES (?, ?, ?, 'cdr', '')", (key, name, kind))
            for number, data in enumerate(messages):
                row = (key, BEGIN + number * PERIOD, data)
                database.execute(
                    "INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)", row
                )
        database.commit()
    return path


def write_video(path: Path, count: int) -> Path:
    """Motion JPEG in AVI, which every build of OpenCV writes and reads."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 20, (96, 64))
    assert writer.isOpened()
    for number in range(count):
        writer.write(picture(number)[..., ::-1])
    writer.release()
    return path
