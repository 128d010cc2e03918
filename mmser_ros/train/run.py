"""The whole run: from rendered shards through all stages to a model folder."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from mmser_ros.captioner import Captioner
from mmser_ros.files import digest
from mmser_ros.model import checkpoint
from mmser_ros.model.mmser import MmSer
from mmser_ros.runtime.export import export
from mmser_ros.tokens import Tokenizer
from mmser_ros.train import (
    calibrate,
    closer,
    critical,
    features,
    plot,
    refining,
    seeing,
    stages,
)
from mmser_ros.train.data import Examples, open_examples
from mmser_ros.train.features import Features
from mmser_ros.train.foils import Foils
from mmser_ros.train.progress import Losses
from mmser_ros.train.recipe import REFINING, STAGES, Recipe
from mmser_ros.train.times import spent
from mmser_ros.train.trainer import WATCHED, Trainer

log = logging.getLogger(__name__)


def run(
    recipe: Recipe,
    tokenizer: Tokenizer,
    shards: Path,
    work: Path,
    out: Path,
    accelerator: Accelerator,
) -> None:
    """Train on rendered shards, keeping checkpoints in ``work``; write a model folder."""
    torch.manual_seed(recipe.seed)
    model = MmSer(recipe.model)
    trainer = Trainer(model, tokenizer, recipe, work, accelerator)
    stages.reading(trainer)
    image, device = model.config.image, accelerator.device
    with trainer.timed("opening"):
        frames = open_examples(shards, "train", tokenizer, image, device, recipe.frames)
    with trainer.timed("validation"):
        held = open_examples(shards, "validation", tokenizer, image, device, recipe.validation)
    log.info("%d frames to train on, %d to validate", len(frames), len(held))
    seeing.vision(trainer, frames, held)
    log.info("patches read right: %s", seeing.accuracy(trainer, held))
    with trainer.timed("features"):
        seen = features.of_frames(model, frames, work / "features-train.npy", accelerator)
    with trainer.timed("validation"):
        unseen = features.of_frames(model, held, work / "features-validation.npy", accelerator)
    stages.glance(trainer, frames, seen, held, unseen)
    with trainer.timed("foils"):
        foils = closer.foils(trainer, frames, seen)
    few = np.arange(min(WATCHED, len(held)))
    for stage in REFINING:
        path = work / f"closer-{stage}-validation.npy"
        with trainer.timed("validation"):
            watched = closer.take(trainer, held, unseen, few, path)
        right = [tuple(d) == held.captions[r] for r, d in zip(few, watched.drafts, strict=True)]
        log.info("glance: %.1f %% of validation captions exact", 100 * np.mean(right))
        watch = refining.watch_drafts(trainer, held, unseen, watched)
        look_closer(trainer, stage, frames, seen, foils, watch)
    if accelerator.is_main_process:
        log.info("its course is drawn in %s", plot.draw(work))
        with trainer.timed("shipping"):
            ship(trainer, tokenizer, frames, held, out)
        took = {part: seconds / 60 for part, seconds in spent(work).items()}
        parts = ", ".join(f"{part} {minutes:.1f}" for part, minutes in took.items())
        log.info("it took %.0f minutes: %s", sum(took.values()), parts)


def look_closer(
    trainer: Trainer,
    stage: str,
    frames: Examples,
    seen: Features,
    foils: Foils,
    watch: Callable[[], Losses] | None = None,
) -> None:
    """One stage of refinement: drafts and crops of the frames that are kept for it, then learning
    from them.
    """
    first, wanted = trainer.first_unseen(len(frames)), trainer.plan.drafted(stage)
    kept = np.arange(first, min(len(frames), first + wanted))
    path = trainer.folder / f"closer-{stage}-train.npy"
    with trainer.timed("closer looks"):
        looks = closer.take(trainer, frames, seen, kept, path)
    if stage == "critical":
        critical.critical(trainer, frames, seen, looks, watch)
    else:
        refining.refine(trainer, stage, frames, seen, looks, foils, watch)


def ship(
    trainer: Trainer, tokenizer: Tokenizer, frames: Examples, held: Examples, out: Path
) -> None:
    """Write the model folder: weights, config with calibration, tokenizer, graphs."""
    model = trainer.model.eval().cpu()
    checkpoint.save(model, out)
    tokenizer.save(out / "tokenizer.json")
    export(out)
    captioner = Captioner.load(out)
    calibration, statistics = calibrate.measure(captioner, frames, held)
    captioner.close()
    model.config = dataclasses.replace(model.config, calibration=calibration)
    checkpoint.save(model, out, statistics)
    recipe = trainer.recipe
    made = {
        "frames": len(frames),
        "validation": len(held),
        "parameters": sum(p.numel() for p in model.parameters()),
        "seed": recipe.seed,
        "glance": digest(trainer.folder / "glance.safetensors"),
        "steps": {stage: getattr(recipe.plan, stage).steps for stage in STAGES},
    }
    (out / "training.json").write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    log.info("the model is in %s", out)
