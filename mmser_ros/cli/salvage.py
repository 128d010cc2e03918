"""What a damaged or truncated bag file still holds.

A recorder that is killed leaves an MCAP file without its index, or a database that ends in the
middle; the messages before are whole. Records are walked from the beginning, and a record that
makes no sense ends the walk (a damaged chunk of an MCAP file is skipped).

Format: https://mcap.dev/spec; rosbag2's tables as of rosbag2_storage_sqlite3.
"""

from __future__ import annotations

import io
import sqlite3
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag2,
    MessageDefinition,
    MessageDefinitionFormat,
)

Message = tuple[Connection, int, bytes]
"""Which topic, when it was received (ns), and the serialised message."""

_MAGIC = b"\x89MCAP0\r\n"
_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END = 3, 4, 5, 6, 15
_FORMATS = {"ros2msg": MessageDefinitionFormat.MSG, "ros2idl": MessageDefinitionFormat.IDL}
_NO_DEFINITION = MessageDefinition(MessageDefinitionFormat.NONE, "")


def salvage(file: Path) -> Iterator[Message]:
    """The readable messages of an .mcap or .db3 file, in the order they were written."""
    return _mcap(file) if file.suffix == ".mcap" else _sqlite(file)


def _mcap(file: Path) -> Iterator[Message]:
    schemas: dict[int, tuple[str, MessageDefinition]] = {0: ("", _NO_DEFINITION)}
    channels: dict[int, Connection] = {}
    with file.open("rb") as stream:
        if stream.read(len(_MAGIC)) != _MAGIC:
            return
        for kind, body in _flat(stream.read, file.stat().st_size):
            try:
                if kind == _SCHEMA:
                    name, encoding, text = _strings(body[2:], 3)
                    form = _FORMATS.get(encoding, MessageDefinitionFormat.NONE)
                    schemas[_number(body)] = (name, MessageDefinition(form, text))
                elif kind == _CHANNEL:
                    topic, serialization = _strings(body[4:], 2)
                    name, definition = schemas[_number(body[2:])]
                    more = ConnectionExtRosbag2(serialization, [])
                    key = _number(body)
                    channels[key] = Connection(key, topic, name, definition, "", 0, more, None)
                elif kind == _MESSAGE:
                    channel, _, stamp, _ = struct.unpack_from("<HIQQ", body)
                    yield channels[channel], stamp, body[22:]
            except (KeyError, UnicodeDecodeError, struct.error):
                continue


def _flat(read: Callable[[int], bytes], most: int) -> Iterator[tuple[int, bytes]]:
    """Records up to the end of the data, those in chunks included."""
    for kind, body in _records(read, most):
        if kind == _DATA_END:
            return
        if kind == _CHUNK:
            inner = _unpacked(body)
            yield from _records(io.BytesIO(inner).read, len(inner))
        else:
            yield kind, body


def _records(read: Callable[[int], bytes], most: int) -> Iterator[tuple[int, bytes]]:
    """Kind and body of each whole record; of a truncated chunk, what there is of it.

    There are ``most`` bytes to read; a damaged length may claim any number.
    """
    while True:
        head = read(9)
        if len(head) < 9:
            return
        kind, size = struct.unpack("<BQ", head)
        if kind == 0:
            return
        body = read(min(size, most))  # asked for more than memory holds, it would fail
        if len(body) == size or kind == _CHUNK:
            yield kind, body
        if len(body) < size:
            return


def _unpacked(chunk: bytes) -> bytes:
    """The records in a chunk, as far as they can be decompressed; none if it is damaged."""
    try:
        _, _, size, checksum = struct.unpack_from("<QQQI", chunk)
        (compression,) = _strings(chunk[28:], 1)
        begin = 28 + 4 + len(compression)
        (length,) = struct.unpack_from("<Q", chunk, begin)
    except (struct.error, UnicodeDecodeError, ValueError):
        return b""
    packed = chunk[begin + 8 :]
    whole = len(packed) >= length
    try:
        data = _decompressed(compression, packed[:length])
    except (RuntimeError, ValueError, EOFError):
        return b""
    intact = not whole or not checksum or (len(data) == size and zlib.crc32(data) == checksum)
    return data if intact else b""


def _decompressed(compression: str, packed: bytes) -> bytes:
    """What ``packed`` expands to, the beginning of it if it is truncated."""
    if compression == "":
        return packed
    if compression == "lz4":
        import lz4.frame

        lz4_data: bytes = lz4.frame.LZ4FrameDecompressor().decompress(packed)
        return lz4_data
    if compression == "zstd":
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
        try:
            return bytes(zstd.ZstdDecompressor().decompress(packed))
        except zstd.ZstdError as error:
            raise ValueError(str(error)) from error
    raise ValueError(f"The chunk is compressed by '{compression}', which is unknown.")


def _number(body: bytes) -> int:
    (number,) = struct.unpack_from("<H", body)
    return int(number)


def _strings(body: bytes, count: int) -> list[str]:
    found = []
    place = 0
    for _ in range(count):
        (size,) = struct.unpack_from("<I", body, place)
        found.append(body[place + 4 : place + 4 + size].decode())
        place += 4 + size
    return found


def _sqlite(file: Path) -> Iterator[Message]:
    # A recorder that was killed may have left messages in a write-ahead log beside the file.
    log = file.with_name(file.name + "-wal")
    how = "mode=ro" if log.exists() and log.stat().st_size else "immutable=1"
    database = sqlite3.connect(f"file:{quote(str(file.absolute()))}?{how}", uri=True)
    try:
        # Otherwise a file that is shorter than its header says is refused as a whole.
        database.execute("PRAGMA writable_schema = ON")
        connections = {
            key: Connection(
                key, topic, kind, _NO_DEFINITION, "", 0, ConnectionExtRosbag2(form, []), None
            )
            for key, topic, kind, form in database.execute(
                "SELECT id, name, type, serialization_format FROM topics"
            )
        }
        rows = database.execute("SELECT topic_id, timestamp, data FROM messages ORDER BY id")
        for key, stamp, data in rows:
            if key in connections:
                yield connections[key], stamp, data
    except sqlite3.DatabaseError:
        return
    finally:
        database.close()
