"""The stages in miniature: a tiny model on frames that were never rendered."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from miniature import Killed, every_stage, examples, killed_at, shards, trainer
from safetensors.torch import load_file

from mmser_ros.model import checkpoint
from mmser_ros.train import closer, features, seeing
from mmser_ros.train.data import Examples
from mmser_ros.train.trainer import Trainer


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    return examples(shards(tmp_path_factory.mktemp("shards")))


@pytest.fixture(scope="module")
def whole(frames: Examples, tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    done = trainer(tmp_path_factory.mktemp("whole"))
    every_stage(done, frames)
    return done


@pytest.mark.parametrize("stage", ["vision", "glance", "again", "critical"])
def test_a_run_killed_in_any_stage_ends_where_an_undisturbed_one_does(
    stage: str,
    whole: Trainer,
    frames: Examples,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as killing, pytest.raises(Killed):
        killing.setattr(Trainer, "run", killed_at(stage, 3))
        every_stage(trainer(tmp_path), frames)
    again = trainer(tmp_path)
    every_stage(again, frames)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name]), name


def test_the_encoder_stays_what_the_vision_stage_has_made_it(whole: Trainer) -> None:
    kept = load_file(whole.folder / "vision.safetensors")
    for name, tensor in whole.model.vision.state_dict().items():
        assert torch.equal(tensor, kept[f"module.vision.{name}"]), name


def test_closer_looks_go_with_their_drafts(whole: Trainer, frames: Examples) -> None:
    seen = features.Features(whole.folder / "features.npy", frames.device)
    rows = np.arange(5)
    looks = closer.take(whole, frames, seen, rows, whole.folder / "few.npy")
    assert looks.places.shape == (5, 2, 4)
    levels = looks.details.all(np.array([3]))
    assert levels.shape == (1, 2, 2, 6, 16)
    pixels = frames.crop_pixels([3], looks.places[3:4].numpy())
    assert torch.allclose(levels[0].float(), whole.model.vision(pixels), atol=0.05)
    assert looks.drafts == closer.take(whole, frames, seen, rows, whole.folder / "few.npy").drafts


def test_unseen_frames_are_kept_from_vision(whole: Trainer, frames: Examples) -> None:
    first = whole.first_unseen(len(frames))
    rows = {int(r) for k in range(50) for r in whole.chosen("vision", k, 4, first)}
    assert rows == set(range(first)) and 0 < first < len(frames)


def test_a_shipped_encoder_can_stand_for_the_vision_stage(
    whole: Trainer,
    frames: Examples,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    repository: Path,
) -> None:
    monkeypatch.syspath_prepend(str(repository / "benchmarks"))
    borrow = importlib.import_module("desk").borrow
    model = tmp_path / "model"
    checkpoint.save(whole.model, model)
    one = trainer(tmp_path / "work")
    for _ in range(2):
        borrow(one, model)
    seeing.vision(one, frames, frames)
    for part in ("vision", "look"):
        shipped = getattr(checkpoint.load(model), part).state_dict()
        for name, tensor in getattr(one.model, part).state_dict().items():
            assert torch.equal(tensor, shipped[name]), name
    with pytest.raises(SystemExit, match="another encoder"):
        borrow(trainer(whole.folder), model)  # in single precision, as it was trained
    with pytest.raises(SystemExit, match="another kind of encoder"):
        borrow(one, repository / "engines" / "nano")
