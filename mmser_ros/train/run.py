"""The whole run: from rendered shards through all stages to a model folder."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from mmser_ros.captioner import Captioner
from mmser_ros.model import checkpoint
from mmser_ros.model.mmser import MmSer
from mmser_ros.runtime.export import export
from mmser_ros.tokens import Tokenizer
from mmser_ros.train import calibrate, features, plot
from mmser_ros.train.data import Examples, normalised, open_examples
from mmser_ros.train.recipe import STAGES, Recipe
from mmser_ros.train.stages import WATCHED, Trainer, watch_drafts

log = logging.getLogger(__name__)

CALIBRATED = 1000
"""Validation frames that the confidence curves are fitted on, at most."""


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
    trainer.reading()
    image = model.config.image
    device = accelerator.device
    frames = open_examples(shards, "train", tokenizer, image, device, recipe.frames)
    held = open_examples(shards, "validation", tokenizer, image, device, recipe.validation)
    log.info("%d frames to train on, %d to validate", len(frames), len(held))
    trainer.vision(frames, held)
    log.info("patches read right: %s", vision_accuracy(trainer, held))
    seen = features.compute(model, frames, work / "features-train.npy", accelerator)
    unseen = features.compute(model, held, work / "features-validation.npy", accelerator)
    trainer.glance(frames, seen, held, unseen)
    for stage in ("refine", "again"):
        own = trainer.captions(seen, np.arange(trainer.first_unseen(len(frames)), len(frames)))
        few = trainer.captions(unseen, np.arange(min(WATCHED, len(held))))
        right = np.mean([tuple(few[r]) == held.captions[r] for r in few])
        log.info("glance: %.1f %% of validation captions exact", 100 * right)
        trainer.refine(stage, frames, seen, own, watch_drafts(trainer, held, unseen, few))
    if accelerator.is_main_process:
        log.info("its course is drawn in %s", plot.draw(work))
        ship(trainer, tokenizer, held, seen.path, unseen.path, out, len(frames))


def ship(
    trainer: Trainer,
    tokenizer: Tokenizer,
    held: Examples,
    seen: Path,
    unseen: Path,
    out: Path,
    frames: int,
) -> None:
    """Write the model folder: weights, config with calibration, tokenizer, graphs."""
    model = trainer.model.eval().cpu()
    statistics = calibrate.familiarity(features.pooled(seen), features.pooled(unseen))
    checkpoint.save(model, out, statistics)
    tokenizer.save(out / "tokenizer.json")
    export(out)
    captioner = Captioner.load(out)
    model.config = dataclasses.replace(
        model.config, calibration=calibrate.calibration(captioner, held, CALIBRATED)
    )
    captioner.close()
    checkpoint.save(model, out, statistics)
    recipe = trainer.recipe
    made = {
        "frames": frames,
        "validation": len(held),
        "parameters": sum(p.numel() for p in model.parameters()),
        "seed": recipe.seed,
        "steps": {stage: getattr(recipe.plan, stage).steps for stage in STAGES},
    }
    (out / "training.json").write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    log.info("the model is in %s", out)


def vision_accuracy(trainer: Trainer, held: Examples, count: int = 400) -> dict[str, float]:
    """Share of right read-outs on validation frames."""
    rows = np.arange(min(count, len(held)))
    model = trainer.model.eval()
    with torch.no_grad():
        tokens = model.vision(normalised(held.glances(rows), model.config.image))[:, -1]
        found = trainer.heads.accuracy(tokens, held.patches[rows].long(), held.frames[rows])
    return {name: round(value, 3) for name, value in found.items()}
