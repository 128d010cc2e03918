from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmser_ros.world import dataset
from mmser_ros.world.dataset import majority, render_split
from mmser_ros.world.grammar import caption, parse
from mmser_ros.world.render import NoRenderer, Renderer
from mmser_ros.world.shards import BadShards, Shards, from_record


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small shards of training frames and one of the test split."""
    try:
        Renderer(32, 24)
    except NoRenderer as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("world")
    render_split(folder, "train", 10, seed=4, workers=2, shard=6)
    render_split(folder, "test", 4, seed=4, workers=1, shard=6)
    return folder


def test_shards_hold_every_frame(shards: Path) -> None:
    read = Shards(shards, "train")
    assert len(read) == 10
    assert sorted(p.name for p in shards.iterdir()) == ["test-0000", "train-0000", "train-0001"]
    for i in range(10):
        assert read.image(i).shape == (288, 384, 3)
        assert read.image(i).std() > 5
        assert read.ids(i).shape == (72, 96)
        assert read.record(i)["frame"] == i
    with pytest.raises(IndexError):
        read.image(10)
    assert len(Shards(shards, "train", most=3)) == 3


def test_captions_are_those_of_the_facts(shards: Path) -> None:
    read = Shards(shards, "train")
    for i, text in enumerate(read.captions()):
        facts = read.facts(i)
        assert text == caption(facts)
        said = parse(text)
        assert [item.said for item in said.items] == [item.said for item in facts.items]
        assert said.path == facts.path
        assert len(facts.items) <= 4


def test_named_items_are_in_the_ids(shards: Path) -> None:
    read = Shards(shards, "train")
    for i in range(len(read)):
        found = set(np.unique(read.ids(i)))
        for item in read.facts(i).items:
            assert item.share < 0.02 or found.issuperset(item.idents)


def test_frames_are_of_their_split(shards: Path) -> None:
    for split, low, high in (("test", 0, 5), ("train", 10, 100)):
        read = Shards(shards, split)
        for i in range(len(read)):
            assert low <= int(read.record(i)["graph"], 16) % 100 < high


def test_a_second_run_renders_only_what_is_missing(shards: Path, tmp_path: Path) -> None:
    kept = shards / "train-0000" / "images.npy"
    before, pixels = kept.stat().st_mtime_ns, np.load(shards / "train-0001" / "images.npy")
    (shards / "train-0001").rename(tmp_path / "away")
    render_split(shards, "train", 10, seed=4, workers=1, shard=6)
    assert kept.stat().st_mtime_ns == before
    np.testing.assert_array_equal(np.load(shards / "train-0001" / "images.npy"), pixels)


def test_a_shard_that_is_too_short_is_rendered_anew(tmp_path: Path) -> None:
    render_split(tmp_path, "train", 2, seed=4, workers=1, shard=4)
    render_split(tmp_path, "train", 3, seed=4, workers=1, shard=4)
    assert [len(Shards(tmp_path, "train")), len(Shards(tmp_path, "train", most=2))] == [3, 2]
    render_split(tmp_path, "train", 1, seed=4, workers=1, shard=4)
    assert len(Shards(tmp_path, "train")) == 3


def test_a_worker_that_dies_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    started: list[Path] = []

    def start(target: Path, *_: object) -> subprocess.Popen[bytes]:
        started.append(target)
        ends = (
            "import os; os.abort()"
            if len(started) == 1
            else f"import os; os.mkdir({str(target)!r})"
        )
        return subprocess.Popen([sys.executable, "-c", ends])

    monkeypatch.setattr(dataset, "_start_worker", start)
    render_split(tmp_path, "train", 5, workers=1)
    assert started == [tmp_path / "train-0000"] * 2
    assert "again" in capfd.readouterr().out


def test_a_shard_that_keeps_failing_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(*_: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])

    monkeypatch.setattr(dataset, "_start_worker", start)
    with pytest.raises(RuntimeError, match="train-0000 failed 5 times, last with exit code 3"):
        render_split(tmp_path, "train", 5, workers=1)


def test_a_folder_without_shards_says_how_to_render_some(tmp_path: Path) -> None:
    with pytest.raises(BadShards, match="dataset --split test"):
        Shards(tmp_path, "test")


def test_pictures_are_those_of_the_file(shards: Path) -> None:
    read = Shards(shards, "train")
    whole = np.concatenate([np.load(shards / f"train-000{k}" / "images.npy") for k in (0, 1)])
    for i in (7, 0, 9, 5):
        np.testing.assert_array_equal(read.image(i), whole[i])


def test_a_shard_that_is_cut_off_says_so(shards: Path, tmp_path: Path) -> None:
    shutil.copytree(shards / "train-0000", tmp_path / "train-0000")
    pictures = tmp_path / "train-0000" / "images.npy"
    read = Shards(tmp_path, "train")
    with pictures.open("r+b") as file:
        file.truncate(pictures.stat().st_size - 1)
    assert read.image(4).shape == (288, 384, 3)
    with pytest.raises(BadShards, match="is cut off"):
        read.image(5)
    with pytest.raises(BadShards, match="render its split again"):
        Shards(tmp_path, "train")
    render_split(tmp_path, "train", 6, seed=4, workers=1, shard=6)
    whole = np.load(shards / "train-0000" / "images.npy")
    np.testing.assert_array_equal(Shards(tmp_path, "train").image(5), whole[5])


def test_records_keep_the_facts(shards: Path) -> None:
    read = Shards(shards, "train")
    for i in range(len(read)):
        record = read.record(i)
        assert from_record(json.loads(json.dumps(record))) == read.facts(i)
        for item in record["items"]:
            assert item["share"] >= 0.006


def test_a_cell_has_the_id_of_most_of_its_pixels() -> None:
    ids = np.zeros((4, 8), np.uint8)
    ids[:2, :4] = 7
    ids[2, 0] = 7
    ids[3, 4:] = 9
    assert majority(ids).tolist() == [[7, 0]]
