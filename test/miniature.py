"""Training in thumbnail size: a tiny model, frames that were never rendered, every stage."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

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


def examples(shards: Shards, device: torch.device | None = None) -> Examples:
    """Frames to learn from, on a device."""
    return Examples(shards, TOKENIZER, tiny().model.image, device)


def trainer(folder: Path, accelerator: Accelerator | None = None) -> Trainer:
    """A run of the recipe in thumbnail size, on the CPU unless told."""
    torch.manual_seed(0)
    accelerator = accelerator or Accelerator(cpu=True)
    return Trainer(MmSer(tiny().model), TOKENIZER, tiny(), folder, accelerator)


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
