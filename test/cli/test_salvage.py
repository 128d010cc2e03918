"""What is left of damaged bag files, record by record."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

pytest.importorskip("rosbags", reason="bags are read with rosbags")

from mmser_ros.cli.salvage import salvage


def record(kind: int, body: bytes, claimed: int | None = None) -> bytes:
    return struct.pack("<BQ", kind, len(body) if claimed is None else claimed) + body


def text(words: str) -> bytes:
    return struct.pack("<I", len(words)) + words.encode()


@pytest.mark.parametrize("claimed", [2**39, 2**63])
def test_a_record_that_claims_more_than_there_is_ends_the_walk(
    tmp_path: Path, claimed: int
) -> None:
    schema = struct.pack("<H", 1) + text("std_msgs/msg/String") + text("ros2msg") + text("")
    channel = struct.pack("<HH", 4, 1) + text("/said") + text("cdr") + struct.pack("<I", 0)
    message = struct.pack("<HIQQ", 4, 0, 17, 17)
    records = [record(3, schema), record(4, channel), record(5, message + b"first")]
    file = tmp_path / "bag.mcap"
    for kind in (5, 6):
        damaged = record(kind, message + b"second", claimed)
        file.write_bytes(b"\x89MCAP0\r\n" + b"".join(records) + damaged)
        found = [(item.topic, stamp, raw) for item, stamp, raw in salvage(file)]
        assert found == [("/said", 17, b"first")]
