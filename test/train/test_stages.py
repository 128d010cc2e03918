"""The stages in miniature: a tiny model on frames that were never rendered."""

from __future__ import annotations

import dataclasses
import importlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from accelerate import Accelerator
from safetensors.torch import load_file

from mmser_ros.model import checkpoint
from mmser_ros.model.config import DecoderConfig, ImageConfig, SerConfig, VisionConfig
from mmser_ros.model.mmser import MmSer
from mmser_ros.tokens import build_word_level
from mmser_ros.train import closer, features, progress, refining, seeing, stages
from mmser_ros.train.data import Examples
from mmser_ros.train.drafts import random_facts
from mmser_ros.train.recipe import REFINING, Recipe, find_recipe, load_recipe
from mmser_ros.train.run import look_closer
from mmser_ros.train.trainer import Trainer
from mmser_ros.world import grammar
from mmser_ros.world.camera import sample_camera
from mmser_ros.world.shards import Shards

TOKENIZER = build_word_level(grammar.words())
FRAMES, STEPS = 20, 4


def shards(folder: Path) -> Shards:
    """Noise, with facts and object ids as rendered frames have them."""
    rng = np.random.default_rng(0)
    (folder / "train-0000").mkdir(parents=True)
    np.save(
        folder / "train-0000" / "images.npy",
        rng.integers(0, 255, (FRAMES, 96, 144, 3), dtype=np.uint8),
    )
    ids = rng.integers(1, 13, (FRAMES, 3, 4), dtype=np.uint8).repeat(8, 1).repeat(9, 2)
    np.save(folder / "train-0000" / "ids.npy", ids)
    lines = []
    for number in range(FRAMES):
        facts = random_facts(rng)
        items = [dataclasses.replace(item, idents=(10 + n,)) for n, item in enumerate(facts.items)]
        record = dataclasses.asdict(dataclasses.replace(facts, items=tuple(items)))
        camera = dataclasses.asdict(sample_camera(rng, 144, 96))
        lines.append(json.dumps({**record, "camera": camera, "frame": number}))
    (folder / "train-0000" / "facts.jsonl").write_text("\n".join(lines) + "\n")
    return Shards(folder, "train")


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    return Examples(shards(tmp_path_factory.mktemp("shards")), TOKENIZER, tiny().model.image)


def tiny() -> Recipe:
    """The built-in recipe in thumbnail size."""
    recipe = load_recipe(find_recipe("nano"), TOKENIZER.vocabulary)
    model = dataclasses.replace(
        recipe.model,
        image=ImageConfig(32, 48, 3, 2, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), ground=True),
        vision=VisionConfig("conv", (4, 4, 8), (1, 1), 16, 16, 2, 2, 32, (1, 2)),
        decoder=DecoderConfig(TOKENIZER.vocabulary, 16, 1, 2, 32, 200),
        ser=SerConfig(16, 1, 2, 32, 88),
    )
    quick = progress.Schedule(STEPS, 1e-2, warmup=1, every=2)
    plan = dataclasses.replace(
        recipe.plan, batch=3, wholes=2, windows=2, coarse=0.3,
        reading=quick, vision=quick, glance=quick, refine=quick, again=quick, critical=quick,
    )  # fmt: skip
    return dataclasses.replace(recipe, model=model, plan=plan)


def trainer(folder: Path) -> Trainer:
    torch.manual_seed(0)
    return Trainer(MmSer(tiny().model), TOKENIZER, tiny(), folder, Accelerator(cpu=True))


def every_stage(one: Trainer, frames: Examples) -> None:
    """All stages, on the same frames for training and validation."""
    work = one.folder
    stages.reading(one)
    seeing.vision(one, frames, frames)
    seen = features.of_frames(one.model, frames, work / "features.npy", one.accelerator)
    stages.glance(one, frames, seen, frames, seen)
    rows = np.arange(len(frames))
    foils = closer.foils(one, frames, seen)
    for stage in REFINING:
        looks = closer.take(one, frames, seen, rows, work / f"closer-{stage}.npy")
        watch = refining.watch_drafts(one, frames, seen, looks)
        look_closer(one, stage, frames, seen, foils, watch)


@pytest.fixture(scope="module")
def whole(frames: Examples, tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    done = trainer(tmp_path_factory.mktemp("whole"))
    every_stage(done, frames)
    return done


class Killed(Exception):
    """Instead of a kill."""


def killed_at(stage: str, step: int) -> Callable[..., None]:
    """Trainer.run, but for one step of one stage."""
    run = Trainer.run

    def until(self, name, parts, made, *more):
        def perhaps(k: int) -> progress.Losses:
            if (name, k) == (stage, step):
                raise Killed
            return made(k)

        run(self, name, parts, perhaps, *more)

    return until


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
