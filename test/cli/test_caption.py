"""`mmser caption`: every input it takes, what it writes, and how it fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from recordings import (
    BEGIN,
    PERIOD,
    TOPIC,
    compressed,
    jpeg,
    picture,
    raw,
    write_bag,
    write_old_bag,
    write_video,
)
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from mmser_ros.cli import main

FIELDS = {
    "source", "stamp_ns", "frame_seq", "frame_id", "coarse", "refined", "coarse_confidence",
    "refined_confidence", "familiarity", "trusted", "changed", "truncated", "decoder_calls",
    "milliseconds",
}  # fmt: skip


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


class Run:
    """Runs the command in this process with the tiny model."""

    def __init__(self, model: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.model, self.out, self._capsys = model, folder / "out.jsonl", capsys
        self.err = self.stdout = ""

    def __call__(self, source: Path, *more: str, out: bool = True) -> int:
        argv = ["caption", str(source), "--model", str(self.model), "--threads", "1", *more]
        if out:
            argv += ["--out", str(self.out)]
        self._capsys.readouterr()
        code = main(argv)
        said = self._capsys.readouterr()
        self.err, self.stdout = said.err, said.out
        return code

    @property
    def lines(self) -> list[dict[str, Any]]:
        return lines_of(self.out)


@pytest.fixture
def run(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(tiny_model, tmp_path, capsys)


@pytest.mark.parametrize("storage", ["mcap", "db3"])
def test_every_frame_of_a_bag_is_captioned_in_order(
    run: Run, tmp_path: Path, storage: str
) -> None:
    bag = write_bag(tmp_path / "bag", storage, [compressed(n) for n in range(6)])
    assert run(bag) == 0
    assert [line["frame_seq"] for line in run.lines] == list(range(6))
    assert [line["stamp_ns"] for line in run.lines] == [BEGIN + n * PERIOD for n in range(6)]
    for line in run.lines:
        assert set(line) == FIELDS
        assert (line["source"], line["frame_id"]) == (TOPIC, "camera_optical_frame")
        for look in ("coarse", "refined"):
            # Nothing said is nothing to be sure of.
            assert (line[f"{look}_confidence"] is None) == (line[look] == "")
            assert 0 <= (line[f"{look}_confidence"] or 0) <= 1
        assert line["changed"] == (line["coarse"] != line["refined"])
        assert line["decoder_calls"]["coarse"] >= 1 and line["decoder_calls"]["refined"] >= 1
        assert set(line["milliseconds"]["refined"]) == {
            "preprocess", "encode", "sharpen", "decode",
        }  # fmt: skip
    assert "6 frames captioned" in run.err and "unreadable" not in run.err


@pytest.mark.parametrize("storage", ["mcap", "db3"])
def test_a_bag_file_gives_what_its_folder_gives(run: Run, tmp_path: Path, storage: str) -> None:
    bag = write_bag(tmp_path / "bag", storage, [raw(n) for n in range(3)], "Image")
    assert run(bag) == 0
    whole = [line["refined"] for line in run.lines]
    assert run(bag / f"bag.{storage}") == 0
    assert [line["refined"] for line in run.lines] == whole


def test_the_result_is_the_same_every_time(run: Run, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", "mcap", [compressed(n) for n in range(5)])

    def result() -> list[dict[str, Any]]:
        assert run(bag) == 0
        return [{**line, "milliseconds": None} for line in run.lines]

    assert result() == result()


def test_folder_images_come_in_natural_order(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in (10, 2, 1):
        (folder / f"image{number}.jpg").write_bytes(jpeg(number))
    (folder / "notes.txt").write_text("not an image")
    assert run(folder) == 0
    assert [line["source"] for line in run.lines] == ["image1.jpg", "image2.jpg", "image10.jpg"]
    assert {line["stamp_ns"] for line in run.lines} == {0}


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tiff"])
def test_one_image_goes_to_standard_output(
    tiny_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str
) -> None:
    image = tmp_path / f"one{suffix}"
    cv2.imwrite(str(image), picture(1)[..., ::-1])
    assert main(["caption", str(image), "--model", str(tiny_model), "--threads", "1"]) == 0
    (line,) = capfd.readouterr().out.splitlines()
    assert json.loads(line)["source"] == image.name


def test_a_video_is_stamped_from_its_beginning(run: Run, tmp_path: Path) -> None:
    assert run(write_video(tmp_path / "drive.avi", 8)) == 0
    stamps = [line["stamp_ns"] for line in run.lines]
    assert len(stamps) == 8 and stamps[0] == 0
    assert np.allclose(np.diff(stamps), PERIOD, atol=1e6)


def test_a_truncated_video_is_reported(run: Run, tmp_path: Path) -> None:
    video = write_video(tmp_path / "drive.avi", 40)
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    assert run(video) == 1
    assert 5 < len(run.lines) < 40
    assert "claims 40 frames" in run.err and "unreadable" in run.err


def test_without_refinement_what_belongs_to_it_is_null(run: Run, tmp_path: Path) -> None:
    (tmp_path / "one.jpg").write_bytes(jpeg(1))
    assert run(tmp_path / "one.jpg", "--refine", "never") == 0
    (line,) = run.lines
    assert line["refined"] is None and line["refined_confidence"] is None
    assert line["changed"] is None and line["milliseconds"]["refined"] is None


def test_only_uncertain_captions_are_refined_where_that_is_asked(run: Run, tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(number))
    assert run(tmp_path, "--refine", "uncertain") == 0
    threshold = 0.73  # the tiny model's
    sure = [line["coarse_confidence"] >= threshold for line in run.lines]
    assert [line["refined"] is None for line in run.lines] == sure
    assert 0 < sum(sure) < 12
    assert f"12 frames captioned, {12 - sum(sure)} of them refined" in run.err


def test_unreadable_frames_are_counted_and_do_not_stop_the_rest(run: Run, tmp_path: Path) -> None:
    images = [compressed(0), compressed(1, jpeg(1)[:200]), compressed(2), compressed(3)[:40]]
    images += [compressed(4, b""), compressed(5)]
    assert run(write_bag(tmp_path / "bag", "mcap", images)) == 1
    assert [line["frame_seq"] for line in run.lines] == [0, 2, 5]
    assert "3 frames captioned, 3 unreadable" in run.err
    assert "frame 1" in run.err and "frame 3" in run.err and "frame 4" in run.err


def test_unreadable_images_of_a_folder_are_counted(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"not a picture")
    (tmp_path / "b.jpg").write_bytes(jpeg(1))
    (tmp_path / "c.bmp").write_bytes(b"")
    assert run(tmp_path) == 1
    assert [line["source"] for line in run.lines] == ["b.jpg"]
    assert "1 frame captioned, 2 unreadable" in run.err


def test_depth_images_are_refused_with_a_sentence(run: Run, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", "mcap", [raw(0, "16UC1"), raw(1, "32FC1")], "Image")
    assert run(bag) == 1
    assert "depth image" in run.err and "0 frames captioned, 2 unreadable" in run.err


@pytest.mark.parametrize("storage", ["mcap", "db3"])
def test_a_bag_without_its_metadata_is_whole(run: Run, tmp_path: Path, storage: str) -> None:
    bag = write_bag(tmp_path / "bag", storage, [compressed(n) for n in range(3)])
    (bag / "metadata.yaml").unlink()
    assert run(bag) == 0
    assert len(run.lines) == 3


def bulky(number: int) -> bytes:
    """So large, however packed, that half of a file of them is some of them."""
    noise = np.random.default_rng(number).integers(0, 256, 40_000, np.uint8).tobytes()
    return compressed(number, jpeg(number) + noise)


@pytest.mark.parametrize("storage", ["mcap", "mcap packed", "db3"])
def test_a_truncated_bag_gives_what_is_readable(run: Run, tmp_path: Path, storage: str) -> None:
    storage, packed = storage.split()[0], storage.endswith("packed")
    images = [bulky(n) for n in range(60)]
    bag = write_bag(tmp_path / "bag", storage, images, packed=packed)
    file = bag / f"bag.{storage}"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert run(bag) == 1
    count = len(run.lines)
    assert 15 < count < 45
    assert [line["frame_seq"] for line in run.lines] == list(range(count))
    assert "damaged" in run.err
    (bag / "metadata.yaml").unlink()
    assert run(bag) == 1
    assert len(run.lines) == count


def test_a_damaged_chunk_does_not_hide_the_others(run: Run, tmp_path: Path) -> None:
    images = [bulky(n) for n in range(60)]
    bag = write_bag(tmp_path / "bag", "mcap", images)
    file = bag / "bag.mcap"
    data = bytearray(file.read_bytes())
    middle = data.index(jpeg(30)[:64])
    # A record length that makes no sense.
    data[middle - 200 : middle] = b"\xff" * 200
    file.write_bytes(data)
    assert run(bag) == 1
    assert len(run.lines) >= 25
    stamps = [line["stamp_ns"] for line in run.lines]
    assert len(set(stamps)) == len(stamps)


def test_the_image_topic_is_chosen_by_name(run: Run, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", "mcap", [compressed(0)], topics=("/front", "/rear"))
    assert run(bag) == 2
    assert "--topic" in run.err and "/front" in run.err and "/rear" in run.err
    assert run(bag, "--topic", "/rear") == 0
    assert run.lines[0]["source"] == "/rear"
    assert run(bag, "--topic", "/notes") == 2
    assert "no image topic '/notes'" in run.err


def test_a_bag_without_images_is_refused(run: Run, tmp_path: Path) -> None:
    assert run(write_bag(tmp_path / "bag", "mcap", [compressed(0)], topics=())) == 1
    assert "no image topics" in run.err and "/notes" in run.err


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("missing.mcap", None, "does not exist"),
        ("old.bag", b"#ROSBAG V2.0", "ROS 1 bag"),
        ("notes.txt", b"hello", "cannot be opened as a video"),
        ("broken.mcap", b"hello", "nothing that can be read"),
        ("broken.db3", b"hello", "nothing that can be read"),
        ("empty", "folder", "neither a bag"),
    ],
)
def test_what_is_no_input_is_said_in_a_sentence(
    run: Run, tmp_path: Path, name: str, content: bytes | str | None, sentence: str
) -> None:
    if content == "folder":
        (tmp_path / name).mkdir()
    elif isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    assert run(tmp_path / name) == 1
    assert sentence in run.err and "Traceback" not in run.err
    assert not run.out.exists()


def test_images_are_captioned_where_bags_could_not_be_read(
    tiny_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "one.jpg").write_bytes(jpeg(1))
    program = "import sys; sys.modules['rosbags'] = None; from mmser_ros.cli import main; main()"
    words = ["caption", str(tmp_path / "one.jpg"), "--model", str(tiny_model)]
    ended = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, timeout=60, check=True
    )
    assert json.loads(ended.stdout)["source"] == "one.jpg"
    words[1] = str(write_bag(tmp_path / "bag", "mcap", [compressed(0)]))
    ended = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, timeout=60, check=True
    )
    assert b"pip install rosbags" in ended.stderr and not ended.stdout


def test_a_wrong_model_or_engine_is_said_in_a_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "one.jpg").write_bytes(jpeg(1))
    assert run(tmp_path / "one.jpg", "--engine", "abacus") == 1
    assert "abacus" in run.err
    assert run(tmp_path / "one.jpg", "--model", "/nowhere/model") == 1
    assert "/nowhere/model" in run.err
    assert run(tmp_path / "one.jpg", "--precision", "fp8") == 1
    assert "precision 'fp8'" in run.err
    assert run(tmp_path / "one.jpg", "--threads", "0") == 2
    assert run(tmp_path / "one.jpg", "--beams", "0") == 2
    assert "--beams is 0" in run.err
    assert run(tmp_path / "one.jpg", "--bag-out", str(tmp_path / "copy")) == 2
    assert "the input is none" in run.err


def test_wrong_usage_ends_with_two() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["caption"])
    assert ended.value.code == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_said_in_a_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "one.jpg").write_bytes(jpeg(1))
    assert run(tmp_path / "one.jpg", "--out", "/dev/full", out=False) == 1
    assert "/dev/full cannot be written: No space left" in run.err
    assert run(tmp_path / "one.jpg", "--out", "/nowhere/out.jsonl", out=False) == 1
    assert "/nowhere/out.jsonl cannot be written" in run.err


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "mmser_ros.cli", *map(str, words)]


def test_no_half_written_line_is_left_when_the_disk_fills(
    tiny_model: Path, tmp_path: Path
) -> None:
    bag = write_bag(tmp_path / "bag", "mcap", [compressed(n) for n in range(8)])
    out = tmp_path / "out.jsonl"
    program = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500)); "
        "from mmser_ros.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, "caption", bag, "--model", tiny_model, "--out", out],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    assert "cannot be written" in ended.stderr
    assert 1 <= len(lines_of(out)) < 8
    assert out.read_bytes().endswith(b"\n")


def test_a_reader_that_has_enough_ends_it_quietly(tiny_model: Path, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", "mcap", [compressed(n) for n in range(300)])
    process = subprocess.Popen(
        command("caption", bag, "--model", tiny_model, "--refine", "never"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    assert json.loads(process.stdout.readline())["frame_seq"] == 0
    process.stdout.close()
    assert process.wait(60) == 128 + signal.SIGPIPE
    assert b"Traceback" not in process.stderr.read()


def test_ctrl_c_leaves_whole_lines(tiny_model: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "long.avi", 3000)
    out = tmp_path / "out.jsonl"
    process = subprocess.Popen(
        command("caption", video, "--model", tiny_model, "--out", out), stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    deadline = time.monotonic() + 60
    while not (out.exists() and out.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    said = process.stderr.read()
    assert b"Ctrl-C" in said and b"Traceback" not in said
    assert 1 <= len(lines_of(out)) < 3000


CAPTION = "mmser_ros/msg/Caption"


def read_captions(bag: Path, definition: Path) -> list[Any]:
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg(definition.read_text("utf-8"), CAPTION))
    with Reader(bag) as reader:
        found = [c for c in reader.connections if c.topic == "/caption"]
        return [
            (when, store.deserialize_cdr(data, connection.msgtype))
            for connection, when, data in reader.messages(found)
        ]


@pytest.mark.parametrize("storage", ["mcap", "db3"])
@pytest.mark.parametrize("version", [8, 9])
def test_a_bag_copy_has_captions_beside_the_originals(
    run: Run, tmp_path: Path, repository: Path, storage: str, version: int
) -> None:
    bag = write_bag(tmp_path / "bag", storage, [compressed(n) for n in range(4)])
    copy = tmp_path / "copy"
    assert run(bag, "--bag-out", str(copy), "--bag-version", str(version)) == 0
    assert f"version: {version}" in (copy / "metadata.yaml").read_text()
    assert (copy / f"copy.{storage}").is_file()
    with Reader(bag) as before, Reader(copy) as after:
        old = {c.topic: c for c in before.connections}
        new = {c.topic: c for c in after.connections}
        assert set(new) == {*old, "/caption"}
        for topic, connection in old.items():
            assert new[topic].msgtype == connection.msgtype
            assert new[topic].digest == connection.digest
        wanted = [new[topic] for topic in old]
        assert [(c.topic, t, d) for c, t, d in before.messages()] == [
            (c.topic, t, d) for c, t, d in after.messages(wanted)
        ]
        (offered,) = new["/caption"].ext.offered_qos_profiles
        assert (offered.reliability.name, offered.durability.name, offered.depth) == (
            "RELIABLE", "TRANSIENT_LOCAL", 1,
        )  # fmt: skip
    captions = read_captions(copy, repository / "msg" / "Caption.msg")
    assert [(c.frame_seq, c.stage) for _, c in captions] == [
        (n, s) for n in range(4) for s in (0, 1)
    ]
    for (when, message), line in zip(captions[1::2], run.lines, strict=True):
        stamp = message.header.stamp
        assert stamp.sec * 1_000_000_000 + stamp.nanosec == line["stamp_ns"]
        assert message.header.frame_id == "camera_optical_frame"
        assert when == line["stamp_ns"] + 3_000_002
        assert message.text == line["refined"] == " ".join(message.words)
        assert len(message.word_probabilities) == len(message.words)
        assert message.source_topic == TOPIC and np.isnan(message.age)
        assert message.inference_time > 0
    assert list(tmp_path.glob(".*partial")) == []


def test_the_type_hash_in_the_copy_is_that_of_ros(
    run: Run, tmp_path: Path, repository: Path
) -> None:
    """Computed by rosidl when the messages were generated, and kept beside them."""
    description = next(
        (
            found
            for prefix in (sys.prefix, *os.environ.get("AMENT_PREFIX_PATH", "").split(":"))
            for found in Path(prefix or ".").glob("share/mmser_ros/msg/Caption.json")
        ),
        None,
    )
    if description is None:
        pytest.skip("Caption.json, which rosidl generates, is not installed")
    hashes = json.loads(description.read_text())["type_hashes"]
    real = next(item["hash_string"] for item in hashes if item["type_name"] == CAPTION)
    bag = write_bag(tmp_path / "bag", "db3", [compressed(0)])
    assert run(bag, "--bag-out", str(tmp_path / "copy")) == 0
    with Reader(tmp_path / "copy") as reader:
        assert [c.digest for c in reader.connections if c.topic == "/caption"] == [real]


def test_a_bag_of_humble_is_copied_without_what_nobody_defines(
    run: Run, tmp_path: Path, repository: Path
) -> None:
    topics = {
        TOPIC: ("sensor_msgs/msg/CompressedImage", [compressed(n) for n in range(3)]),
        "/secret": ("acme_msgs/msg/Secret", [b"\0\1\0\0"]),
    }
    bag = write_old_bag(tmp_path / "old.db3", topics)
    copy = tmp_path / "copy.mcap"
    assert run(bag, "--bag-out", str(copy)) == 0
    assert len(run.lines) == 3
    assert "/secret (acme_msgs/msg/Secret)" in run.err
    assert len(read_captions(copy, repository / "msg" / "Caption.msg")) == 6
    with Reader(copy) as reader:
        assert {c.topic: c.msgcount for c in reader.connections} == {TOPIC: 3, "/caption": 6}


@pytest.mark.parametrize("suffix", [".mcap", ".db3"])
def test_a_bag_copy_can_be_one_file(
    run: Run, tmp_path: Path, repository: Path, suffix: str
) -> None:
    bag = write_bag(tmp_path / "bag", "mcap", [compressed(0)])
    target = tmp_path / f"one{suffix}"
    assert run(bag, "--bag-out", str(target), "--caption-topic", "/caption") == 0
    assert target.is_file()
    assert len(read_captions(target, repository / "msg" / "Caption.msg")) == 2


def test_a_bag_copy_never_overwrites(run: Run, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", "mcap", [compressed(0)])
    assert run(bag, "--bag-out", str(bag)) == 2
    assert "does not overwrite" in run.err
    assert run(bag, "--bag-out", str(tmp_path / "copy")) == 0
    assert run(tmp_path / "copy", "--bag-out", str(tmp_path / "again")) == 2
    assert "--caption-topic" in run.err
    assert not (tmp_path / "again").exists()


def test_nothing_is_left_of_a_copy_that_failed(run: Run, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", "mcap", [compressed(0)])
    arguments = ["--bag-out", str(tmp_path / "copy"), "--out", "/dev/full"]
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    assert run(bag, *arguments, out=False) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bag"]


def test_real_camera_frames_are_captioned(run: Run, real_frames: list[Path]) -> None:
    assert run(real_frames[0].parent) == 0
    assert len(run.lines) == len(real_frames)


def test_ros_itself_reads_the_captions_of_a_copy(run: Run, tmp_path: Path) -> None:
    serialization = pytest.importorskip("rclpy.serialization", reason="ROS 2 is not installed")
    from mmser_ros.msg import Caption

    bag = write_bag(tmp_path / "bag", "mcap", [compressed(n) for n in range(2)])
    assert run(bag, "--bag-out", str(tmp_path / "copy")) == 0
    with Reader(tmp_path / "copy") as reader:
        found = [c for c in reader.connections if c.topic == "/caption"]
        read = [
            serialization.deserialize_message(data, Caption)
            for _, _, data in reader.messages(found)
        ]
    assert [m.text for m in read[1::2]] == [line["refined"] for line in run.lines]
    assert [m.stage for m in read] == [Caption.STAGE_COARSE, Caption.STAGE_REFINED] * 2
    assert [m.decoder_calls for m in read[::2]] == [
        line["decoder_calls"]["coarse"] for line in run.lines
    ]
