"""Models are found by name where they are installed, and by path anywhere."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mmser_ros import folders
from mmser_ros.folders import find_model
from mmser_ros.model.config import BadModel


@pytest.fixture
def elsewhere(tmp_path, monkeypatch) -> Path:
    """A file system where this package lies in tmp/lib/site/mmser_ros and no model exists."""
    monkeypatch.setattr(folders, "__file__", str(tmp_path / "lib" / "site" / "mmser_ros" / "x.py"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    monkeypatch.setenv("AMENT_PREFIX_PATH", "")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    return folder


@pytest.mark.parametrize(
    "place",
    [
        "lib/site/engines",  # a source tree
        "share/mmser_ros/engines",  # the prefix that the package lies in
        "prefix/share/mmser_ros/engines",
    ],
)
def test_name_is_found_where_it_is_installed(elsewhere, place):
    folder = make(elsewhere / place / "nano")
    assert find_model("nano") == folder


def test_name_is_found_in_every_ament_prefix(elsewhere, monkeypatch):
    folder = make(elsewhere / "b" / "share/mmser_ros/engines/nano")
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{elsewhere / 'a'}:{elsewhere / 'b'}")
    assert find_model("nano") == folder


def test_installed_model_goes_before_a_folder_of_its_name_here(elsewhere):
    make(elsewhere / "nano")
    installed = make(elsewhere / "share/mmser_ros/engines/nano")
    assert find_model("nano") == installed
    assert find_model("./nano/../nano") == Path("nano/../nano")


def test_path_is_taken_as_it_is(elsewhere):
    folder = make(elsewhere / "my" / "model")
    assert find_model(folder) == folder
    assert find_model("my/model") == Path("my/model")
    assert find_model("my/model/") == Path("my/model")


def test_unknown_name_says_where_it_was_looked_for(elsewhere):
    make(elsewhere / "prefix/share/mmser_ros/engines/nano")
    with pytest.raises(BadModel, match=r"There is no model 'nona' in .*prefix/share/mmser_ros"):
        find_model("nona")


def test_path_without_a_config_is_no_model(elsewhere):
    (elsewhere / "empty").mkdir()
    with pytest.raises(BadModel, match=r"holds no config\.json"):
        find_model(elsewhere / "empty")
    with pytest.raises(BadModel):
        find_model("")
