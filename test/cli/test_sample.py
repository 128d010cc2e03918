"""The sample drive: what is committed, and the command that made it."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

from mmser_ros.cli import main
from mmser_ros.node.images import to_frame
from mmser_ros.node.mounting import Knowledge
from mmser_ros.world.grammar import caption, parse

IMAGE, INFO = "/camera/image_raw/compressed", "/camera/camera_info"
STATIC = "/tf_static"


def read(bag: Path) -> dict[str, list[tuple[int, Any, Any]]]:
    """(received, message, connection) of each topic."""
    store = get_typestore(Stores.ROS2_HUMBLE)
    found: dict[str, list[tuple[int, Any, Any]]] = {}
    with Reader(bag) as reader:
        for connection, when, data in reader.messages():
            message = store.deserialize_cdr(data, connection.msgtype)
            found.setdefault(connection.topic, []).append((when, message, connection))
    return found


def check(bag: Path) -> int:
    """Hold a sample to what its makers promise; the number of frames."""
    topics = read(bag)
    assert set(topics) == {IMAGE, INFO, STATIC}
    truth = [json.loads(line) for line in (bag / "truth.jsonl").read_text().splitlines()]
    frames = [to_frame(message) for _, message, _ in topics[IMAGE]]
    assert {frame.rgb.shape for frame in frames} == {(480, 640, 3)}
    assert {frame.frame_id for frame in frames} == {"camera_optical_frame"}
    stamps = [frame.stamp_ns for frame in frames]
    assert all(0 < before < after for before, after in pairwise(stamps))
    assert [when for when, _, _ in topics[IMAGE]] == stamps
    assert [line["stamp_ns"] for line in truth] == stamps
    for line in truth:
        assert caption(parse(line["caption"])) == line["caption"]
        assert parse(line["optional"]).unparsed == ()
    for (_, info, _), stamp in zip(topics[INFO], stamps, strict=True):
        assert info.header.stamp.sec * 1_000_000_000 + info.header.stamp.nanosec == stamp
        assert (info.width, info.height) == (640, 480)
        assert info.k[0] == info.k[4] > 300 and (info.k[2], info.k[5]) == (319.5, 239.5)
        assert info.distortion_model == "plumb_bob" and info.d[0] < 0
    for topic, messages in topics.items():
        (offered,) = messages[0][2].ext.offered_qos_profiles
        assert offered.reliability.name == ("RELIABLE" if topic == STATIC else "BEST_EFFORT")
    assert topics[STATIC][0][2].ext.offered_qos_profiles[0].durability.name == "TRANSIENT_LOCAL"
    ((_, mounted, _),) = topics[STATIC]
    knowledge = Knowledge()
    knowledge.transforms.add(mounted)
    knowledge.info(topics[INFO][0][1])
    camera = knowledge.applied(frames[0]).camera
    assert camera is not None, knowledge.words
    assert (camera.mounted, camera.pitch, camera.roll) == pytest.approx((0.65, -0.2, 0.01))
    assert camera.distortion[0] == -0.08
    return len(frames)


def test_the_committed_drive_is_small_and_whole(repository: Path) -> None:
    bag = repository / "samples" / "drive"
    frames = check(bag)
    stamps = [message.header.stamp for _, message, _ in read(bag)[IMAGE]]
    seconds = stamps[-1].sec - stamps[0].sec + (stamps[-1].nanosec - stamps[0].nanosec) / 1e9
    assert 20 <= seconds <= 30 and frames >= 120
    assert sum(file.stat().st_size for file in bag.iterdir()) <= 5_000_000


def test_the_command_makes_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mmser_ros.world.render import NoRenderer, Renderer

    try:
        Renderer(64, 48)
    except NoRenderer as error:
        pytest.skip(str(error))
    out = tmp_path / "drive"
    few = ["--seconds", "1", "--fps", "2", "--scenes", "0"]
    assert main(["sample", "--out", str(out), *few]) == 0
    assert check(out) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["drive"]
    assert main(["sample", "--out", str(out), *few]) == 2
    assert "exists" in capsys.readouterr().err
