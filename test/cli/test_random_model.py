"""Models with random weights: made once, in the user's cache, or a sentence says why not."""

from __future__ import annotations

import itertools
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from mmser_ros.cli import random_model as room
from mmser_ros.cli.failure import Failure
from mmser_ros.cli.random_model import caption_of, random_model
from mmser_ros.model.config import check
from mmser_ros.model.sizes import SIZES

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "mmser_ros" / "models"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Sizes that were made, quickly."""
    sizes: list[str] = []

    def write(folder: Path, size: str) -> None:
        sizes.append(size)
        (folder / "config.json").write_text(SIZES[size].to_json())

    monkeypatch.setattr(room, "_write", write)
    return sizes


def test_a_size_is_made_once_and_older_ones_of_it_go(cache: Path, made: list[str]) -> None:
    for name in ("small-ofyore", "base-other"):
        (cache / name).mkdir(parents=True)
    folder = random_model("small")
    assert random_model("small") == folder and made == ["small"]
    assert sorted(path.name for path in cache.iterdir()) == ["base-other", folder.name]
    assert (folder / "config.json").is_file() and folder.stat().st_mode & 0o777 == 0o755


def test_what_fails_leaves_nothing(
    cache: Path, monkeypatch: pytest.MonkeyPatch, made: list[str]
) -> None:
    def fails(folder: Path, size: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(room, "_write", fails)
    with pytest.raises(Failure, match="No space left"):
        random_model("small")
    assert list(cache.iterdir()) == []

    def lacks(folder: Path, size: str) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(room, "_write", lacks)
    with pytest.raises(Failure, match="made with torch, which is not installed"):
        random_model("small")
    assert list(cache.iterdir()) == []


def test_a_full_disk_is_told_before_anything_is_made(
    cache: Path, monkeypatch: pytest.MonkeyPatch, made: list[str]
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1, 1, 1_000_000))
    with pytest.raises(Failure, match=r"less than 3 GB free"):
        random_model("base")
    assert made == []


@pytest.mark.parametrize("size", SIZES)
def test_sizes_are_sound(size: str) -> None:
    config, caption = SIZES[size], caption_of(size)
    check(config, Path(size))
    prompt = config.prompt
    special = {*prompt.coarse, *prompt.refine, *prompt.separator, prompt.end, prompt.pad}
    assert len({*caption}) == len(caption) and not special & {*caption}
    assert max(caption) < config.decoder.vocabulary - 1  # the last stands for images elsewhere


def test_the_base_size_is_the_papers() -> None:
    base = SIZES["base"]
    assert base.visual_tokens == 576 and base.vision.taps == (13, 18, 23)
    widths = [base.vision.width, *base.connector.hidden, base.decoder.width]
    connector = sum(a * b for a, b in itertools.pairwise(widths))
    assert connector == pytest.approx(24.4e6, rel=0.01)
